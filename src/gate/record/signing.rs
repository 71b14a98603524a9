//! Signing records with the identity of this job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attestation::{BUNDLE_MEDIA_TYPE, Services, SignError, Signer, Statement, claim, hash_to_sign, with_key};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::document::Document;
use super::settings::SigningSettings;
use super::statement::{self, PREDICATE_TYPE, SUMMARY_TYPE};
use super::value::{Record, SIGNED};
use crate::edges::google::{IdTokenRequest, SigningKey};
use oci::Digest;
use sys::error::Failure;
use sys::retry::{Policy, Retrying, Watcher};
use workflow_commands::{Secret, Secrets};

/// The audience of id tokens for Fulcio.
const AUDIENCE: &str = "sigstore";
/// How long p2p uses a certificate. It is valid for ten minutes.
const USED: Duration = Duration::from_mins(8);

/// When the signer was made, or why there is none.
type Made = (Instant, Result<Arc<Signer>, Failure>);

/// What proves who signs.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The identity of the job. `None` without `id-token: write`.
    Job(Option<IdTokenRequest>),
    /// A key of your own.
    Key(SigningKey),
}

/// Signs the records of a run, all with one certificate or one key.
pub struct Signing {
    pub settings: SigningSettings,
    pub credential: Credential,
    /// Gets each retry of a request.
    pub watcher: Watcher,
    /// Masks the id token.
    pub secrets: Secrets,
    /// Whether a failed signature stops the promotion.
    pub must: bool,
    /// The signer with its certificate. If a service is down, the run waits for it only once.
    pub made: Mutex<Option<Made>>,
}

impl Signing {
    /// Checks that this job can sign. Returns where it signs.
    ///
    /// # Errors
    /// If the permission is missing or a service is down.
    pub async fn check(&self) -> Result<String, Failure> {
        let signer = match &self.credential {
            Credential::Key(key) => {
                let public = key.public_key().await?;
                if !self.settings.root.as_ref().is_some_and(|root| root.has_key(&public)) {
                    let help = format!("add its public key to the file:\n{public}");
                    let what =
                        format!("`sigstore-trust-root` does not name the public key of {}", key.version);
                    return Err(Failure::usage(what, help));
                }
                key.version.to_string()
            }
            Credential::Job(request) => {
                let (_, services) = self.token(request.as_ref()).await?;
                attestation::check(&services).await.map_err(cannot)?;
                services.fulcio
            }
        };
        Ok(format!("signs records with {signer}"))
    }

    /// Who signs, for messages.
    pub fn signer(&self) -> String {
        match &self.credential {
            Credential::Job(_) => "this workflow".to_owned(),
            Credential::Key(key) => key.version.to_string(),
        }
    }

    /// Signs a record twice: with our own predicate, and with a summary for verifiers that know only that.
    pub(super) async fn seal(&self, record: &Record, digest: &Digest) -> Result<Vec<Document>, Failure> {
        if let Some((_, Err(failure))) = &*self.made.lock().await {
            return Err(failure.clone());
        }
        let record = Record { trust: SIGNED.to_owned(), signer: None, ..record.clone() };
        let statement = statement::of(&record, digest)
            .map_err(|error| cannot(SignError::Statement(error.to_string())))?;
        let summary = Statement {
            predicate_type: SUMMARY_TYPE.to_owned(),
            predicate: statement::summary(&record),
            ..statement.clone()
        };
        match tokio::try_join!(self.sign(&statement), self.sign(&summary)) {
            Ok((record, summary)) => Ok([(PREDICATE_TYPE, record), (SUMMARY_TYPE, summary)]
                .map(|(predicate_type, bundle)| Document {
                    media_type: BUNDLE_MEDIA_TYPE,
                    predicate_type,
                    bytes: Bytes::from(bundle),
                })
                .into()),
            Err(failure) => {
                *self.made.lock().await = Some((Instant::now(), Err(failure.clone())));
                Err(failure)
            }
        }
    }

    /// The bundle of a statement, as JSON.
    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>, Failure> {
        match &self.credential {
            Credential::Key(key) => {
                let signature = key.sign(&hash_to_sign(statement)).await.map_err(cannot)?;
                with_key(statement, key.version.to_string(), signature).map_err(cannot)
            }
            Credential::Job(request) => {
                let signer = self.certified(request.as_ref()).await?;
                signer.sign(statement).await.map_err(cannot)
            }
        }
    }

    /// The signer of this run, with a certificate that is still valid for a while.
    async fn certified(&self, request: Option<&IdTokenRequest>) -> Result<Arc<Signer>, Failure> {
        let mut slot = self.made.lock().await;
        match &*slot {
            Some((since, Ok(signer))) if since.elapsed() < USED => return Ok(Arc::clone(signer)),
            Some((_, Err(failure))) => return Err(failure.clone()),
            _ => {}
        }
        let made = async {
            let (token, services) = self.token(request).await?;
            Signer::keyless(&services, &token).await.map(Arc::new).map_err(cannot)
        };
        let made = made.await;
        *slot = Some((Instant::now(), made.clone()));
        made
    }

    /// Requests an id token for this job, and chooses the services.
    async fn token(&self, request: Option<&IdTokenRequest>) -> Result<(Secret, Services), Failure> {
        let policy = Policy { attempts: 4, patience: Duration::from_secs(10), ..Policy::default() };
        let retrying = Retrying { policy, watcher: self.watcher.clone() };
        let request = request.ok_or_else(|| {
            Failure::usage(
                "this job cannot sign records: GitHub gives it no id token",
                "give the job the permission `id-token: write`",
            )
        })?;
        let token = request.issue(AUDIENCE, &retrying, &self.secrets).await?;
        let services =
            self.settings.services_for(claim(&token, "repository_visibility").as_deref(), retrying);
        Ok((token, services))
    }
}

fn cannot(error: impl Into<Failure>) -> Failure {
    error.into().context("the record cannot be signed")
}
