//! Reads signed records: finds out which bundles are records, and verifies their signatures.

use std::collections::HashMap;
use std::sync::OnceLock;

use attestation::{TrustRoot, Verifier, VerifyError, Workload};

use super::statement::{self, PREDICATE_TYPE, SUMMARY_TYPE};
use super::value::{By, Record};
use crate::inputs::SigningInstance;
use oci::Digest;
use sys::sync::Mutex;

/// The issuer of signers that used a key: nobody issued an identity.
pub(super) const KEY: &str = "key";

/// A record, or `None` for another statement of ours, or the reason why a bundle does not count.
type Found = Result<Option<Record>, String>;

/// Verifies signatures, each bundle once.
#[derive(Debug, Default)]
pub struct Trust {
    /// A trust root of your own.
    own: Option<TrustRoot>,
    /// Otherwise, whose embedded trust root counts. By default both.
    instance: Option<SigningInstance>,
    /// Made for the first bundle, because reading the trust roots takes longer than a run without signatures.
    verifiers: OnceLock<Result<Vec<Verifier>, VerifyError>>,
    /// The results, by the digests of the bundle and of the image.
    verified: Mutex<HashMap<(Digest, Digest), Found>>,
}

impl Trust {
    pub(super) fn new(own: Option<TrustRoot>, instance: Option<SigningInstance>) -> Self {
        Self { own, instance, ..Self::default() }
    }

    fn verifiers(&self) -> Result<Vec<Verifier>, VerifyError> {
        let roots = match (&self.own, self.instance) {
            (Some(own), _) => vec![own.clone()],
            (None, Some(SigningInstance::Public)) => vec![TrustRoot::public()?],
            (None, Some(SigningInstance::Github)) => vec![TrustRoot::github()?],
            (None, _) => vec![TrustRoot::public()?, TrustRoot::github()?],
        };
        roots.iter().map(Verifier::new).collect()
    }

    /// Reads a bundle at the image `digest`. `None` if it does not belong to p2p.
    pub(super) fn read(&self, bundle: &[u8], digest: &Digest) -> Option<Found> {
        match attestation::predicate_type(bundle).as_deref() {
            // A summary is for other verifiers, so p2p verifies it only before it copies it.
            Some(SUMMARY_TYPE) => Some(Ok(None)),
            Some(PREDICATE_TYPE) | None => Some(self.verified(bundle, digest)),
            Some(_) => None,
        }
    }

    /// What a bundle at the image `digest` says, if its signature is valid.
    pub(super) fn verified(&self, bundle: &[u8], digest: &Digest) -> Found {
        let key = (Digest::of(bundle), digest.clone());
        let known = self.verified.lock().get(&key).cloned();
        known.unwrap_or_else(|| {
            let found = self.verify(bundle, digest);
            self.verified.lock().insert(key, found.clone());
            found
        })
    }

    fn verify(&self, bundle: &[u8], digest: &Digest) -> Found {
        let verifiers =
            self.verifiers.get_or_init(|| self.verifiers()).as_ref().map_err(ToString::to_string)?;
        let mut reason = String::new();
        for verifier in verifiers {
            match verifier.verify(bundle, digest.as_str()) {
                Ok(signed) if signed.statement.predicate_type == SUMMARY_TYPE => return Ok(None),
                Ok(signed) => {
                    let record = statement::of_predicate(signed.statement.predicate)?;
                    return Ok(Some(match signed.workload {
                        Some(workload) => {
                            Record { by: by(&workload, record.by), signer: Some(workload), ..record }
                        }
                        None => Record { signer: Some(vouched_for(record.by.clone())), ..record },
                    }));
                }
                Err(error) if reason.is_empty() => reason = error.to_string(),
                Err(_) => {}
            }
        }
        Err(reason)
    }
}

/// The run that a record names. A key does not know who uses it, so whoever may use it vouches for the record.
fn vouched_for(by: By) -> Workload {
    let text = Option::unwrap_or_default;
    let run: String = text(by.run);
    let host = run.split('/').nth(2).unwrap_or_default();
    let url = |path: Option<String>| format!("https://{host}/{}", text(path));
    let workflow = url(by.workflow);
    Workload {
        issuer: KEY.to_owned(),
        repository: url(by.repository),
        repository_id: text(by.repository_id),
        git_ref: text(by.git_ref),
        commit: text(by.commit),
        job_workflow: workflow.clone(),
        workflow,
        event: text(by.event),
        run,
        visibility: String::new(),
    }
}

/// Who judged, according to the certificate of the signature, not to the record. The certificate does not contain
/// the tested commit, because a later gate checks out the version's commit.
fn by(workload: &Workload, said: By) -> By {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let path = workload.repository.strip_prefix("https://").and_then(|url| url.split_once('/'));
    By {
        repository: path.and_then(|(_, path)| text(path)),
        repository_id: text(&workload.repository_id),
        git_ref: text(&workload.git_ref),
        event: text(&workload.event),
        workflow: text(&workload.workflow),
        run: text(&workload.run),
        attempt: None,
        ..said
    }
}
