//! One HTTP client for all registries, with what it has learned about each of them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::Mutex as Gate;
use tokio::time::Instant;

use super::credentials::{Credentials, Keyring};
use super::error::{OciError, Trouble};
use super::insecure::Insecure;
use super::origin::{CredentialsOrigin, Found};
use super::reference::Repository;
use super::token::Tokens;
use sys::http::{Clients, SILENCE, is_loopback};
use sys::retry::{Policy, Retrying, Watcher};
use sys::sync::Mutex;
use workflow_commands::Secrets;

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The credentials for each registry.
    pub keyring: Keyring,
    /// The registries without TLS, besides those on loopback.
    pub insecure: Insecure,
    /// How requests are retried.
    pub policy: Policy,
    /// Gets each retry.
    pub watcher: Watcher,
    /// Masks the credentials that are found, and the tokens that they are exchanged for.
    pub secrets: Secrets,
    /// How long a connection may stand still before the request is repeated.
    pub stall: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keyring: Keyring::default(),
            insecure: Insecure::default(),
            policy: Policy::default(),
            watcher: Watcher::default(),
            secrets: Secrets::default(),
            stall: SILENCE,
        }
    }
}

/// A client of the OCI distribution API. Clones share connections, tokens and what was learned.
///
/// The client uses plain HTTP for loopback (`localhost`, `127.0.0.0/8`, `[::1]`, any port) and for the registries in
/// the settings, and HTTPS for all others. It never tries both, so credentials are never sent unencrypted by
/// accident.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    tokens: Tokens,
    retrying: Retrying,
    clients: Clients,
    found: Mutex<HashMap<Repository, Arc<Gate<Option<Known>>>>>,
    /// The registries that accept no blob in a single PUT.
    chunked: Mutex<HashSet<String>>,
}

/// Credentials, and when they were looked up.
#[derive(Debug)]
struct Known {
    found: Found,
    since: Instant,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client. It sends no request, and reads certificates when they are needed.
    pub fn new(settings: Settings) -> Self {
        // Targets can read the same files.
        settings.keyring.secrets().iter().for_each(|secret| settings.secrets.mask(secret));
        Self {
            shared: Arc::new(Shared {
                retrying: Retrying { policy: settings.policy, watcher: settings.watcher.clone() },
                // The client follows redirects itself, because the target of a redirect decides what may be sent
                // along. A stream may take any time as long as bytes move.
                clients: Clients::new(None, 0),
                settings,
                tokens: Tokens::default(),
                found: Mutex::default(),
                chunked: Mutex::default(),
            }),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    /// The credentials for a repository: the current given ones, or others that are looked up once.
    pub(super) async fn found(&self, repository: &Repository) -> Result<Found, OciError> {
        if let Some(found) = self.settings().keyring.given(repository) {
            return Ok(found);
        }
        let gate = self.known(repository);
        let mut known = gate.lock().await;
        if let Some(known) = &*known {
            return Ok(known.found.clone());
        }
        let since = Instant::now();
        let found = self.look_up(repository).await?;
        *known = Some(Known { found: found.clone(), since });
        Ok(found)
    }

    /// Looks up credentials and masks them.
    async fn look_up(&self, repository: &Repository) -> Result<Found, OciError> {
        let found = self.settings().keyring.find(repository).await?;
        for secret in found.credentials.iter().flat_map(Credentials::secrets) {
            self.settings().secrets.mask(&secret);
        }
        Ok(found)
    }

    /// Other credentials than those that were refused to a request that began at `began`. Credentials of helpers may
    /// expire within minutes, before a copy ends. `None` if there are no others.
    pub(super) async fn renewed(
        &self,
        repository: &Repository,
        refused: &Found,
        began: Instant,
    ) -> Result<Option<Found>, OciError> {
        // Their owner may have replaced them.
        if refused.origin == CredentialsOrigin::Given {
            return Ok(self.settings().keyring.given(repository).filter(|found| found != refused));
        }
        if !matches!(refused.origin, CredentialsOrigin::Helper(_)) {
            return Ok(None);
        }
        let gate = self.known(repository);
        let mut known = gate.lock().await;
        // The first caller looks them up, and the others wait for the result.
        if known.as_ref().is_none_or(|known| known.since < began) {
            let since = Instant::now();
            let found = self.look_up(repository).await?;
            *known = Some(Known { found, since });
        }
        Ok(known.as_ref().map(|known| &known.found).filter(|found| *found != refused).cloned())
    }

    fn known(&self, repository: &Repository) -> Arc<Gate<Option<Known>>> {
        let mut all = self.shared.found.lock();
        Arc::clone(all.entry(repository.clone()).or_default())
    }

    /// Whether a blob must be sent to this registry as a chunk, because it has refused a single PUT.
    pub(super) fn sends_chunks(&self, repository: &Repository) -> bool {
        let chunked = self.shared.chunked.lock();
        chunked.contains(repository.registry())
    }

    /// Remembers to send blobs to this registry as chunks.
    pub(super) fn send_chunks(&self, repository: &Repository) {
        let mut chunked = self.shared.chunked.lock();
        chunked.insert(repository.registry().to_owned());
    }

    /// Scheme, host and port of a repository's registry.
    pub(super) fn base(&self, repository: &Repository) -> Result<Url, OciError> {
        let host = repository.api_host();
        let plain = Url::parse(&format!("http://{host}/"))
            .map_err(|error| OciError::Setup(format!("{host} is not a host: {error}")))?;
        if self.plain(&plain) {
            return Ok(plain);
        }
        Url::parse(&format!("https://{host}/"))
            .map_err(|error| OciError::Setup(format!("{host} is not a host: {error}")))
    }

    /// Whether the registry of a URL is used without TLS.
    fn plain(&self, url: &Url) -> bool {
        is_loopback(url) || self.settings().insecure.lists(url)
    }

    /// Whether credentials may be sent to this URL.
    pub(super) fn trusts(&self, url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && self.plain(url))
    }

    /// The HTTP client for a URL.
    pub(super) fn http(&self, url: &Url) -> Result<&reqwest::Client, OciError> {
        self.shared.clients.of(url).map_err(|error| OciError::Setup(error.reason))
    }

    /// How requests are retried.
    pub(super) fn retrying(&self) -> &Retrying {
        &self.shared.retrying
    }

    /// Repeats `attempt` according to the policy while its failures are worth it.
    pub(super) async fn patiently<T, F, Fut>(&self, what: &str, mut attempt: F) -> Result<T, OciError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Trouble>>,
    {
        self.retrying().run(what, |_| attempt()).await
    }
}

/// `host[:port]` of a URL, without the default port.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_and_listed_registries_only() {
        let (insecure, _) = Insecure::read(&["registry.lan:5000".into()]).unwrap();
        let settings = Settings { insecure, ..Settings::default() };
        let client = Client::new(settings);
        let base = |name: &str| client.base(&name.parse().unwrap()).unwrap().to_string();
        assert_eq!(base("localhost:5000/a"), "http://localhost:5000/");
        assert_eq!(base("127.9.9.9:80/a"), "http://127.9.9.9/");
        assert_eq!(base("[::1]:5000/a"), "http://[::1]:5000/");
        assert_eq!(base("registry.lan:5000/a"), "http://registry.lan:5000/");
        assert_eq!(base("registry.lan/a"), "https://registry.lan/");
        assert_eq!(base("10.0.0.1:5000/a"), "https://10.0.0.1:5000/");
        assert_eq!(base("localhost.example/a"), "https://localhost.example/");
        assert_eq!(base("alpine"), "https://registry-1.docker.io/");
        let trusts = |url: &str| client.trusts(&Url::parse(url).unwrap());
        assert!(trusts("https://auth.example/token") && trusts("http://127.0.0.1:1/token"));
        assert!(trusts("http://registry.lan:5000/token"));
        assert!(!trusts("http://registry.lan/token") && !trusts("http://auth.example/token"));
        assert!(!trusts("ftp://localhost/"));
    }
}
