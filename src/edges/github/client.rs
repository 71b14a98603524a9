use std::error::Error as StdError;
use std::ops::ControlFlow;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LINK};
use http::{Method, Request, Uri};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::answer::Answer;
use super::{Error, limit};
use sys::http::trusting;
use sys::retry::{Again, Policy, Watcher, random, transient};
use workflow_commands::Secret;

/// One repository on GitHub, as its REST API shows it.
///
/// Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; certificates are checked
/// as [`trusting`] says.
#[derive(Debug)]
pub struct GitHub {
    pub(super) server: String,
    base: Uri,
    repository: String,
    token: Option<Secret>,
    pub(super) policy: Policy,
    pub(crate) watcher: Watcher,
    /// Set up at the first request: reading the certificate store takes its time, and most runs
    /// create nothing.
    client: OnceCell<Clients>,
}

/// Two ways through one transport.
#[derive(Debug)]
struct Clients {
    /// To the REST API.
    rest: Octocrab,
    /// To whatever URL the API names, with the same token.
    plain: reqwest::Client,
}

impl GitHub {
    /// The repository `owner/name` at the API of `api_url` (`GITHUB_API_URL`). Sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] and [`Error::Url`].
    pub fn new(api_url: &str, repository: &str, token: Option<Secret>) -> Result<Self, Error> {
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !repository.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name)) {
            return Err(Error::Repository { repository: repository.to_owned() });
        }
        let server = api_url.trim_end_matches('/').to_owned();
        let base = server.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some()
                && uri.query().is_none()
        });
        let Some(base) = base else { return Err(Error::Url { url: api_url.to_owned() }) };
        let (policy, watcher) = (Policy::default(), Watcher::default());
        Ok(Self {
            server,
            base,
            repository: repository.to_owned(),
            token,
            policy,
            watcher,
            client: OnceCell::new(),
        })
    }

    /// Tries each request as often as `policy` says, and tells `watcher` when it tries again.
    #[must_use]
    pub fn retrying(self, policy: Policy, watcher: Watcher) -> Self {
        Self { policy, watcher, ..self }
    }

    /// `verb` in this repository on this server: what errors and the log name.
    pub(super) fn what(&self, verb: &str) -> String {
        format!("{verb} in {} at {}", self.repository, self.server)
    }

    /// Sends a request below `/repos/{owner}/{name}`, again while the answer is worth another try.
    ///
    /// # Errors
    ///
    /// No token, no answer, or 408, 429, 5xx and rate limits to the end. Any other answer is
    /// returned, whatever its status.
    pub(super) async fn send(
        &self,
        what: &str,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Error> {
        let rest = &self.clients(what).await?.rest;
        self.repeat(what, async || {
            let request = Request::builder().method(method).uri(format!("/repos/{}{path}", self.repository));
            let request = rest.build_request(request, body).map_err(|error| root(&error))?;
            let response = rest.execute(request).await.map_err(|error| root(&error))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = rest.body_to_string(response).await.map_err(|error| root(&error))?;
            Ok(Answer { status, headers, body, after_failure: false })
        })
        .await
    }

    /// The answer to `GET path`, where it is 200.
    pub(super) async fn get<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<T, Error> {
        let answer = self.send(what, &Method::GET, path, None).await?;
        if answer.status == 200 { answer.json(what) } else { Err(answer.refusal(what)) }
    }

    /// Whether the token may see the repository: a hidden one answers 404 to everything.
    ///
    /// # Errors
    ///
    /// Where it may not.
    pub(super) async fn visible(&self, what: &str) -> Result<(), Error> {
        let repository = self.send(what, &Method::GET, "", None).await?;
        if repository.status == 200 { Ok(()) } else { Err(repository.refusal(what)) }
    }

    /// All pages of a list: what `page` makes of each, one after the other. `path` has no query of its
    /// own ([pagination](https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api)).
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &str,
        mut page: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        for number in 1_u32.. {
            let path = format!("{path}?per_page=100&page={number}");
            let answer = self.send(what, &Method::GET, &path, None).await?;
            if answer.status != 200 {
                return Err(answer.refusal(what));
            }
            let link = answer.headers.get(LINK).and_then(|link| link.to_str().ok()).unwrap_or_default();
            let last = !link.contains("rel=\"next\"");
            if page(answer.json(what)?).is_break() || last {
                break;
            }
        }
        Ok(())
    }

    /// Sends a request to a URL that the API named, once.
    ///
    /// # Errors
    ///
    /// No token, as an error of ours; no answer, in the words of the system.
    pub(super) async fn plain(
        &self,
        what: &str,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Result<Answer, String>, Error> {
        let request = request(&self.clients(what).await?.plain);
        let answer = async {
            let response = request.send().await.map_err(|error| root(&error.without_url()))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.text().await.map_err(|error| root(&error.without_url()))?;
            Ok(Answer { status, headers, body, after_failure: false })
        };
        Ok(answer.await)
    }

    /// Does `once` again while what comes of it is worth another try.
    pub(super) async fn repeat(
        &self,
        what: &str,
        once: impl AsyncFn() -> Result<Answer, String>,
    ) -> Result<Answer, Error> {
        let mut attempt = 1;
        let mut after_failure = false;
        loop {
            let (why, asked, failure) = match once().await {
                Ok(answer) if !transient(answer.status) && !limit::limited(&answer) => {
                    return Ok(Answer { after_failure, ..answer });
                }
                Ok(answer) => {
                    let unsure = answer.status >= 500;
                    after_failure |= unsure;
                    let why = format!("{}: {}", answer.status, answer.message());
                    (why, limit::asked(&answer), (!unsure).then(|| answer.refusal(what)))
                }
                Err(why) => {
                    after_failure = true;
                    (why, None, None)
                }
            };
            let Some(wait) = self.policy.wait(attempt, asked, random()) else {
                let unavailable =
                    Error::Unavailable { what: what.to_owned(), answer: why, attempts: attempt };
                return Err(failure.unwrap_or(unavailable));
            };
            // Everyone who was told the same time must not come back at the same moment.
            let wait = if asked.is_some() { wait.mul_f64(1.0 + random() / 4.0) } else { wait };
            let what = what.to_owned();
            self.watcher.again(Again { what, why, attempt, of: self.policy.attempts, wait });
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sets the client up, so that nothing but the network can fail afterwards.
    pub(super) async fn ready(&self, what: &str) -> Result<(), Error> {
        self.clients(what).await.map(drop)
    }

    async fn clients(&self, what: &str) -> Result<&Clients, Error> {
        self.client.get_or_try_init(|| async { self.open(what) }).await
    }

    fn open(&self, what: &str) -> Result<Clients, Error> {
        let Some(token) = &self.token else { return Err(Error::NoToken { what: what.to_owned() }) };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| Error::MalformedToken { what: what.to_owned() })?;
        bearer.set_sensitive(true);
        let accept = HeaderValue::from_static("application/vnd.github+json");
        // Where another part of the program chose a provider before us, that one is used.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        // Our own transport under octocrab: its default one knows no proxy, names itself in the
        // user agent, and panics at a token that is no header value.
        let failed = |why| Error::Client { server: self.server.clone(), why };
        let transport = trusting(reqwest::Client::builder())
            .map_err(failed)?
            .user_agent(format!("p2p/{}", crate::VERSION))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer), (ACCEPT, accept)]))
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(1))
            .build()
            .map_err(|error| failed(root(&error)))?;
        let rest = OctocrabBuilder::new_empty()
            .with_service(ReqwestConnector::new(transport.clone()))
            .with_layer(&BaseUriLayer::new(self.base.clone()))
            .with_auth(AuthState::None)
            .build();
        match rest {
            Ok(rest) => Ok(Clients { rest, plain: transport }),
        }
    }
}

/// The innermost cause, which is the telling one: `Connection refused`, not `error sending request`.
fn root(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_repository_and_no_address() {
        for repository in ["", "shop", "/shop", "acme/", "acme/shop/x", "acme/sh op", "acme/../x", "acme/.."]
        {
            assert!(matches!(
                GitHub::new("https://api.github.com", repository, None),
                Err(Error::Repository { .. })
            ));
        }
        for url in ["", "api.github.com", "ftp://x", "/api", "https://", "https://x?y"] {
            assert!(matches!(GitHub::new(url, "acme/shop", None), Err(Error::Url { .. })), "{url}");
        }
        assert!(GitHub::new("https://ghe.example:8443/api/v3/", "acme/shop.io", None).is_ok());
    }
}
