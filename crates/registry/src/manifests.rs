//! Reads, stores and removes manifests ("Pulling manifests", "Pushing Manifests", "Deleting Manifests").

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::answer::{Answer, Body, CONTENT_DIGEST, Refusal};
use super::manifest::StoredManifest;
use super::names::{Reference, RepositoryName};
use super::store::Store;
use oci::Digest;

/// The largest manifest, in bytes. The specification requires at least 4 MiB.
const LARGEST: usize = 4 * 1024 * 1024;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// `GET` and `HEAD` of a manifest.
pub(super) fn get(
    store: &Store,
    repository: &RepositoryName,
    reference: &Reference,
    head: bool,
) -> Result<Answer, Refusal> {
    let digest = store.resolve(repository, reference)?.ok_or_else(unknown)?;
    let manifest = store.manifest(repository, &digest)?.ok_or_else(unknown)?;
    let answer = Answer::new(StatusCode::OK)
        .header(CONTENT_TYPE, &manifest.media_type)
        .header(CONTENT_DIGEST, digest.as_str())
        .header(ETAG, format!("\"{digest}\""));
    Ok(if head {
        answer.header(CONTENT_LENGTH, manifest.bytes.len().to_string())
    } else {
        answer.bytes(manifest.bytes)
    })
}

/// Reads the body of a pushed manifest.
pub(super) async fn read(body: &mut Body) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Refusal::bad("MANIFEST_INVALID", format!("the body broke off: {error}")))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes.len() > LARGEST {
            let message = format!("a manifest has {LARGEST} bytes at most");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", message));
        }
    }
    Ok(bytes)
}

/// A pushed manifest.
pub(super) struct Pushed {
    pub(super) content_type: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// `PUT` of a manifest. `referrers` is whether this registry has the referrers API.
pub(super) fn put(
    store: &Store,
    referrers: bool,
    repository: &RepositoryName,
    reference: &Reference,
    pushed: Pushed,
) -> Result<Answer, Refusal> {
    let Pushed { content_type, bytes } = pushed;
    let digest = Digest::of(&bytes);
    if let Reference::Digest(asked) = reference
        && *asked != digest
    {
        return Err(Refusal::bad("DIGEST_INVALID", "the manifest has another digest")
            .detail(json!({"expected": asked.as_str(), "actual": digest.as_str()})));
    }
    let manifest = StoredManifest::pushed(content_type.as_deref(), bytes)?;
    let links = manifest.links()?;
    let missing_blobs = links.blobs.iter().filter(|blob| !store.has_blob(repository, blob));
    let missing_children = links.manifests.iter().filter(|child| !store.has_manifest(repository, child));
    let missing: Vec<&str> = missing_blobs.chain(missing_children).map(Digest::as_str).collect();
    if !missing.is_empty() {
        return Err(Refusal::bad(
            "MANIFEST_BLOB_UNKNOWN",
            "the manifest refers to what is not in this repository",
        )
        .detail(json!({"missing": missing})));
    }
    store.keep_manifest(repository, &digest, &manifest, links.subject.as_ref())?;
    if let Reference::Tag(tag) = reference {
        store.tag(repository, tag, &digest)?;
    }
    let answer = Answer::new(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{repository}/manifests/{digest}"))
        .header(CONTENT_DIGEST, digest.as_str())
        .bytes("");
    Ok(match links.subject.filter(|_| referrers) {
        Some(subject) => answer.header(SUBJECT, subject.as_str()),
        None => answer,
    })
}

/// `DELETE` of a tag, or of a manifest with all its tags.
pub(super) fn delete(
    store: &Store,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Answer, Refusal> {
    let removed = match reference {
        Reference::Tag(tag) => store.delete_tag(repository, tag)?,
        Reference::Digest(digest) => {
            let manifest = store.manifest(repository, digest)?.ok_or_else(unknown)?;
            let subject = manifest.links().ok().and_then(|links| links.subject);
            store.delete_manifest(repository, digest, subject.as_ref())?
        }
    };
    if removed { Ok(Answer::new(StatusCode::ACCEPTED).bytes("")) } else { Err(unknown()) }
}

fn unknown() -> Refusal {
    Refusal::unknown("MANIFEST_UNKNOWN", "this repository does not have the manifest")
}
