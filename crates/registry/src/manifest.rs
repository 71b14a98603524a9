//! The references of a manifest. Its bytes are stored unchanged.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::names::sha256;
use oci::{DOCKER_LIST, DOCKER_MANIFEST, Digest, OCI_INDEX, OCI_MANIFEST};

/// A stored manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The media type of the push.
    pub media_type: String,
    /// The bytes of the push.
    pub bytes: Vec<u8>,
}

/// What must exist in the repository before a manifest is accepted, and its subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) blobs: Vec<Digest>,
    pub(super) manifests: Vec<Digest>,
    pub(super) subject: Option<Digest>,
}

/// An entry in a list of referrers (image specification, "Descriptors").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Referrer {
    media_type: String,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    urls: Option<Vec<String>>,
}

impl Descriptor {
    /// Whether it is a foreign layer, which is stored elsewhere: by its media type, or because it has URLs.
    fn foreign(&self) -> bool {
        let media_type = self.media_type.as_deref().unwrap_or_default();
        media_type.contains(".nondistributable.")
            || media_type.contains(".foreign.")
            || self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }

    fn digest(&self) -> Result<Digest, Refusal> {
        let text = &self.digest;
        sha256(text).ok_or_else(|| {
            Refusal::bad("MANIFEST_INVALID", format!("{text:?} in the manifest is not a sha256 digest"))
        })
    }
}

impl StoredManifest {
    /// Accepts a pushed manifest. `content_type` is that of the request. Without one, the document's own counts.
    pub(super) fn pushed(content_type: Option<&str>, bytes: Vec<u8>) -> Result<Self, Refusal> {
        let invalid = |message: &str| Refusal::bad("MANIFEST_INVALID", message);
        let inner = serde_json::from_slice::<Document>(&bytes).ok().and_then(|document| document.media_type);
        let media_type = match (content_type.map(str::trim), inner) {
            (Some(outer), Some(inner)) if known(essence(outer)) && essence(outer) != inner => {
                return Err(invalid(&format!("the Content-Type is {outer}, but the manifest says {inner}")));
            }
            (Some(outer), _) if !outer.is_empty() => outer.to_owned(),
            (_, Some(inner)) => inner,
            _ => return Err(invalid("neither a Content-Type nor a mediaType says what this is")),
        };
        if media_type.contains(['\n', '\r']) {
            return Err(invalid("the media type spans lines"));
        }
        Ok(Self { media_type, bytes })
    }

    /// The references of the document. If the media type is unknown, only its subject.
    pub(super) fn links(&self) -> Result<Links, Refusal> {
        let kind = essence(&self.media_type);
        let document = match serde_json::from_slice::<Document>(&self.bytes) {
            Ok(document) => document,
            Err(_) if !known(kind) => return Ok(Links::default()),
            Err(error) => return Err(Refusal::bad("MANIFEST_INVALID", format!("not a manifest: {error}"))),
        };
        let mut links = Links::default();
        if let Some(subject) = &document.subject {
            links.subject = Some(subject.digest()?);
        }
        if matches!(kind, OCI_MANIFEST | DOCKER_MANIFEST) {
            let Some(config) = &document.config else {
                return Err(Refusal::bad("MANIFEST_INVALID", "the manifest has no config"));
            };
            links.blobs.push(config.digest()?);
            for layer in document.layers.iter().flatten().filter(|layer| !layer.foreign()) {
                links.blobs.push(layer.digest()?);
            }
        } else if matches!(kind, OCI_INDEX | DOCKER_LIST) {
            for child in document.manifests.iter().flatten() {
                links.manifests.push(child.digest()?);
            }
        }
        Ok(links)
    }

    /// Its entry in a list of referrers (distribution specification, "Listing Referrers").
    pub(super) fn referrer(&self, digest: &Digest) -> Referrer {
        let document: Document = serde_json::from_slice(&self.bytes).unwrap_or_default();
        let config = document.config.and_then(|config| config.media_type);
        Referrer {
            media_type: self.media_type.clone(),
            digest: digest.to_string(),
            size: self.bytes.len(),
            artifact_type: document.artifact_type.filter(|text| !text.is_empty()).or(config),
            annotations: document.annotations,
        }
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn known(kind: &str) -> bool {
    matches!(kind, OCI_MANIFEST | DOCKER_MANIFEST | OCI_INDEX | DOCKER_LIST)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use serde_json::json;

    fn links(media_type: &str, document: &Value) -> Result<Links, u16> {
        StoredManifest::pushed(Some(media_type), document.to_string().into_bytes())
            .and_then(|manifest| manifest.links())
            .map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn an_image_needs_its_blobs_but_no_foreign_layers() {
        let (config, layer) = (Digest::of(b"config"), Digest::of(b"layer"));
        let foreign = Digest::of(b"foreign").to_string();
        let document = json!({
            "config": {"mediaType": "x", "digest": config.as_str(), "size": 6},
            "layers": [
                {"mediaType": "y", "digest": layer.as_str(), "size": 5},
                {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": foreign},
                {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "digest": foreign},
                {"mediaType": "y", "digest": foreign, "urls": ["https://example.com/layer"]},
            ],
            "subject": {"mediaType": OCI_MANIFEST, "digest": layer.as_str(), "size": 1},
        });
        let found = links(OCI_MANIFEST, &document).unwrap();
        assert_eq!(
            found,
            Links { blobs: vec![config, layer.clone()], manifests: vec![], subject: Some(layer) }
        );
    }

    #[test]
    fn what_is_unknown_is_opaque_and_what_is_broken_is_refused() {
        let child = Digest::of(b"child");
        let index = json!({"manifests": [{"digest": child.as_str()}]});
        assert_eq!(links(DOCKER_LIST, &index).unwrap().manifests, [child]);
        assert_eq!(links("application/vnd.acme+json", &index), Ok(Links::default()));
        let raw = StoredManifest::pushed(Some("text/plain"), b"\xff".to_vec()).unwrap();
        assert_eq!(raw.links().map_err(|_| ()), Ok(Links::default()));
        assert_eq!(links(OCI_MANIFEST, &json!({})), Err(400));
        assert_eq!(links(OCI_INDEX, &json!({"manifests": [{"digest": "sha256:.."}]})), Err(400));
        assert_eq!(links(OCI_INDEX, &json!({"mediaType": OCI_MANIFEST})), Err(400));
        assert_eq!(links(OCI_INDEX, &json!([])), Err(400));
        assert!(StoredManifest::pushed(None, b"{}".to_vec()).is_err());
        let inner = StoredManifest::pushed(None, br#"{"mediaType":"a/b"}"#.to_vec()).unwrap();
        assert_eq!(inner.media_type, "a/b");
    }

    #[test]
    fn a_referrer_falls_back_to_its_configs_type() {
        let describe = |document: Value| {
            let bytes = document.to_string().into_bytes();
            let manifest = StoredManifest { media_type: OCI_MANIFEST.to_owned(), bytes };
            serde_json::to_value(manifest.referrer(&Digest::of(b"x"))).unwrap()
        };
        let config = json!({"mediaType": "of/config", "digest": "d"});
        assert_eq!(describe(json!({"config": config}))["artifactType"], "of/config");
        let described = describe(json!({"config": config, "artifactType": "own", "annotations": {"a": "b"}}));
        assert_eq!(described["artifactType"], "own");
        assert_eq!(described["annotations"], json!({"a": "b"}));
    }
}
