//! Manifests, indexes and descriptors: enough to walk an image and to attach something to it, never to rewrite it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest::Digest;
use super::lenient::{optional, texts};

/// Image index, `application/vnd.oci.image.index.v1+json`.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Image manifest, `application/vnd.oci.image.manifest.v1+json`.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The configuration of an artifact that is not an image.
pub const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media types that p2p accepts: every kind of manifest, and anything else as a last resort.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.artifact.manifest.v1+json, */*;q=0.1";

/// The largest manifest, in bytes. Registries refuse more than 4 MiB.
pub(super) const LARGEST_MANIFEST: u64 = 16 * 1024 * 1024;

/// A reference to a manifest or a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default, deserialize_with = "optional")]
    pub media_type: String,
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Other places of the content. Set for foreign layers.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The type of an artifact, in lists of referrers.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of content in this registry.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether an entry of an index is a manifest. All known types say so, and an entry without a type counts as
    /// one.
    pub(super) fn is_manifest(&self) -> bool {
        let says = |word| self.media_type.contains(word);
        self.media_type.is_empty() || says("manifest") || says("index")
    }

    /// Whether the layer must not be pushed to registries, such as Windows base layers. Like skopeo and crane, p2p
    /// does not copy them.
    pub(super) fn is_foreign(&self) -> bool {
        self.media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
            || self.media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }
}

/// A manifest or index with the exact bytes of its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The type in the document, or else the registry's.
    pub media_type: String,
    /// The digest of `bytes`.
    pub digest: Digest,
    pub bytes: Bytes,
}

/// The references of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The configuration and the layers.
    pub blobs: Vec<Descriptor>,
    /// The manifests of an index. An index may also name blobs, as build caches do.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    pub subject: Option<Descriptor>,
    pub index: bool,
    /// The type of the artifact: its `artifactType`, or else its configuration's media type.
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
}

/// The fields of all kinds of manifests that p2p needs. Fields that make up an image must be valid, because a copy
/// would otherwise lose parts. The others may be invalid.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(default, deserialize_with = "optional")]
    schema_version: Option<u64>,
    #[serde(default, deserialize_with = "optional")]
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "optional")]
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "optional")]
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest with the artifact type `kind` that refers to `subject`. It has one layer and an empty
    /// configuration (OCI image 1.1, "Guidance for an Empty Descriptor") with the bytes [`EMPTY`].
    pub fn referrer(kind: &str, layer: (&str, &[u8]), subject: &Descriptor, annotations: &Value) -> Self {
        let (media_type, bytes) = layer;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": {"mediaType": EMPTY_TYPE, "digest": Digest::of(EMPTY), "size": EMPTY.len()},
            "layers": [{"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()}],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
            "annotations": annotations,
        });
        Self::new(manifest.to_string().into(), Some(OCI_MANIFEST))
    }

    /// A manifest with these bytes and the `Content-Type` `served`. The document's own `mediaType` wins.
    pub fn new(bytes: Bytes, served: Option<&str>) -> Self {
        let own = serde_json::from_slice::<Fields>(&bytes).ok();
        let served = served
            .and_then(|text| text.split(';').next())
            .map(str::trim)
            .filter(|text| text.starts_with("application/vnd."));
        let media_type = match (&own, served) {
            (Some(Fields { media_type: Some(own), .. }), _) if !own.is_empty() => own.clone(),
            (_, Some(served)) => served.to_owned(),
            (Some(Fields { manifests: Some(_), .. }), None) => OCI_INDEX.to_owned(),
            _ => OCI_MANIFEST.to_owned(),
        };
        Self { media_type, digest: Digest::of(&bytes), bytes }
    }

    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest.clone(), self.bytes.len() as u64)
    }

    /// The references in the document.
    ///
    /// # Errors
    /// The reason why p2p cannot copy it completely: it is not JSON, it is Docker's schema 1 (whose digest is not
    /// that of its bytes), or it is image and index at once (CVE-2021-41190).
    pub fn contents(&self) -> Result<Contents, String> {
        let fields: Fields = serde_json::from_slice(&self.bytes)
            .map_err(|error| format!("it is not a valid manifest: {error}"))?;
        if fields.schema_version == Some(1) {
            return Err("it is a manifest of Docker's schema 1, which is obsolete".to_owned());
        }
        if fields.manifests.is_some() && (fields.layers.is_some() || fields.config.is_some()) {
            return Err("it claims to be an image and an index at once".to_owned());
        }
        let index = fields.manifests.is_some();
        let artifact_type = fields
            .artifact_type
            .filter(|text| !text.is_empty())
            .or_else(|| fields.config.as_ref().map(|config| config.media_type.clone()));
        let mut blobs: Vec<Descriptor> = fields.config.into_iter().collect();
        blobs.extend(fields.layers.unwrap_or_default());
        blobs.extend(fields.blobs.unwrap_or_default());
        let manifests = fields.manifests.unwrap_or_default();
        Ok(Contents {
            blobs,
            manifests,
            subject: fields.subject,
            index,
            artifact_type,
            annotations: fields.annotations,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use serde_json::json;

    use super::*;

    fn manifest(value: &serde_json::Value, served: Option<&str>) -> Manifest {
        Manifest::new(value.to_string().into(), served)
    }

    fn descriptor(text: &str, media_type: &str) -> serde_json::Value {
        json!({"mediaType": media_type, "digest": Digest::of(text).as_str(), "size": text.len()})
    }

    #[test]
    fn finds_what_images_and_indexes_hold() {
        let image = manifest(
            &json!({"schemaVersion": 2, "config": descriptor("c", "application/vnd.oci.image.config.v1+json"),
                "layers": [descriptor("l", "x/y")], "subject": descriptor("s", OCI_MANIFEST)}),
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        );
        assert_eq!(image.media_type, OCI_MANIFEST);
        let contents = image.contents().unwrap();
        assert!(!contents.index && contents.manifests.is_empty());
        assert_eq!(
            contents.blobs.iter().map(|b| b.digest.clone()).collect::<Vec<_>>(),
            [Digest::of("c"), Digest::of("l")]
        );
        assert_eq!(contents.subject.unwrap().digest, Digest::of("s"));

        let index = manifest(&json!({"manifests": [descriptor("m", OCI_MANIFEST)]}), Some("text/plain"));
        assert_eq!(index.media_type, OCI_INDEX);
        let contents = index.contents().unwrap();
        assert!(contents.index && contents.manifests[0].is_manifest());
    }

    #[test]
    fn the_document_is_believed_before_the_header() {
        let value = json!({"mediaType": DOCKER_MANIFEST, "config": descriptor("c", "x/y"), "layers": []});
        assert_eq!(manifest(&value, Some(OCI_INDEX)).media_type, DOCKER_MANIFEST);
        let unknown = json!({"layers": []});
        assert_eq!(
            manifest(&unknown, Some("application/vnd.acme.v1+json")).media_type,
            "application/vnd.acme.v1+json"
        );
    }

    #[test]
    fn optional_fields_may_be_null_or_of_another_type() {
        let mut layer = descriptor("l", "x/y");
        for (field, value) in [
            ("urls", json!(null)),
            ("annotations", json!({"a": 1, "b": "c"})),
            ("artifactType", json!(7)),
            ("platform", json!(null)),
            ("data", json!(null)),
        ] {
            layer[field] = value;
        }
        let mut config = descriptor("c", "x/y");
        config["mediaType"] = json!(null);
        let image = manifest(
            &json!({"schemaVersion": "2", "mediaType": null, "config": config, "layers": [layer], "blobs": null,
                "manifests": null, "subject": null, "artifactType": null, "annotations": null}),
            Some(OCI_MANIFEST),
        );
        assert_eq!(image.media_type, OCI_MANIFEST);
        let contents = image.contents().unwrap();
        assert_eq!((contents.blobs.len(), contents.index, contents.subject), (2, false, None));
        let layer = &contents.blobs[1];
        assert!(layer.urls.is_empty() && layer.artifact_type.is_none() && contents.annotations.is_empty());
        assert_eq!(layer.annotations.iter().collect::<Vec<_>>(), [(&"b".to_owned(), &"c".to_owned())]);
        // An invalid part of the image is an error.
        for broken in [
            json!({"layers": [null]}),
            json!({"config": "c"}),
            json!({"layers": {}}),
            json!({"manifests": [{"size": 1}]}),
            json!({"layers": [{"digest": Digest::of("l").as_str()}]}),
        ] {
            manifest(&broken, None).contents().unwrap_err();
        }
    }

    #[test]
    fn refuses_what_cannot_be_copied_whole() {
        manifest(&json!({"schemaVersion": 1, "fsLayers": []}), None).contents().unwrap_err();
        manifest(&json!({"manifests": [], "layers": []}), None).contents().unwrap_err();
        manifest(&json!({"layers": [{"digest": "md5:1", "size": 1}]}), None).contents().unwrap_err();
        Manifest::new("<html>".into(), None).contents().unwrap_err();
    }

    #[test]
    fn knows_foreign_layers() {
        let foreign = |media_type: &str| Descriptor::new(media_type, Digest::of(""), 0).is_foreign();
        assert!(foreign("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
        assert!(foreign("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"));
        assert!(!foreign("application/vnd.oci.image.layer.v1.tar+gzip"));
    }
}
