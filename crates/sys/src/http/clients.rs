//! The one builder of HTTP clients.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::Policy as Redirects;
use reqwest::{Client, ClientBuilder, Url};
use rustls::{ClientConfig, RootCertStore};

use super::{CONNECT, Class, NoAnswer, SILENCE, chain, trust::trusting};

/// Clients for any host. Each is created when first needed, because reading the certificates takes time.
///
/// Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, never for loopback; certificates
/// are checked as [`trusting`] describes. The client for plain HTTP on loopback reads no certificates.
#[derive(Debug)]
pub struct Clients {
    total: Option<Duration>,
    gap: Option<Duration>,
    redirects: usize,
    outside: OnceLock<Result<Client, String>>,
    loopback: OnceLock<Result<Client, String>>,
    plain: OnceLock<Result<Client, String>>,
}

impl Default for Clients {
    /// For APIs: an exchange takes at most [`SILENCE`], and redirects are not followed, because another API must not get
    /// the token.
    fn default() -> Self {
        Self::new(Some(SILENCE), 0)
    }
}

impl Clients {
    /// Clients whose exchanges take at most `total` and follow this many redirects. A caller that streams sets no limit
    /// and uses a [`super::StallTimer`].
    pub fn new(total: Option<Duration>, redirects: usize) -> Self {
        let (outside, loopback, plain) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { total, gap: None, redirects, outside, loopback, plain }
    }

    /// Clients that fetch files: a server may be silent for [`SILENCE`], and an exchange may take any time.
    pub fn for_files(redirects: usize) -> Self {
        Self { gap: Some(SILENCE), ..Self::new(None, redirects) }
    }

    /// The client for a URL.
    ///
    /// # Errors
    /// If the system's certificates or the proxy settings cannot be used.
    pub fn of(&self, url: &Url) -> Result<&Client, NoAnswer> {
        let made = if !is_loopback(url) {
            self.outside.get_or_init(|| self.build(trusting(builder(false))?))
        } else if url.scheme() == "https" {
            self.loopback.get_or_init(|| self.build(trusting(builder(true))?))
        } else {
            self.plain.get_or_init(|| self.build(without_authorities(builder(true))))
        };
        let failed = |reason: &String| NoAnswer { reason: reason.clone(), class: Class::Setup, attempts: 1 };
        made.as_ref().map_err(failed)
    }

    fn build(&self, builder: ClientBuilder) -> Result<Client, String> {
        let redirects =
            if self.redirects == 0 { Redirects::none() } else { Redirects::limited(self.redirects) };
        let builder = self.total.into_iter().fold(builder, ClientBuilder::timeout);
        let builder = self.gap.into_iter().fold(builder, ClientBuilder::read_timeout);
        builder.redirect(redirects).build().map_err(|error| chain(&error))
    }
}

/// The common settings of all clients.
#[expect(clippy::disallowed_methods, reason = "the one builder of clients")]
pub fn builder(loopback: bool) -> ClientBuilder {
    // The first caller installed the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(format!("p2p/{}", crate::VERSION))
        .connect_timeout(CONNECT)
        .redirect(Redirects::none())
        .referer(false)
        .retry(reqwest::retry::never());
    if loopback { builder.no_proxy() } else { builder }
}

/// A client that trusts no certificate authority, so it reads no certificates.
fn without_authorities(builder: ClientBuilder) -> ClientBuilder {
    let tls = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    builder.tls_backend_preconfigured(tls)
}

/// Whether a URL points to this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Whether secrets may go to a URL: HTTPS, or this machine.
pub fn is_safe(url: &str) -> bool {
    let url = Url::parse(url).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    url.is_some_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn loopback_is_this_machine_by_any_name() {
        let loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        assert!(loopback("http://localhost:1/") && loopback("https://127.9.9.9/"));
        assert!(loopback("http://[::1]:5000/"));
        assert!(!loopback("https://localhost.example/") && !loopback("https://10.0.0.1/"));
    }
}
