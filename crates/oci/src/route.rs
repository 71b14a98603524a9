//! Requests to one repository: URLs, rights, 401 answers and redirects.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, Request, Response, StatusCode, Url};
use tokio::time::Instant;

use super::challenge::{Challenge, Scope};
use super::client::{Client, authority};
use super::error::{Again, Asked, OciError, Trouble};
use super::origin::{CredentialsOrigin, Found};
use super::reference::Repository;
use super::token::{Need, Pass};
use super::transport::{execute, execute_streaming, refusal};
use sys::http::{StallTimer, retry_after};
use sys::retry;

/// The most redirects to follow.
pub(super) const REDIRECTS: usize = 10;

/// A repository, and the rights that its requests need.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) client: Client,
    pub(super) repository: Repository,
    pub(super) scope: Scope,
}

/// The target of a request.
#[derive(Debug, Clone)]
pub(super) enum To {
    /// Below `/v2/<name>/`, with its query.
    Path(String),
    /// A URL that the registry named, and its name in errors.
    Place(Url, String),
}

/// A request that can be sent again.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) to: To,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The credentials of a request.
struct Entry {
    found: Found,
    pass: Pass,
    began: Instant,
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, to: To::Path(path.into()), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A request to a URL that the registry named. `words` is its name in errors.
    pub(super) fn at(method: Method, place: Url, words: String) -> Self {
        Self { to: To::Place(place, words), ..Self::new(method, "") }
    }

    /// After a 303, the result is read from the new URL.
    fn see_other(&mut self) {
        if self.method != Method::HEAD {
            self.method = Method::GET;
        }
        self.headers.remove(CONTENT_TYPE);
        self.body = Bytes::new();
    }
}

impl Route {
    pub(super) fn pull(client: &Client, repository: &Repository) -> Self {
        let scope = Scope::pull(repository);
        Self { client: client.clone(), repository: repository.clone(), scope }
    }

    pub(super) fn push(client: &Client, repository: &Repository) -> Self {
        let scope = Scope::push(repository);
        Self { client: client.clone(), repository: repository.clone(), scope }
    }

    /// A request in words, for errors.
    pub(super) fn asked(&self, method: &Method, to: &To) -> Asked {
        let registry = self.repository.registry();
        let text = match to {
            To::Path(path) => {
                let path = path.split('?').next().unwrap_or_default();
                format!("{method} /v2/{}/{path} at {registry}", self.repository.name())
            }
            To::Place(_, words) => format!("{method} {words} at {registry}"),
        };
        Asked { repository: self.repository.clone(), text }
    }

    fn url(&self, to: &To) -> Result<Url, OciError> {
        match to {
            To::Place(url, _) => Ok(url.clone()),
            To::Path(path) => {
                let base = self.client.base(&self.repository)?;
                let joined = base.join(&format!("/v2/{}/{path}", self.repository.name()));
                joined.map_err(|error| OciError::Setup(format!("{path} is not a path: {error}")))
            }
        }
    }

    /// Sends a call with retries. Unsuccessful answers that are not transient are `Ok` too.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, OciError> {
        let what = self.asked(&call.method, &call.to).text;
        self.client.patiently(&what, || self.once(call)).await
    }

    /// Sends a call once. Logs in if required, and follows redirects. Transient answers are errors, all others are
    /// `Ok`.
    pub(super) async fn once(&self, call: &Call) -> Result<Response, Trouble> {
        let asked = self.asked(&call.method, &call.to);
        let url = self.url(&call.to)?;
        let mut entry = self.enter(&url).await?;
        loop {
            let response = self.follow(call, &asked, url.clone(), &entry.pass).await?;
            if response.status() == StatusCode::UNAUTHORIZED
                && self.log_in(&response, &mut entry, &url).await?
            {
                continue;
            }
            if retry::transient(response.status().as_u16()) {
                return Err(refusal(&asked, response, &entry.found.origin).await);
            }
            return Ok(response);
        }
    }

    /// Sends a call with a streaming body, once. After a 401, the next try logs in again.
    pub(super) async fn stream(
        &self,
        call: &Call,
        body: reqwest::Body,
        timer: &StallTimer,
    ) -> Result<Response, Trouble> {
        let url = self.url(&call.to)?;
        let mut entry = self.enter(&url).await?;
        let mut request = Request::new(call.method.clone(), url.clone());
        *request.headers_mut() = call.headers.clone();
        authorize(&mut request, &entry.pass);
        *request.body_mut() = Some(body);
        let asked = self.asked(&call.method, &call.to);
        let response = execute_streaming(&self.client, &asked, request, timer).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let again = self.log_in(&response, &mut entry, &url).await?;
            let trouble = refusal(&asked, response, &entry.found.origin).await;
            return Err(if again { Trouble { again: Again::After(None), ..trouble } } else { trouble });
        }
        Ok(response)
    }

    /// The error for an unexpected answer.
    pub(super) async fn refuse(&self, call: &Call, response: Response) -> Trouble {
        refusal(&self.asked(&call.method, &call.to), response, &self.origin().await).await
    }

    pub(super) async fn origin(&self) -> CredentialsOrigin {
        self.client.found(&self.repository).await.map_or(CredentialsOrigin::Anonymous, |found| found.origin)
    }

    /// The error for an answer that violates the protocol.
    pub(super) fn nonsense(&self, call: &Call, reason: impl Into<String>) -> OciError {
        OciError::Nonsense { asked: Box::new(self.asked(&call.method, &call.to)), reason: reason.into() }
    }

    /// The credentials for the first try.
    async fn enter(&self, url: &Url) -> Result<Entry, Trouble> {
        let began = Instant::now();
        let found = Box::pin(self.client.found(&self.repository)).await?;
        let pass = Pass { header: None, issued: None };
        let mut entry = Entry { found, pass, began };
        self.show(&mut entry, url).await?;
        Ok(entry)
    }

    /// Updates the credentials for `url`. They are empty unless it is the registry itself.
    async fn show(&self, entry: &mut Entry, url: &Url) -> Result<(), Trouble> {
        entry.pass = if same_origin(&self.client.base(&self.repository)?, url) {
            match Box::pin(self.ask_pass(entry)).await {
                // The token server may no longer accept the credentials.
                Err(trouble) if trouble.error.is_denied() && self.renew(entry).await? => {
                    Box::pin(self.ask_pass(entry)).await?
                }
                pass => pass?,
            }
        } else {
            Pass { header: None, issued: None }
        };
        Ok(())
    }

    fn need<'a>(&'a self, entry: &'a Entry) -> Need<'a> {
        Need { repository: &self.repository, found: &entry.found, scope: &self.scope }
    }

    async fn ask_pass(&self, entry: &Entry) -> Result<Pass, Trouble> {
        self.client.tokens().pass(&self.client, self.need(entry)).await
    }

    /// Takes new credentials, if there are any.
    async fn renew(&self, entry: &mut Entry) -> Result<bool, OciError> {
        let renewed = Box::pin(self.client.renewed(&self.repository, &entry.found, entry.began)).await?;
        let is = renewed.is_some();
        entry.found = renewed.unwrap_or_else(|| entry.found.clone());
        Ok(is)
    }

    /// After a 401: whether there are better credentials now for another try.
    async fn log_in(&self, response: &Response, entry: &mut Entry, url: &Url) -> Result<bool, Trouble> {
        let Some(challenge) = Challenge::of(response.headers()) else { return Ok(false) };
        if !same_origin(&self.client.base(&self.repository)?, response.url()) {
            return Ok(false);
        }
        let better = match (entry.pass.issued, &entry.pass.header) {
            // The registry refused a new token, so we do not have the rights: do not retry.
            (Some(issued), _) if issued >= entry.began => self.renew(entry).await?,
            (Some(issued), _) => {
                self.client.tokens().forget(self.need(entry), issued).await;
                true
            }
            (None, Some(_)) => self.renew(entry).await?,
            (None, None) => true,
        };
        if !better {
            return Ok(false);
        }
        self.client.tokens().learn(&self.repository, challenge);
        self.show(entry, url).await?;
        Ok(entry.pass.header.is_some())
    }

    /// Sends a call and follows redirects. Credentials are sent only to the registry.
    async fn follow(&self, call: &Call, asked: &Asked, url: Url, pass: &Pass) -> Result<Response, Trouble> {
        let base = self.client.base(&self.repository)?;
        let (mut call, mut at) = (call.clone(), url);
        for _ in 0..=REDIRECTS {
            let mut request = Request::new(call.method.clone(), at.clone());
            *request.headers_mut() = call.headers.clone();
            if same_origin(&base, &at) {
                authorize(&mut request, pass);
            }
            if !call.body.is_empty() {
                *request.body_mut() = Some(call.body.clone().into());
            }
            let response = execute(&self.client, asked, request).await?;
            let Some(next) = self.redirect(asked, &call.method, &response)? else { return Ok(response) };
            if response.status() == StatusCode::SEE_OTHER {
                call.see_other();
            }
            at = next;
        }
        Err(too_many_redirects(asked).into())
    }

    /// The target of a redirect. `None` if the answer is final. All redirects keep the method, except 303 (RFC 9110,
    /// section 15.4): a registry that has moved wants the same request there.
    pub(super) fn redirect(
        &self,
        asked: &Asked,
        method: &Method,
        response: &Response,
    ) -> Result<Option<Url>, OciError> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(next) = self.next_place(response)? else { return Ok(None) };
        let reads =
            [Method::GET, Method::HEAD].contains(method) || response.status() == StatusCode::SEE_OTHER;
        let plain = next.scheme() == "http" && response.url().scheme() == "http";
        if next.scheme() == "https" || (plain && (reads || self.client.trusts(&next))) {
            return Ok(Some(next));
        }
        let reason = format!("it redirects to {}://{} without TLS", next.scheme(), authority(&next));
        Err(OciError::Nonsense { asked: Box::new(asked.clone()), reason })
    }

    /// Where an upload continues.
    pub(super) fn upload_place(&self, response: &Response) -> Result<Option<Url>, OciError> {
        let Some(place) = self.next_place(response)? else { return Ok(None) };
        let base = self.client.base(&self.repository)?;
        let downgrade = base.scheme() == "https" && place.scheme() != "https";
        if downgrade || !self.client.trusts(&place) {
            let to = format!("{}://{}", place.scheme(), authority(&place));
            return Err(OciError::Insecure { registry: self.repository.registry().to_owned(), to });
        }
        Ok(Some(place))
    }

    /// The URL that an answer names. Behind a proxy, a registry may not know that clients use TLS. On its own host,
    /// our scheme and port are correct.
    fn next_place(&self, response: &Response) -> Result<Option<Url>, OciError> {
        let Some(mut place) = location(response) else { return Ok(None) };
        let base = self.client.base(&self.repository)?;
        if base.scheme() == "https" && place.scheme() == "http" && base.host_str() == place.host_str() {
            // Setting the scheme of such a URL cannot fail.
            let _ = place.set_scheme("https");
            let _ = place.set_port(base.port());
        }
        Ok(Some(place))
    }
}

/// `Retry-After` of an answer, for callers that decide themselves.
pub(super) fn again_after(response: &Response) -> Again {
    Again::After(retry_after(response.headers()))
}

pub(super) fn too_many_redirects(asked: &Asked) -> OciError {
    let reason = format!("it redirects more than {REDIRECTS} times");
    OciError::Nonsense { asked: Box::new(asked.clone()), reason }
}

fn authorize(request: &mut Request, pass: &Pass) {
    if let Some(header) = &pass.header {
        request.headers_mut().insert(AUTHORIZATION, header.clone());
    }
}

fn location(response: &Response) -> Option<Url> {
    let text = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(text).ok()
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}
