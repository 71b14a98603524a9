//! Signing records with the identity of this job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attestation::{BUNDLE_MEDIA_TYPE, Services, SignError, Signer, Statement, claim};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Mutex;

use super::document::Document;
use super::settings::SigningSettings;
use super::statement::{PREDICATE_TYPE, SUMMARY_TYPE, summary};
use super::value::{Record, SIGNED};
use crate::edges::google::IdTokenRequest;
use oci::Digest;
use sys::error::{Exit, Failure};
use sys::retry::{Policy, Retrying, Watcher};
use workflow_commands::{Secret, Secrets};

/// The audience of id tokens for Fulcio.
const AUDIENCE: &str = "sigstore";
/// How long p2p uses a certificate. It is valid for ten minutes.
const USED: Duration = Duration::from_mins(8);

/// When the signer was made, or why there is none.
type Made = (Instant, Result<Arc<Signer>, Failure>);

/// Signs the records of a run, all with one certificate.
pub struct Signing {
    pub settings: SigningSettings,
    /// Where the job requests id tokens. `None` without `id-token: write`.
    pub request: Option<IdTokenRequest>,
    /// Gets each retry of a request.
    pub watcher: Watcher,
    /// Masks the id token.
    pub secrets: Secrets,
    /// Whether a failed signature stops the promotion.
    pub must: bool,
    /// The signer of this run. If a service is down, the run waits for it only once.
    pub signer: Mutex<Option<Made>>,
}

impl Signing {
    /// Checks that this job can sign. Returns where it signs.
    ///
    /// # Errors
    /// If the permission is missing or a service is down.
    pub async fn check(&self) -> Result<String, Failure> {
        let (_, services) = self.token().await?;
        attestation::check(&services).await.map_err(cannot)?;
        Ok(format!("signs records with {}", services.fulcio))
    }

    /// Signs a record twice: with our own predicate, and with a summary for verifiers that know only that.
    pub(super) async fn seal(&self, record: &Record, digest: &Digest) -> Result<Vec<Document>, Failure> {
        let signer = self.signer().await?;
        let record = Record { trust: SIGNED.to_owned(), signer: None, ..record.clone() };
        let name = record.image.to_string();
        let predicate = serde_json::to_value(&record).unwrap_or_default();
        let statement = |kind: &str, predicate: Value| {
            Statement::new(&name, digest.as_str(), kind, predicate)
                .map_err(|error| cannot(SignError::Statement(error.to_string())))
        };
        let statements = [statement(PREDICATE_TYPE, predicate)?, statement(SUMMARY_TYPE, summary(&record))?];
        let bundles = tokio::try_join!(signer.sign(&statements[0]), signer.sign(&statements[1]));
        match bundles {
            Ok((record, summary)) => Ok([(PREDICATE_TYPE, record), (SUMMARY_TYPE, summary)]
                .map(|(predicate_type, bundle)| Document {
                    media_type: BUNDLE_MEDIA_TYPE,
                    predicate_type,
                    bytes: Bytes::from(bundle),
                })
                .into()),
            Err(error) => {
                let failure = cannot(error);
                *self.signer.lock().await = Some((Instant::now(), Err(failure.clone())));
                Err(failure)
            }
        }
    }

    async fn signer(&self) -> Result<Arc<Signer>, Failure> {
        let mut slot = self.signer.lock().await;
        match &*slot {
            Some((since, Ok(signer))) if since.elapsed() < USED => return Ok(Arc::clone(signer)),
            Some((_, Err(failure))) => return Err(failure.clone()),
            _ => {}
        }
        let made = async {
            let (token, services) = self.token().await?;
            Signer::keyless(&services, &token).await.map(Arc::new).map_err(cannot)
        };
        let made = made.await;
        *slot = Some((Instant::now(), made.clone()));
        made
    }

    /// Requests an id token for this job, and chooses the services.
    async fn token(&self) -> Result<(Secret, Services), Failure> {
        let policy = Policy { attempts: 4, patience: Duration::from_secs(10), ..Policy::default() };
        let retrying = Retrying { policy, watcher: self.watcher.clone() };
        let request = self.request.as_ref().ok_or_else(|| Failure {
            what: "this job cannot sign records: GitHub gives it no id token".to_owned(),
            causes: Vec::new(),
            help: Some("give the job the permission `id-token: write`".to_owned()),
            exit: Exit::Usage,
        })?;
        let token = request.issue(AUDIENCE, &retrying, &self.secrets).await?;
        let services =
            self.settings.services_for(claim(&token, "repository_visibility").as_deref(), retrying);
        Ok((token, services))
    }
}

fn cannot(error: SignError) -> Failure {
    Failure::from(error).context("the record cannot be signed")
}
