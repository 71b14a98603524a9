//! The records of images in a registry. They are referrers, listed by the API or by the fallback tag.

use attestation::BUNDLE_MEDIA_TYPE;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::document::Document;
use super::signing::Signing;
use super::statement::{self, PREDICATE_TYPE, SUMMARY_TYPE};
use super::trust::Trust;
use super::value::{Judgement, Record};
use oci::{Client, Content, Descriptor, Digest, EMPTY, Manifest, OciError, Repository, TagOrDigest};
use sys::error::{Exit, Failure};
use sys::sync::Mutex;

/// The artifact type of a record that is not signed. A signed record is a bundle.
pub const ARTIFACT_TYPE: &str = "application/vnd.coreeng.p2p.gate.v1+json";
/// The media type of a statement (github.com/in-toto/attestation, `spec/v1/envelope.md`).
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The annotation with the kind of statement in a bundle. Sigstore's own tools use it.
const BUNDLE_KIND: &str = "dev.sigstore.bundle.predicateType";
/// The annotations with the stage and the result, for people who read lists of referrers.
const STAGE: &str = "io.coreeng.p2p.stage";
const RESULT: &str = "io.coreeng.p2p.result";
/// The most bytes of a record. Those of gates with a hundred targets have 40 KiB.
const LARGEST: u64 = 256 * 1024;
/// The most records of an image that p2p reads. Each gate leaves a few, but anyone who can push can leave any number.
const MOST: usize = 500;
/// How often p2p writes a record that does not appear in the list. Two runs may write the same list at the same
/// time.
const TRIES: usize = 3;
/// How many records are read in parallel.
const AT_ONCE: usize = 8;

/// Reads the records of images with the trust settings of a run, and writes them. If the run signs, it signs them.
pub struct Ledger {
    client: Client,
    trust: Trust,
    signing: Option<Signing>,
    /// The records that were written, so that the same record has the same bytes everywhere.
    written: Mutex<Vec<(Digest, Record, Vec<Kept>)>>,
}

/// Why the records of an image were not read.
#[derive(Debug)]
pub enum NotRead {
    /// The image has more than p2p reads. Nobody may go on without them, because one of them may be a rejection.
    TooMany(Failure),
    /// The registry cannot be reached or refuses.
    Registry(OciError),
}

impl From<OciError> for NotRead {
    fn from(error: OciError) -> Self {
        Self::Registry(error)
    }
}

impl From<NotRead> for Failure {
    fn from(unread: NotRead) -> Self {
        match unread {
            NotRead::TooMany(failure) => failure,
            NotRead::Registry(error) => error.into(),
        }
    }
}

/// How a record was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Not at all, because the newest record of the same gate and environment has the same content.
    Nothing,
    /// Not signed.
    Plain,
    /// Signed.
    Signed,
    /// Not signed, because signing failed for this reason.
    Pending(String),
}

/// A record as the registry stores it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The record. `None` for the summary of a record. An error if the record does not count.
    pub record: Result<Option<Record>, String>,
    manifest: Manifest,
    content: Bytes,
}

impl Kept {
    /// The records without the summaries.
    pub fn records(kept: &[Self]) -> Vec<Result<Record, String>> {
        kept.iter().filter_map(|kept| kept.record.clone().transpose()).collect()
    }

    /// Whether a referrer may be a record or the summary of one. Some lists do not show what a bundle contains.
    fn may_be_record(listed: &Descriptor) -> bool {
        let untold = listed.artifact_type.as_deref() == Some(BUNDLE_MEDIA_TYPE)
            && !listed.annotations.contains_key(BUNDLE_KIND);
        untold || Self::is_record(listed)
    }

    /// Whether a referrer is a record or the summary of one, as far as the list shows.
    pub fn is_record(listed: &Descriptor) -> bool {
        let kind = listed.annotations.get(BUNDLE_KIND).map(String::as_str);
        match listed.artifact_type.as_deref() {
            Some(BUNDLE_MEDIA_TYPE) => matches!(kind, Some(PREDICATE_TYPE | SUMMARY_TYPE)),
            artifact_type => artifact_type == Some(ARTIFACT_TYPE),
        }
    }
}

impl Ledger {
    /// Without `signing`, records are written unsigned.
    pub fn new(client: Client, trust: Trust, signing: Option<Signing>) -> Self {
        Self { client, trust, signing, written: Mutex::default() }
    }

    /// What signs, where the run signs.
    pub fn signing(&self) -> Option<&Signing> {
        self.signing.as_ref()
    }

    /// Who signs, for messages.
    pub fn signer(&self) -> String {
        self.signing.as_ref().map(Signing::signer).unwrap_or_default()
    }

    /// The bundles that this run signed.
    pub fn bundles(&self) -> Vec<Value> {
        let written = self.written.lock();
        let documents = written.iter().flat_map(|(.., kept)| kept);
        let documents = documents.filter_map(|kept| serde_json::from_slice::<Value>(&kept.content).ok());
        documents.filter(|document| document["mediaType"] == BUNDLE_MEDIA_TYPE).collect()
    }

    /// Attaches a record to the image `digest` at `repository`, and reads it back. `known` are the existing records.
    /// If the newest record of the same gate and environment has the same content, nothing is written.
    ///
    /// # Errors
    /// If the record must be signed but cannot be, if the registry accepts neither the referrer nor the fallback
    /// tag, or if the registry accepts the record but does not list it.
    pub async fn attach(
        &self,
        repository: &Repository,
        digest: &Digest,
        record: &Record,
        known: &[Kept],
    ) -> Result<Left, Failure> {
        let place = |record: &Record| (record.stage.clone(), record.by.environment.clone());
        let of_the_same = known.iter().filter_map(|kept| kept.record.as_ref().ok()?.as_ref());
        let newest =
            of_the_same.filter(|other| place(other) == place(record)).max_by_key(|other| other.time());
        let enough =
            |newest: &&Record| newest.signer.is_some() || self.signing.is_none() || record.is_pending();
        if newest.filter(enough).is_some_and(|newest| record.repeats(newest)) {
            return Ok(Left::Nothing);
        }
        let written =
            self.written.lock().iter().find(|(of, which, _)| of == digest && which == record).cloned();
        let (kept, left) = match written {
            Some((_, _, kept)) => (kept, Left::Nothing),
            None => Box::pin(self.write(repository, digest, record)).await?,
        };
        self.carry(repository, digest, &kept).await?;
        Ok(left)
    }

    /// Makes the manifests of a record, and keeps them.
    async fn write(
        &self,
        repository: &Repository,
        digest: &Digest,
        record: &Record,
    ) -> Result<(Vec<Kept>, Left), Failure> {
        let Some(subject) = self.client.resolve(repository, &TagOrDigest::Digest(digest.clone())).await?
        else {
            let what = format!("manifest {digest}");
            return Err(OciError::NotFound { repository: repository.clone(), what }.into());
        };
        let (documents, left) = self.documents(record, digest).await?;
        let kept: Vec<_> = documents.into_iter().map(|document| document.kept(&subject, record)).collect();
        // A pending record may be signed later.
        if !matches!(left, Left::Pending(_)) {
            self.written.lock().push((digest.clone(), record.clone(), kept.clone()));
        }
        Ok((kept, left))
    }

    /// The documents of a record. A rejection counts without a signature, so it is written in any case.
    async fn documents(&self, record: &Record, digest: &Digest) -> Result<(Vec<Document>, Left), Failure> {
        let plain = |record: &Record| {
            let statement =
                statement::of(record, digest).map_err(|error| OciError::Setup(error.to_string()))?;
            let bytes = Bytes::from(statement.to_json());
            Ok::<_, Failure>(vec![Document { media_type: STATEMENT, predicate_type: PREDICATE_TYPE, bytes }])
        };
        let Some(signing) = self.signing.as_ref().filter(|_| !record.is_pending()) else {
            return Ok((plain(record)?, Left::Plain));
        };
        let sealed = signing.seal(record, digest).await;
        match sealed.and_then(|sealed| self.checked(sealed, digest)) {
            Ok(sealed) => Ok((sealed, Left::Signed)),
            Err(failure) if signing.must && record.result == Judgement::Passed => Err(failure),
            Err(failure) => {
                let why = std::iter::once(failure.what).chain(failure.causes).collect::<Vec<_>>().join(": ");
                Ok((plain(&record.clone().pending())?, Left::Pending(why)))
            }
        }
    }

    /// Verifies signed documents as later gates do, so that p2p never attaches a wrong answer of a service.
    fn checked(&self, sealed: Vec<Document>, digest: &Digest) -> Result<Vec<Document>, Failure> {
        let wrong = sealed.iter().find_map(|document| self.trust.verified(&document.bytes, digest).err());
        wrong.map_or(Ok(sealed), |why| {
            Err(Failure {
                what: "the record cannot be signed: p2p does not accept the signature".to_owned(),
                causes: vec![why],
                help: Some(
                    "if you set `sigstore-trust-root`, check that it belongs to the instance or the key that signs; \
                     otherwise use a newer p2p, whose trust roots have newer keys"
                        .to_owned(),
                ),
                exit: Exit::Unavailable,
            })
        })
    }

    /// The records of an image, in the registry's order.
    ///
    /// # Errors
    /// If the registry cannot be reached or refuses, or if it lists more records than p2p reads. A record whose
    /// content is missing or differs from its manifest counts as unreadable, because anyone who can push can list
    /// anything.
    pub async fn read(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Kept>, NotRead> {
        let mut listed = self.client.referrers(repository, digest).await?;
        listed.retain(Kept::may_be_record);
        if listed.len() > MOST {
            return Err(NotRead::TooMany(Failure::new(
                Exit::Failed,
                format!(
                    "{repository}@{digest} has {} records, and p2p reads at most {MOST} of an image",
                    listed.len()
                ),
                "find out who attached them, and delete those that no gate left, with the registry's own tools",
            )));
        }
        let listed = listed.into_iter().map(|listed| self.read_one(repository, digest, listed));
        let read: Vec<_> = stream::iter(listed).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// Reads one record. `None` if it does not exist or does not belong to p2p.
    async fn read_one(
        &self,
        repository: &Repository,
        digest: &Digest,
        listed: Descriptor,
    ) -> Result<Option<Kept>, OciError> {
        let manifest = match self.client.manifest(repository, &TagOrDigest::Digest(listed.digest)).await {
            Err(error) if error.is_not_found() => return Ok(None),
            manifest => manifest?,
        };
        let signed = listed.artifact_type.as_deref() == Some(BUNDLE_MEDIA_TYPE);
        let media_type = if signed { BUNDLE_MEDIA_TYPE } else { STATEMENT };
        let kept = |record, content| Kept { record, manifest: manifest.clone(), content };
        let contents = manifest.contents().unwrap_or_default();
        let Some(layer) = contents.blobs.into_iter().find(|blob| blob.media_type == media_type) else {
            return Ok(Some(kept(Err("it holds no statement".to_owned()), Bytes::new())));
        };
        let content = match self.client.blob_bytes(repository, &layer, LARGEST).await {
            Err(
                error @ (OciError::Mismatch { .. } | OciError::Nonsense { .. } | OciError::NotFound { .. }),
            ) => return Ok(Some(kept(Err(error.to_string()), Bytes::new()))),
            content => content?,
        };
        let record = match media_type {
            BUNDLE_MEDIA_TYPE => self.trust.read(&content, digest),
            _ => Some(statement::parse(&content, digest).map(Some)),
        };
        Ok(record.map(|record| kept(record, content)))
    }

    /// Attaches records to the image `digest` at `to`, with the same bytes as elsewhere, and reads them back.
    /// Unreadable records are not copied.
    ///
    /// # Errors
    /// If the registry accepts neither the referrers nor the fallback tag, or if it accepts the records but does not
    /// list them.
    pub async fn carry(&self, to: &Repository, digest: &Digest, kept: &[Kept]) -> Result<(), OciError> {
        let copied = |kept: &&Kept| match kept.record {
            Ok(Some(_)) => true,
            Ok(None) => self.trust.verified(&kept.content, digest).is_ok(),
            Err(_) => false,
        };
        let mut wanted: Vec<_> = kept.iter().filter(copied).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        // Summaries come first. Then a record that is there is whole, even if p2p could not write all of this.
        wanted.sort_by_key(|kept| matches!(kept.record, Ok(Some(_))));
        for _ in 0..TRIES {
            let there = self.client.referrers(to, digest).await?;
            let missing: Vec<_> = wanted
                .iter()
                .filter(|kept| !there.iter().any(|listed| listed.digest == kept.manifest.digest))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            self.client.push_blob(to, &Content::Bytes(Bytes::from_static(EMPTY))).await?;
            for Kept { manifest, content, .. } in missing {
                self.client.push_blob(to, &Content::Bytes(content.clone())).await?;
                self.client
                    .push_manifest(to, manifest, &TagOrDigest::Digest(manifest.digest.clone()))
                    .await?;
            }
        }
        self.arrived(to, digest, &wanted).await
    }

    /// Checks that the records are listed as referrers of the image `digest` at `at`.
    ///
    /// # Errors
    /// The error names a record that is not listed.
    async fn arrived(&self, at: &Repository, digest: &Digest, wanted: &[&Kept]) -> Result<(), OciError> {
        let there = self.client.referrers(at, digest).await?;
        for Kept { record, manifest, .. } in wanted {
            let Ok(record) = record else { continue };
            if !there.iter().any(|listed| listed.digest == manifest.digest) {
                let what = record.as_ref().map_or_else(
                    || "summary".to_owned(),
                    |record| {
                        let stage = record.stage.as_deref().unwrap_or("nobody's gate");
                        format!("record that {digest} {} {stage}", record.result)
                    },
                );
                return Err(OciError::NotFound {
                    repository: at.clone(),
                    what: format!(
                        "the {what} ({}), which the registry took and does not list,",
                        manifest.digest
                    ),
                });
            }
        }
        Ok(())
    }
}

impl Document {
    /// The document as a referrer of `subject`.
    fn kept(self, subject: &Descriptor, record: &Record) -> Kept {
        let Self { media_type, predicate_type, bytes } = self;
        let signed = media_type == BUNDLE_MEDIA_TYPE;
        let mut annotations = json!({
            "org.opencontainers.image.created": record.judged,
            STAGE: record.stage.as_deref().unwrap_or("none"),
            RESULT: record.result.to_string(),
        });
        if signed {
            annotations["dev.sigstore.bundle.content"] = "dsse-envelope".into();
            annotations[BUNDLE_KIND] = predicate_type.into();
        } else {
            annotations["in-toto.io/predicate-type"] = predicate_type.into();
        }
        let kind = if signed { BUNDLE_MEDIA_TYPE } else { ARTIFACT_TYPE };
        let manifest = Manifest::referrer(kind, (media_type, &bytes), subject, &annotations);
        let own = (predicate_type == PREDICATE_TYPE).then(|| record.clone());
        Kept { record: Ok(own), manifest, content: bytes }
    }
}
