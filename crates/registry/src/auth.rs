//! Who may do what: Basic, or Bearer with tokens that this registry issues itself
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::WWW_AUTHENTICATE;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::answer::{Answer, Refusal};
use super::names::Repository;
use super::query::Query;
use super::random::random_id;
use super::route::Route;
use sys::sync::Mutex;
use workflow_commands::Secret;

/// How requests prove who they are from.
#[derive(Debug, Clone)]
pub enum Auth {
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
pub struct Account {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// What they may read.
    pub pull: Vec<String>,
    /// What they may write to and delete.
    pub push: Vec<String>,
}

impl Account {
    /// An account that may do everything.
    pub fn of_all(user: impl Into<String>, password: Secret) -> Self {
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
    fn repository(name: &Repository, action: &str) -> Self {
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
fn needs(method: &Method, route: &Route, query: &Query) -> Vec<Access> {
    let repository = match route {
        Route::Base | Route::Token => return Vec::new(),
        Route::Catalog => return Access::parse("registry:catalog:*"),
        Route::Tags(name)
        | Route::Uploads(name)
        | Route::Referrers(name, _)
        | Route::Manifest(name, _)
        | Route::Blob(name, _)
        | Route::Upload(name, _) => name,
    };
    let upload = matches!(route, Route::Upload(..));
    let actions: &[&str] = match *method {
        Method::GET | Method::HEAD => &["pull"],
        Method::DELETE if !upload => &["delete"],
        _ => &["pull", "push"],
    };
    let mut needs: Vec<Access> =
        actions.iter().map(|action| Access::repository(repository, action)).collect();
    if matches!(route, Route::Uploads(_)) && query.get("mount").is_some() {
        needs.extend(
            query.get("from").and_then(Repository::parse).map(|from| Access::repository(&from, "pull")),
        );
    }
    needs
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
    pub(super) fn check(
        &self,
        header: Option<&str>,
        method: &Method,
        route: &Route,
        query: &Query,
    ) -> Result<(), Refusal> {
        let needs = needs(method, route, query);
        match &self.auth {
            Auth::Basic(accounts) => {
                let account = account(accounts, header).ok_or_else(|| self.challenge(&needs, None))?;
                if needs.iter().all(|access| account.may(access)) {
                    return Ok(());
                }
                Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", "this account lacks the rights"))
            }
            Auth::Token { .. } => {
                let token = header.and_then(bearer).ok_or_else(|| self.challenge(&needs, None))?;
                let tokens = self.tokens.lock();
                let grant = tokens.get(token).filter(|grant| Instant::now() < grant.until);
                let grant = grant.ok_or_else(|| self.challenge(&needs, Some("invalid_token")))?;
                if needs.iter().all(|access| grant.access.contains(access)) {
                    return Ok(());
                }
                Err(self.challenge(&needs, Some("insufficient_scope")))
            }
        }
    }

    /// The 401 that a request to `route` without credentials gets.
    pub(super) fn unauthorized(&self, method: &Method, route: &Route, query: &Query) -> Refusal {
        self.challenge(&needs(method, route, query), Some("invalid_token"))
    }

    /// `GET /token`: a token with those of the asked scopes that the account has rights to.
    pub(super) fn token(&self, header: Option<&str>, query: &Query) -> Result<Answer, Refusal> {
        let Auth::Token { accounts, lifetime } = &self.auth else {
            return Err(Refusal::unknown("UNSUPPORTED", "this registry issues no tokens"));
        };
        let account = account(accounts, header).ok_or_else(basic)?;
        let asked = query.all("scope").flat_map(|scopes| scopes.split(' ')).flat_map(Access::parse);
        let access = asked.filter(|access| account.may(access)).collect();
        let token = random_id()?;
        let now = Instant::now();
        let mut tokens = self.tokens.lock();
        tokens.retain(|_, grant| now < grant.until);
        tokens.insert(token.clone(), Grant { until: now + *lifetime, access });
        // Zero would be read as absent, which means a minute.
        let seconds = lifetime.as_secs().max(1);
        let answer = json!({"token": token, "access_token": token, "expires_in": seconds});
        Ok(Answer::new(StatusCode::OK).json(&answer))
    }

    fn challenge(&self, needs: &[Access], error: Option<&str>) -> Refusal {
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
        Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message).header(WWW_AUTHENTICATE, text)
    }
}

/// The challenge for user and password.
pub(super) fn basic() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "user and password are required")
        .header(WWW_AUTHENTICATE, "Basic realm=\"registry\"")
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
