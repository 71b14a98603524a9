//! Tokens of registries: requested once per scope, and kept until they expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex as Gate;
use tokio::time::Instant;

use super::challenge::{Challenge, Scope, TokenServer};
use super::client::Client;
use super::credentials::Credentials;
use super::error::{Asked, OciError, Trouble};
use super::lenient::optional;
use super::origin::Found;
use super::realm;
use super::reference::Repository;
use super::transport::{body_of, execute, refusal};
use crate::logins::auth;
use sys::http;
use sys::sync::Mutex;
use workflow_commands::Secret;

/// The lifetime of a token without one (distribution's token specification).
const DEFAULT_LIFE: Duration = Duration::from_mins(1);

/// The longest plausible lifetime.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// The largest answer of a token server, in bytes.
const LARGEST_ANSWER: u64 = 1024 * 1024;

/// A token with its expiry.
#[derive(Debug, Clone)]
struct Token {
    text: Secret,
    issued: Instant,
    until: Instant,
}

/// Tokens differ by what they allow and by who they were issued to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    registry: String,
    account: Option<(String, Secret)>,
    scope: Scope,
}

/// The authentication of each registry, and its tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    challenges: Mutex<HashMap<String, Challenge>>,
    tokens: Mutex<HashMap<Key, Arc<Gate<Option<Token>>>>>,
}

/// The credentials in a request.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) header: Option<HeaderValue>,
    /// When the token was issued. If a new token is refused, another one does not help.
    pub(super) issued: Option<Instant>,
}

/// What a token is needed for, and who needs it.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) repository: &'a Repository,
    pub(super) found: &'a Found,
    pub(super) scope: &'a Scope,
}

impl Tokens {
    /// Remembers how a registry authenticates its clients.
    pub(super) fn learn(&self, repository: &Repository, challenge: Challenge) {
        let mut known = self.challenges.lock();
        known.insert(repository.registry().to_owned(), challenge);
    }

    /// Removes a token that the registry no longer accepts.
    pub(super) async fn forget(&self, need: Need<'_>, issued: Instant) {
        let gate = self.gate(need);
        let mut token = gate.lock().await;
        if token.as_ref().is_some_and(|token| token.issued == issued) {
            *token = None;
        }
    }

    fn gate(&self, need: Need<'_>) -> Arc<Gate<Option<Token>>> {
        let account = match &need.found.credentials {
            Some(Credentials::Password { username, password }) => Some((username.clone(), password.clone())),
            Some(Credentials::Identity(secret) | Credentials::Bearer(secret)) => {
                Some((String::new(), secret.clone()))
            }
            None => None,
        };
        let key = Key { registry: need.repository.registry().to_owned(), account, scope: need.scope.clone() };
        let mut tokens = self.tokens.lock();
        Arc::clone(tokens.entry(key).or_default())
    }

    /// The credentials for a request.
    pub(super) async fn pass(&self, client: &Client, need: Need<'_>) -> Result<Pass, Trouble> {
        let credentials = &need.found.credentials;
        if let Some(Credentials::Bearer(token)) = credentials {
            return Ok(Pass { header: Some(bearer(token)?), issued: None });
        }
        let known = {
            let known = self.challenges.lock();
            known.get(need.repository.registry()).cloned()
        };
        match (known, credentials) {
            (Some(Challenge::Bearer(server)), _) => {
                let gate = self.gate(need);
                // The first caller requests a token, and the others wait for it.
                let mut kept = gate.lock().await;
                let kept_token = kept.take().filter(|token| Instant::now() < token.until);
                let token = if let Some(token) = kept_token {
                    token
                } else {
                    let new = fetch(client, need, &server).await?;
                    client.settings().secrets.mask(&new.text);
                    new
                };
                *kept = Some(token.clone());
                Ok(Pass { header: Some(bearer(&token.text)?), issued: Some(token.issued) })
            }
            (Some(Challenge::Basic), Some(Credentials::Password { username, password })) => {
                Ok(Pass { header: Some(basic(username, password)?), issued: None })
            }
            _ => Ok(Pass { header: None, issued: None }),
        }
    }
}

/// The answer of a token server.
#[derive(Deserialize)]
struct Issued {
    #[serde(default, deserialize_with = "optional")]
    token: String,
    #[serde(default, deserialize_with = "optional")]
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

async fn fetch(client: &Client, need: Need<'_>, server: &TokenServer) -> Result<Token, Trouble> {
    let Need { repository, found, scope } = need;
    let (place, service) = (server.realm.as_str(), server.service.as_deref());
    let asked = Asked {
        repository: repository.clone(),
        text: format!("GET a token for {scope} at {}", repository.registry()),
    };
    let nonsense = |reason: String| OciError::Nonsense { asked: Box::new(asked.clone()), reason };
    let mut url = Url::parse(place)
        .or_else(|_| {
            client.base(repository).map(|base| base.join(place))?.map_err(|_| nonsense(String::new()))
        })
        .map_err(|_| nonsense("the place that it names for tokens is no URL".to_owned()))?;
    realm::check(client, repository, &url)?;
    let mut request = if let Some(Credentials::Identity(refresh)) = &found.credentials {
        let mut form = Url::parse("form:").map_err(|error| OciError::Setup(error.to_string()))?;
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "p2p")
            .append_pair("service", service.unwrap_or_default())
            .append_pair("scope", &scope.to_string())
            .append_pair("refresh_token", refresh.expose());
        let mut request = reqwest::Request::new(Method::POST, url);
        let body = form.query().unwrap_or_default().to_owned();
        *request.body_mut() = Some(body.into());
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request
    } else {
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service.to_owned())))
            .extend_pairs(scope.parameters().map(|scope| ("scope", scope)));
        reqwest::Request::new(Method::GET, url)
    };
    if let Some(Credentials::Password { username, password }) = &found.credentials {
        request.headers_mut().insert(AUTHORIZATION, basic(username, password)?);
    }
    // The lifetime starts before the request, so the token never expires earlier than expected.
    let issued = Instant::now();
    let response = execute(client, &asked, request).await?;
    if !response.status().is_success() {
        return Err(refusal(&asked, response, &found.origin).await);
    }
    let body = body_of(client, &asked, response, LARGEST_ANSWER).await?;
    let answer: Issued =
        serde_json::from_slice(&body).map_err(|_| nonsense("it is not a token in JSON".to_owned()))?;
    let text = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if text.is_empty() {
        return Err(nonsense("it holds no token".to_owned()).into());
    }
    let life = life(&answer.expires_in);
    let until = issued + life - (life / 4).min(Duration::from_secs(10));
    Ok(Token { text: Secret::new(text), issued, until })
}

/// The lifetime in the server's answer, in seconds: a number, or a text with one.
fn life(message: &Value) -> Duration {
    let seconds = match message {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.map_or(DEFAULT_LIFE, |seconds| {
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE)
    })
}

fn bearer(token: &Secret) -> Result<HeaderValue, OciError> {
    http::bearer(token).ok_or_else(no_header)
}

fn basic(username: &str, password: &Secret) -> Result<HeaderValue, OciError> {
    http::sensitive(&format!("Basic {}", auth(username, password.expose()))).ok_or_else(no_header)
}

fn no_header() -> OciError {
    OciError::Setup("a registry token has characters that no header may have".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_what_the_server_says_within_reason() {
        let of = |message: &str| life(&serde_json::from_str::<Value>(message).unwrap_or_default());
        for message in [
            "null", "0", "-1", "-0.5", "\"\"", "\"soon\"", "\"-7\"", "\"NaN\"", "\"inf\"", "{}", "[300]",
            "true",
        ] {
            assert_eq!(of(message), DEFAULT_LIFE, "{message}");
        }
        for message in ["300", "300.0", "\"300\"", "\" 300 \"", "3e2", "\"300.0\""] {
            assert_eq!(of(message), Duration::from_mins(5), "{message}");
        }
        assert_eq!(of("299.5"), Duration::from_millis(299_500));
        for message in ["18446744073709551615", "1e99", "\"1e30\"", "86401"] {
            assert_eq!(of(message), LONGEST_LIFE, "{message}");
        }
    }
}
