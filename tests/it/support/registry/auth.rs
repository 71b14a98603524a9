//! Who may do what: Basic, or Bearer with tokens that this registry issues itself
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use ::registry::Body;
use ::sys::sync::Mutex;
use ::workflow_commands::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::refusal;

/// How requests prove who they are from.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    /// User and password with each request.
    Basic(Vec<Account>),
    /// User and password get a token at `/token`, and requests carry the token.
    Token {
        /// Who may get tokens.
        accounts: Vec<Account>,
        /// How long a token is good for.
        lifetime: Duration,
    },
}

/// Somebody and their rights. A right is the name of a repository, which covers those below it, or `""`,
/// which covers all. An account without a user name is everybody who names none.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The user name.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret,
    /// What they may read.
    pub(crate) pull: Vec<String>,
    /// What they may write to and delete.
    pub(crate) push: Vec<String>,
}

impl Account {
    /// An account that may do everything.
    pub(crate) fn of_all(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password, pull: vec![String::new()], push: vec![String::new()] }
    }

    fn may(&self, access: &Access) -> bool {
        let covers = |right: &String| {
            let rest = access.name.strip_prefix(right.as_str());
            right.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match access.action.as_str() {
            "pull" => self.pull.iter().any(covers),
            "push" | "delete" => self.push.iter().any(covers),
            // The catalogue lists everything.
            _ => self.pull.iter().any(String::is_empty),
        }
    }
}

/// One action on one resource: `repository:<name>:pull`, `push`, `delete`, or `registry:catalog:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    kind: String,
    name: String,
    action: String,
}

impl Access {
    fn repository(name: &str, action: &str) -> Self {
        Self { kind: "repository".to_owned(), name: name.to_string(), action: action.to_owned() }
    }

    /// Reads a scope, which may name several actions.
    fn parse(scope: &str) -> Vec<Self> {
        let Some((kind, rest)) = scope.split_once(':') else { return Vec::new() };
        let Some((name, actions)) = rest.rsplit_once(':') else { return Vec::new() };
        let access =
            |action: &str| Self { kind: kind.to_owned(), name: name.to_owned(), action: action.to_owned() };
        actions.split(',').map(access).collect()
    }
}

/// What a request needs. Writing needs reading too, and a mount reading its source, as in Distribution.
fn needs(parts: &Parts) -> Vec<Access> {
    let path = parts.uri.path();
    if path == "/v2/_catalog" {
        return Access::parse("registry:catalog:*");
    }
    let kinds = ["/tags/", "/manifests/", "/blobs/", "/referrers/"];
    let end = kinds.iter().filter_map(|kind| path.rfind(kind)).max();
    let Some(repository) = end.and_then(|end| path[..end].strip_prefix("/v2/")) else { return Vec::new() };
    let rest = path.strip_prefix("/v2/").and_then(|path| path.strip_prefix(repository)).unwrap_or_default();
    let upload = rest.strip_prefix("/blobs/uploads/").is_some_and(|id| !id.is_empty());
    let actions: &[&str] = match parts.method {
        Method::GET | Method::HEAD => &["pull"],
        Method::DELETE if !upload => &["delete"],
        _ => &["pull", "push"],
    };
    let mut needs: Vec<Access> =
        actions.iter().map(|action| Access::repository(repository, action)).collect();
    let query = query(parts);
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    if rest == "/blobs/uploads/" && value("mount").is_some() {
        needs.extend(value("from").map(|from| Access::repository(from, "pull")));
    }
    needs
}

/// The decoded pairs of the query.
fn query(parts: &Parts) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://registry/?{}", parts.uri.query().unwrap_or_default()));
    url.unwrap().query_pairs().into_owned().collect()
}

fn header(parts: &Parts) -> Option<&str> {
    parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

/// The guard at the door.
#[derive(Debug)]
pub(super) struct Guard {
    auth: Auth,
    address: SocketAddr,
    tokens: Mutex<HashMap<String, Grant>>,
}

#[derive(Debug)]
struct Grant {
    until: Instant,
    access: Vec<Access>,
}

impl Guard {
    /// A guard of the registry at `address`.
    pub(super) fn new(auth: Auth, address: SocketAddr) -> Self {
        Self { auth, address, tokens: Mutex::default() }
    }

    /// Lets a request pass, or says what it lacks.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Box<Response<Body>>> {
        let (needs, header) = (needs(parts), header(parts));
        match &self.auth {
            Auth::Basic(accounts) => {
                let account =
                    account(accounts, header).ok_or_else(|| Box::new(self.challenge(&needs, None)))?;
                if needs.iter().all(|access| account.may(access)) {
                    return Ok(());
                }
                Err(Box::new(refusal(StatusCode::FORBIDDEN, "DENIED", "this account lacks the rights")))
            }
            Auth::Token { .. } => {
                let token = header.and_then(bearer).ok_or_else(|| Box::new(self.challenge(&needs, None)))?;
                let tokens = self.tokens.lock();
                let grant = tokens.get(token).filter(|grant| Instant::now() < grant.until);
                let grant = grant.ok_or_else(|| Box::new(self.challenge(&needs, Some("invalid_token"))))?;
                if needs.iter().all(|access| grant.access.contains(access)) {
                    return Ok(());
                }
                Err(Box::new(self.challenge(&needs, Some("insufficient_scope"))))
            }
        }
    }

    /// The 401 that a request without credentials gets.
    pub(super) fn unauthorized(&self, parts: &Parts) -> Response<Body> {
        self.challenge(&needs(parts), Some("invalid_token"))
    }

    /// `GET /token`: a token with those of the asked scopes that the account has rights to.
    pub(super) fn token(&self, parts: &Parts) -> Response<Body> {
        let Auth::Token { accounts, lifetime } = &self.auth else {
            return refusal(StatusCode::NOT_FOUND, "UNSUPPORTED", "this registry issues no tokens");
        };
        if parts.method != Method::GET {
            return refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "this method is not supported here",
            );
        }
        let Some(account) = account(accounts, header(parts)) else { return basic() };
        let query = query(parts);
        let scopes = query.iter().filter(|(key, _)| key == "scope");
        let asked = scopes.flat_map(|(_, scopes)| scopes.split(' ')).flat_map(Access::parse);
        let access = asked.filter(|access| account.may(access)).collect();
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).unwrap();
        let token = STANDARD.encode(bytes);
        let now = Instant::now();
        let mut tokens = self.tokens.lock();
        tokens.retain(|_, grant| now < grant.until);
        tokens.insert(token.clone(), Grant { until: now + *lifetime, access });
        // Zero would be read as absent, which means a minute.
        let seconds = lifetime.as_secs().max(1);
        let answer = json!({"token": token, "access_token": token, "expires_in": seconds});
        super::json(StatusCode::OK, &answer)
    }

    fn challenge(&self, needs: &[Access], error: Option<&str>) -> Response<Body> {
        if matches!(self.auth, Auth::Basic(_)) {
            return basic();
        }
        let address = self.address;
        let mut text = format!("Bearer realm=\"http://{address}/token\",service=\"{address}\"");
        let mut scopes: Vec<String> = Vec::new();
        for access in needs {
            let resource = format!("{}:{}:", access.kind, access.name);
            match scopes.iter_mut().find(|scope| scope.starts_with(&resource)) {
                Some(scope) => *scope = format!("{scope},{}", access.action),
                None => scopes.push(resource + &access.action),
            }
        }
        // Writing to a string never fails.
        if !scopes.is_empty() {
            let _ = write!(text, ",scope=\"{}\"", scopes.join(" "));
        }
        if let Some(error) = error {
            let _ = write!(text, ",error=\"{error}\"");
        }
        let message = error.unwrap_or("authentication is required");
        challenged(message, &text)
    }
}

/// The challenge for user and password.
pub(super) fn basic() -> Response<Body> {
    challenged("user and password are required", "Basic realm=\"registry\"")
}

fn challenged(message: &str, challenge: &str) -> Response<Body> {
    let mut response = refusal(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
    response
}

/// The account that a request names, with the right password; without a header, everybody's.
fn account<'a>(accounts: &'a [Account], header: Option<&str>) -> Option<&'a Account> {
    let (user, password) = match header {
        None => (String::new(), String::new()),
        Some(header) => {
            let (scheme, text) = header.split_once(' ')?;
            if !scheme.eq_ignore_ascii_case("basic") {
                return None;
            }
            let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
            let (user, password) = text.split_once(':')?;
            (user.to_owned(), password.to_owned())
        }
    };
    accounts.iter().find(|account| {
        account.user == user && (user.is_empty() && header.is_none() || account.password.expose() == password)
    })
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
