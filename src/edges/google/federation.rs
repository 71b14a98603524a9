//! Tokens by identity: requested on first use, kept in memory, and renewed before they expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder, Url};
use tokio::sync::Mutex as Gate;
use tokio::time::Instant;

use super::endpoints::Endpoints;
use super::error::GoogleError;
use super::id_token::IdTokenRequest;
use super::identity::Identity;
use super::token::Token;
use sys::http::{self, Answer, Clients, NoAnswer, bearer};
use sys::retry::Retrying;
use sys::sync::Mutex;
use workflow_commands::{Secret, Secrets};

/// The settings of federation.
#[derive(Debug, Clone, Default)]
pub struct FederationSettings {
    pub endpoints: Endpoints,
    /// Where the job requests its own token. `None` without `id-token: write`, and in forks.
    pub request: Option<IdTokenRequest>,
    /// Whether the job is for a pull request from a fork. Only for messages.
    pub fork: bool,
    /// How requests are retried.
    pub retrying: Retrying,
    /// Masks every secret before p2p uses it.
    pub secrets: Secrets,
}

/// Workload identity federation. Clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Federation {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: FederationSettings,
    clients: Clients,
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
}

/// The token of one identity.
#[derive(Debug, Default)]
struct Slot {
    /// How often a token was requested. A caller that waited for a request shares its result, even a failure.
    tries: AtomicU64,
    token: Mutex<Option<Token>>,
    /// Held during a request. Contains the last failure.
    minting: Gate<Option<GoogleError>>,
}

impl Slot {
    /// The token, if it has not expired.
    fn good(&self) -> Option<Token> {
        let token = self.token.lock();
        token.clone().filter(|token| Instant::now() < token.ends())
    }
}

impl Federation {
    /// Sends no request yet.
    ///
    /// # Errors
    /// [`GoogleError::Endpoint`] if a URL is not safe for tokens.
    pub fn new(settings: FederationSettings) -> Result<Self, GoogleError> {
        settings.endpoints.check()?;
        let (clients, slots) = (Clients::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { settings, clients, slots }) })
    }

    pub(super) fn settings(&self) -> &FederationSettings {
        &self.shared.settings
    }

    pub(super) fn endpoints(&self) -> &Endpoints {
        &self.settings().endpoints
    }

    /// Masks a secret, before anything else happens with it.
    pub(super) fn tell(&self, secret: &Secret) {
        self.settings().secrets.mask(secret);
    }

    /// A token of the identity: the current one, or a new one if that expires soon. If several callers need a token
    /// at the same time, only one requests it. While a request runs or after it failed, the old token is returned as
    /// long as it is valid.
    ///
    /// # Errors
    /// The class of the failure, with its help.
    pub async fn token(&self, identity: &Identity) -> Result<Token, GoogleError> {
        let slot = self.slot(identity);
        let minting = slot.minting.try_lock().is_err();
        match slot.good().filter(|_| minting) {
            Some(good) => Ok(good),
            None => self.fresh(identity).await,
        }
    }

    /// The same, but waits for a token that is being requested, because a renewer cannot use the old one.
    pub(super) async fn fresh(&self, identity: &Identity) -> Result<Token, GoogleError> {
        let slot = self.slot(identity);
        let before = slot.tries.load(Ordering::Acquire);
        let mut failed = slot.minting.lock().await;
        let good = slot.good();
        if let Some(token) = good.as_ref().filter(|token| Instant::now() < token.stale()) {
            return Ok(token.clone());
        }
        if slot.tries.load(Ordering::Acquire) != before
            && let Some(error) = &*failed
        {
            return good.ok_or_else(|| error.clone());
        }
        let minted = self.mint(identity).await;
        slot.tries.fetch_add(1, Ordering::Release);
        match minted {
            Ok(token) => {
                *slot.token.lock() = Some(token.clone());
                *failed = None;
                Ok(token)
            }
            Err(error) => {
                *failed = Some(error.clone());
                good.ok_or(error)
            }
        }
    }

    fn slot(&self, identity: &Identity) -> Arc<Slot> {
        let key = (identity.provider().to_owned(), identity.service_account().to_owned());
        let mut slots = self.shared.slots.lock();
        Arc::clone(slots.entry(key).or_default())
    }

    async fn mint(&self, identity: &Identity) -> Result<Token, GoogleError> {
        let id_token = self.id_token(identity).await?;
        let federated = self.exchange(identity, &id_token).await?;
        self.impersonate(identity, &id_token, &federated).await
    }

    /// Sends a request to `url` with a token of the identity.
    pub(super) async fn send_as(
        &self,
        identity: &Identity,
        what: &str,
        url: &str,
        request: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, GoogleError> {
        let token = self.token(identity).await?;
        let header = bearer(token.secret()).ok_or_else(|| GoogleError::Nonsense {
            what: what.to_owned(),
            reason: "the access token contains a character that no token has".to_owned(),
        })?;
        self.send(what, url, |client, url| request(client, url).header(AUTHORIZATION, header.clone())).await
    }

    /// Sends a request to `url`, and retries while that is worth it. Any answer is `Ok`, unless the server stays
    /// unavailable.
    pub(super) async fn send(
        &self,
        what: &str,
        url: &str,
        request: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, GoogleError> {
        let url = super::endpoints::check(url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |lost: NoAnswer| GoogleError::Unreachable {
            what: what.to_owned(),
            host: host.clone(),
            attempts: lost.attempts,
            class: lost.class,
            reason: lost.reason,
        };
        let client = self.shared.clients.of(&url).map_err(unreachable)?;
        let retrying = &self.settings().retrying;
        let answer =
            http::send(retrying, what, || request(client, url.clone())).await.map_err(unreachable)?;
        if sys::retry::transient(answer.status) {
            return Err(GoogleError::Unavailable {
                what: what.to_owned(),
                host,
                status: answer.status,
                answer: answer.words(),
                attempts: answer.attempts,
            });
        }
        Ok(answer)
    }
}
