//! Records at a registry: a referrer of the image, by the API or the tag that stands in for it.

use bytes::Bytes;
use serde_json::json;

use super::statement::{self, PREDICATE_TYPE};
use super::value::Record;
use oci::{Client, Content, Digest, Manifest, OCI_MANIFEST, OciError, Repository, TagOrDigest};

/// What a record is as an artifact.
const ARTIFACT_TYPE: &str = "application/vnd.coreeng.p2p.gate.v1+json";
/// The media type of a statement (github.com/in-toto/attestation, `spec/v1/envelope.md`).
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The configuration of what is no image (OCI image 1.1, "Guidance for an Empty Descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Tells the stage and the result in lists of referrers, for people who look there.
const STAGE: &str = "io.coreeng.p2p.stage";
const RESULT: &str = "io.coreeng.p2p.result";
/// The most bytes of a record.
const LARGEST: u64 = 1024 * 1024;
/// How often a record is written that does not arrive: two runs may write the same list at once.
const TRIES: usize = 3;

/// A record as a registry keeps it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What it says, or why it cannot be read.
    pub record: Result<Record, String>,
    manifest: Manifest,
    statement: Bytes,
}

impl Kept {
    /// What the records say.
    pub fn records(kept: &[Self]) -> Vec<Result<Record, String>> {
        kept.iter().map(|kept| kept.record.clone()).collect()
    }
}

/// Attaches a record to the image `digest` at `repository` and reads it back. `known` are the records that
/// are there. Where the newest of the same gate and environment says the same already, it stays and `false`
/// comes back.
///
/// # Errors
/// When the registry refuses both the referrer and the tag that stands in for the API, or does not list the
/// record although it took it.
pub async fn attach(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
    record: &Record,
    known: &[Kept],
) -> Result<bool, OciError> {
    let place = |record: &Record| (record.stage.clone(), record.by.environment.clone());
    let of_the_same = known.iter().filter_map(|kept| kept.record.as_ref().ok());
    let of_the_same = of_the_same.filter(|other| place(other) == place(record));
    if of_the_same.max_by_key(|other| other.time()).is_some_and(|newest| record.repeats(newest)) {
        return Ok(false);
    }
    let Some(subject) = client.resolve(repository, &TagOrDigest::Digest(digest.clone())).await? else {
        return Err(OciError::NotFound {
            repository: repository.clone(),
            what: format!("manifest {digest}"),
        });
    };
    let text = statement::write(record, digest);
    let statement = Bytes::from(text.map_err(|error| OciError::Setup(error.to_string()))?);
    let layer = Digest::of(&statement);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY, "digest": Digest::of("{}"), "size": 2},
        "layers": [{"mediaType": STATEMENT, "digest": layer, "size": statement.len()}],
        "subject": {"mediaType": subject.media_type, "digest": digest, "size": subject.size},
        "annotations": {
            "in-toto.io/predicate-type": PREDICATE_TYPE,
            "org.opencontainers.image.created": record.judged,
            STAGE: record.stage.as_deref().unwrap_or("none"),
            RESULT: record.result.to_string(),
        },
    });
    let manifest = Manifest::new(manifest.to_string().into(), Some(OCI_MANIFEST));
    let kept = Kept { record: Ok(record.clone()), manifest, statement };
    carry(client, repository, digest, &[kept]).await?;
    Ok(true)
}

/// The records that are attached to an image, in the registry's order.
///
/// # Errors
/// When the registry cannot be asked, or refuses. A record that is listed and not there is one that cannot
/// be read: whoever may push may list anything.
pub async fn read(client: &Client, repository: &Repository, digest: &Digest) -> Result<Vec<Kept>, OciError> {
    let mut found = Vec::new();
    for listed in client.referrers(repository, digest).await? {
        if listed.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
            continue;
        }
        match read_one(client, repository, digest, &listed.digest).await {
            Ok(kept) => found.push(kept),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn read_one(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
    listed: &Digest,
) -> Result<Kept, OciError> {
    let manifest = client.manifest(repository, &TagOrDigest::Digest(listed.clone())).await?;
    let layer = manifest.contents().ok().and_then(|contents| {
        contents.blobs.into_iter().find(|blob| blob.media_type == STATEMENT && blob.size <= LARGEST)
    });
    let Some(layer) = layer else {
        let record = Err("it holds no statement".to_owned());
        return Ok(Kept { record, manifest, statement: Bytes::new() });
    };
    let statement = client.blob_bytes(repository, &layer, LARGEST).await?;
    Ok(Kept { record: statement::parse(&statement, digest), manifest, statement })
}

/// Attaches records to the image `digest` at `to`, byte for byte as they are elsewhere, and reads them
/// back. Those that cannot be read stay behind.
///
/// # Errors
/// When the registry refuses both the referrers and the tag that stands in for the API, or does not list
/// them although it took them.
pub async fn carry(client: &Client, to: &Repository, digest: &Digest, kept: &[Kept]) -> Result<(), OciError> {
    let wanted: Vec<_> = kept.iter().filter(|kept| kept.record.is_ok()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    for _ in 0..TRIES {
        let there = client.referrers(to, digest).await?;
        let missing: Vec<_> = wanted
            .iter()
            .filter(|kept| !there.iter().any(|listed| listed.digest == kept.manifest.digest))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        for Kept { manifest, statement, .. } in missing {
            client.push_blob(to, &Content::Bytes(Bytes::from_static(b"{}"))).await?;
            client.push_blob(to, &Content::Bytes(statement.clone())).await?;
            client.push_manifest(to, manifest, &TagOrDigest::Digest(manifest.digest.clone())).await?;
        }
    }
    arrived(client, to, digest, kept).await
}

/// Checks that the records are listed as referrers of the image `digest` at `at`.
///
/// # Errors
/// One that names a record that is not.
async fn arrived(client: &Client, at: &Repository, digest: &Digest, kept: &[Kept]) -> Result<(), OciError> {
    let there = client.referrers(at, digest).await?;
    for Kept { record, manifest, .. } in kept {
        let Ok(record) = record else { continue };
        if !there.iter().any(|listed| listed.digest == manifest.digest) {
            let stage = record.stage.as_deref().unwrap_or("nobody's gate");
            return Err(OciError::NotFound {
                repository: at.clone(),
                what: format!(
                    "the record that {digest} {} {stage} ({}), which the registry took and does not list,",
                    record.result, manifest.digest
                ),
            });
        }
    }
    Ok(())
}
