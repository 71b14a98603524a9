//! How to connect to the cluster of a kubeconfig's context (v1 of client-go's clientcmd API).

use std::net::IpAddr;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Certificate, Identity, Url};
use serde_json::{Map, Value as Json};

use super::error::ApiError;
use super::exec::Exec;
use crate::edges::kube::Kubeconfig;
use sys::http::{builder, chain, is_loopback, sensitive, trusting};
use workflow_commands::Secret;

/// A context that was read but not opened.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) server: Url,
    pub(super) login: Login,
    authority: Option<Source>,
    insecure: bool,
    /// The name in the server's certificate, if it is not the server's own.
    name: Option<String>,
    pub(super) proxy: Option<String>,
    certificate: Option<(Source, Source)>,
    impersonation: Vec<(HeaderName, HeaderValue)>,
}

/// How to log in.
#[derive(Debug)]
pub(super) enum Login {
    /// Not at all, or with the certificate.
    None,
    /// A token.
    Token(Secret),
    /// A token in a file that is renewed.
    TokenFile(PathBuf),
    /// User and password, in the form of the header.
    Basic(Secret),
    /// A program that returns credentials.
    Exec(Exec),
}

/// A text in the kubeconfig, or the file that contains it.
#[derive(Clone, PartialEq, Eq)]
enum Source {
    Data(Secret),
    File(PathBuf),
}

/// Hides the text, because keys are secret.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data(_) => f.write_str("data"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Source {
    /// Reads `key-data` in base64, or else `key`, a path. Like in client-go, the data wins.
    fn of(map: &Map<String, Json>, key: &str) -> Option<Self> {
        match text(map, &format!("{key}-data")) {
            Some(data) => Some(Self::Data(Secret::new(data))),
            None => text(map, key).map(|path| Self::File(path.into())),
        }
    }

    fn read(&self, what: &'static str) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Data(data) => STANDARD
                .decode(data.expose().trim())
                .map_err(|_| ApiError::Material { what, reason: "it is not base64".to_owned() }),
            Self::File(path) => std::fs::read(path)
                .map_err(|error| ApiError::Material { what, reason: format!("{}: {error}", path.display()) }),
        }
    }
}

fn text<'a>(map: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Json::as_str).filter(|text| !text.is_empty())
}

/// Why there is no client.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// The server's name cannot be resolved, with the reason.
    NoHost(String),
    /// The kubeconfig is invalid.
    Wrong(ApiError),
}

impl From<ApiError> for NotOpened {
    fn from(error: ApiError) -> Self {
        Self::Wrong(error)
    }
}

impl Connection {
    /// The connection for the only context of a kubeconfig, as from `Kubeconfig::for_target`.
    pub(super) fn of(kubeconfig: &Kubeconfig) -> Result<Self, ApiError> {
        let none = Map::new();
        let cluster = kubeconfig.clusters.first().map(|item| &item.value).ok_or(ApiError::NoCluster)?;
        let user = kubeconfig.users.first().map_or(&none, |item| &item.value);
        for key in ["auth-provider", "as-user-extra"] {
            if user.contains_key(key) {
                return Err(ApiError::Unsupported { what: key });
            }
        }
        let server = text(cluster, "server").unwrap_or_default();
        let server = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http") && url.host_str().is_some())
            .ok_or(ApiError::Server)?;
        let certificate = Source::of(user, "client-certificate").zip(Source::of(user, "client-key"));
        Ok(Self {
            server,
            login: login(user, cluster)?,
            authority: Source::of(cluster, "certificate-authority"),
            insecure: cluster.get("insecure-skip-tls-verify") == Some(&Json::Bool(true)),
            name: text(cluster, "tls-server-name").map(str::to_owned),
            proxy: text(cluster, "proxy-url").map(str::to_owned),
            certificate,
            impersonation: impersonation(user)?,
        })
    }

    /// Whether the server's address belongs to a private network.
    pub(super) fn is_private(&self) -> bool {
        let host = self.server.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        address.is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_private(),
            IpAddr::V6(address) => address.is_unique_local(),
        })
    }

    /// Makes a client, with the URL to use. `own` is a certificate with its key in PEM, which replaces the
    /// kubeconfig's.
    pub(super) async fn open(&self, own: Option<&Secret>) -> Result<(reqwest::Client, Url), NotOpened> {
        let mut url = self.server.clone();
        let mut builder = builder(is_loopback(&url) && self.proxy.is_none());
        if self.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        } else if let Some(authority) = &self.authority {
            let what = "the cluster's certificate authority";
            let broken = |error: &reqwest::Error| ApiError::Material { what, reason: chain(error) };
            let certificates =
                Certificate::from_pem_bundle(&authority.read(what)?).map_err(|e| broken(&e))?;
            builder = builder.tls_certs_only(certificates);
        } else {
            let what = "the TLS set-up";
            builder = trusting(builder).map_err(|reason| ApiError::Material { what, reason })?;
        }
        let what = "the user's certificate";
        let pem = match (own, &self.certificate) {
            (Some(own), _) => Some(own.expose().as_bytes().to_vec()),
            (None, Some((certificate, key))) => {
                let mut pem = certificate.read(what)?;
                pem.push(b'\n');
                pem.extend(key.read("the user's key")?);
                Some(pem)
            }
            (None, None) => None,
        };
        if let Some(pem) = pem {
            // rustls's error is about a key, so it is not quoted.
            let broken = |_| ApiError::Material { what, reason: "it is not PEM with its key".to_owned() };
            builder = builder.identity(Identity::from_pem(&pem).map_err(broken)?);
        }
        if let Some(proxy) = &self.proxy {
            let proxy =
                reqwest::Proxy::all(proxy).map_err(|_| ApiError::Unsupported { what: "proxy-url" })?;
            builder = builder.proxy(proxy);
        }
        if let Some(name) = &self.name {
            let (host, port) =
                (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let addresses: Vec<_> = tokio::net::lookup_host((host, port))
                .await
                .map_err(|error| NotOpened::NoHost(error.to_string()))?
                .collect();
            builder = builder.resolve_to_addrs(name, &addresses);
            url.set_host(Some(name)).map_err(|_| ApiError::Unsupported { what: "tls-server-name" })?;
        }
        let client = builder
            .default_headers(self.impersonation.iter().cloned().collect())
            .build()
            .map_err(|error| ApiError::Material { what: "the TLS set-up", reason: chain(&error) })?;
        Ok((client, url))
    }
}

/// The order is client-go's: a token file before a token, both before a password, then a program.
fn login(user: &Map<String, Json>, cluster: &Map<String, Json>) -> Result<Login, ApiError> {
    if let Some(path) = text(user, "tokenFile") {
        return Ok(Login::TokenFile(path.into()));
    }
    if let Some(token) = text(user, "token") {
        return Ok(Login::Token(Secret::new(token)));
    }
    if let Some(name) = text(user, "username") {
        let pair = format!("{name}:{}", text(user, "password").unwrap_or_default());
        return Ok(Login::Basic(Secret::new(format!("Basic {}", STANDARD.encode(pair)))));
    }
    match user.get("exec").and_then(Json::as_object) {
        Some(exec) => Ok(Login::Exec(Exec::of(exec, cluster)?)),
        None => Ok(Login::None),
    }
}

fn impersonation(user: &Map<String, Json>) -> Result<Vec<(HeaderName, HeaderValue)>, ApiError> {
    let one = |key, header, text: &str| {
        let value = sensitive(text).ok_or(ApiError::Unsupported { what: key })?;
        Ok((HeaderName::from_static(header), value))
    };
    let mut headers = Vec::new();
    for (key, header) in [("as", "impersonate-user"), ("as-uid", "impersonate-uid")] {
        if let Some(text) = text(user, key) {
            headers.push(one(key, header, text)?);
        }
    }
    match user.get("as-groups").and_then(Json::as_array).map(Vec::as_slice) {
        None | Some([]) => {}
        Some([group]) => {
            headers.push(one("as-groups", "impersonate-group", group.as_str().unwrap_or_default())?);
        }
        // A header of the client can have only one value.
        Some(_) => return Err(ApiError::Unsupported { what: "as-groups with several groups" }),
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::path::Path;

    use super::*;

    fn connection(cluster: &str, user: &str) -> Result<Connection, ApiError> {
        let text = format!(
            "current-context: c\nclusters:\n- {{name: c, cluster: {{server: 'https://k.example', {cluster}}}}}\n\
             users:\n- {{name: u, user: {{{user}}}}}\ncontexts:\n- {{name: c, context: {{cluster: c, user: u}}}}\n"
        );
        let config = Kubeconfig::of_input(&Secret::new(text), Path::new("/k")).unwrap();
        Connection::of(&config.for_target(None, None).unwrap())
    }

    #[test]
    fn the_login_follows_client_go() {
        let of = |user| connection("", user).unwrap().login;
        assert!(matches!(of("token: a, tokenFile: t"), Login::TokenFile(path) if path == Path::new("/k/t")));
        assert!(matches!(of("token: a, username: b"), Login::Token(token) if token.expose() == "a"));
        assert!(
            matches!(of("username: u, password: p"), Login::Basic(pair) if pair.expose() == "Basic dTpw")
        );
        assert!(matches!(of("exec: {command: x}"), Login::Exec(_)));
        assert!(matches!(of(""), Login::None));
    }

    #[test]
    fn what_we_cannot_do_is_said() {
        let unsupported = |user| match connection("", user) {
            Err(ApiError::Unsupported { what }) => what,
            other => format!("{other:?}").leak(),
        };
        assert_eq!(unsupported("auth-provider: {name: gcp}"), "auth-provider");
        assert_eq!(unsupported("as: x, as-user-extra: {a: [b]}"), "as-user-extra");
        assert_eq!(unsupported("as: x, as-groups: [a, b]"), "as-groups with several groups");
        assert_eq!(connection("", "as: x, as-groups: [a]").unwrap().impersonation.len(), 2);
        assert!(matches!(Connection::of(&Kubeconfig::empty()), Err(ApiError::NoCluster)));
    }

    #[tokio::test]
    async fn broken_certificates_are_named_and_not_quoted() {
        let opened = |cluster, user| async move {
            match connection(cluster, user).unwrap().open(None).await {
                Err(NotOpened::Wrong(error)) => error.to_string(),
                other => format!("{other:?}"),
            }
        };
        let message = opened("certificate-authority-data: '!s3cret!'", "").await;
        assert_eq!(message, "the cluster's certificate authority cannot be used: it is not base64");
        let message = opened("certificate-authority: absent.crt", "").await;
        assert!(message.contains("/k/absent.crt"), "{message}");
        let message = opened("", "client-certificate-data: czNjcmV0, client-key-data: czNjcmV0").await;
        assert_eq!(message, "the user's certificate cannot be used: it is not PEM with its key");
        let message = opened("proxy-url: '::'", "").await;
        assert!(message.contains("proxy-url"), "{message}");
    }
}
