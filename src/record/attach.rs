//! Records at a registry: a referrer of the image, by the API or the tag that stands in for it.

use bytes::Bytes;
use serde_json::json;

use super::statement::{PREDICATE_TYPE, Record};
use crate::oci::{Client, Content, Digest, Manifest, OCI_MANIFEST, OciError, Repository, Which};

/// What a record is as an artifact.
const ARTIFACT_TYPE: &str = "application/vnd.coreeng.p2p.promotion.v1+json";
/// The media type of a statement (github.com/in-toto/attestation, `spec/v1/envelope.md`).
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The configuration of what is no image (OCI image 1.1, "Guidance for an Empty Descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Tells a promotion's destination in lists of referrers, so that it need not be read.
const DESTINATION: &str = "io.coreeng.p2p.destination";
/// Tells the stages that a record is about, as [`DESTINATION`] does.
const STAGES: &str = "io.coreeng.p2p.stages";
/// The most bytes of a record.
const LARGEST: u64 = 1024 * 1024;

/// A record as a registry keeps it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What it says, or why it cannot be read.
    pub record: Result<Record, String>,
    manifest: Manifest,
    statement: Bytes,
}

/// Attaches a record to the image `digest` at `repository`. Where one of a promotion to the same
/// destination after the same stages is attached already, it stays and `false` comes back: a gate that
/// runs again adds nothing, and one that runs after a promotion by hand does.
///
/// # Errors
/// When the registry refuses both the referrer and the tag that stands in for the API.
pub async fn attach(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
    record: &Record,
) -> Result<bool, OciError> {
    // Only asked so that the same record is not written twice.
    let listed = match client.referrers(repository, digest).await {
        Err(error) if error.leaves_open() => Vec::new(),
        listed => listed?,
    };
    let stages = record.stages.iter().map(|stage| &*stage.name).collect::<Vec<_>>().join(",");
    let told = [(DESTINATION, &record.destination), (STAGES, &stages)];
    if listed.iter().any(|kept| told.iter().all(|(name, text)| kept.annotations.get(*name) == Some(*text))) {
        return Ok(false);
    }
    let Some(subject) = client.resolve(repository, &Which::Digest(digest.clone())).await? else {
        return Err(OciError::NotFound {
            repository: repository.clone(),
            what: format!("manifest {digest}"),
        });
    };
    let statement =
        record.statement(repository, digest).map_err(|error| OciError::Setup(error.to_string()))?;
    let statement = Bytes::from(statement);
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
            "org.opencontainers.image.created": record.promoted,
            DESTINATION: record.destination,
            STAGES: stages,
        },
    });
    let manifest = Manifest::new(manifest.to_string().into(), Some(OCI_MANIFEST));
    push(client, repository, &manifest, statement).await?;
    Ok(true)
}

/// The records that are attached to an image, in the registry's order.
///
/// # Errors
/// When the registry cannot be asked, or refuses.
pub async fn read(client: &Client, repository: &Repository, digest: &Digest) -> Result<Vec<Kept>, OciError> {
    let mut found = Vec::new();
    for listed in client.referrers(repository, digest).await? {
        if listed.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
            continue;
        }
        let manifest = client.manifest(repository, &Which::Digest(listed.digest)).await?;
        let layer = manifest.contents().ok().and_then(|contents| {
            contents.blobs.into_iter().find(|blob| blob.media_type == STATEMENT && blob.size <= LARGEST)
        });
        let (statement, record) = match layer {
            Some(layer) => {
                let statement = client.blob_bytes(repository, &layer, LARGEST).await?;
                let record = Record::parse(&statement, digest);
                (statement, record)
            }
            None => (Bytes::new(), Err("it holds no statement".to_owned())),
        };
        found.push(Kept { record, manifest, statement });
    }
    Ok(found)
}

/// Attaches to the image at `to` the records that it has elsewhere, byte for byte, for copies that
/// leave other referrers behind. Gives how many.
///
/// # Errors
/// When the registry refuses both the referrers and the tag that stands in for the API.
pub async fn carry(client: &Client, to: &Repository, kept: &[Kept]) -> Result<usize, OciError> {
    let mut carried = 0;
    for Kept { manifest, statement, .. } in kept.iter().filter(|kept| kept.record.is_ok()) {
        push(client, to, manifest, statement.clone()).await?;
        carried += 1;
    }
    Ok(carried)
}

async fn push(
    client: &Client,
    repository: &Repository,
    manifest: &Manifest,
    statement: Bytes,
) -> Result<(), OciError> {
    client.push_blob(repository, &Content::Bytes(Bytes::from_static(b"{}"))).await?;
    client.push_blob(repository, &Content::Bytes(statement)).await?;
    client.push_manifest(repository, manifest, &Which::Digest(manifest.digest.clone())).await
}
