//! GitHub's token endpoint and Google Cloud on loopback: the token service, the service account
//! credentials API, the Kubernetes Engine API, the Key Management Service. Strict: what the real ones would not take, it refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::sys::retry::Retrying;
use ::workflow_commands::{Secret, Secrets};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p2p::edges::google::{Endpoints, Federation, FederationSettings, IdTokenRequest, Identity, Role};
use serde_json::{Value as Json, json};

use super::kms::Kms;
use super::server::{Reply, Seen, Server};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Google, and GitHub's part in it; it stops when dropped.
pub(crate) struct Google {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    request_token: &'static str,
    /// What GitHub says of the job.
    claims: Json,
    /// The provider that each service account trusts.
    accounts: BTreeMap<String, String>,
    clusters: BTreeMap<String, Json>,
    kms: Kms,
    /// How long an access token lives.
    life: Duration,
    /// Every token that was ever issued.
    issued: BTreeMap<String, Issued>,
}

#[derive(Clone)]
struct Issued {
    kind: Kind,
    /// The audience, the provider or the account.
    of: String,
    ends: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Job,
    Federated,
    Access,
}

/// The provider of a tenant's pool in the project of that number.
pub(crate) fn provider(number: u32, tenant: &str) -> String {
    format!("projects/{number}/locations/global/workloadIdentityPools/p2p-{tenant}/providers/p2p-{tenant}")
}

/// The account of a tenant in a project.
pub(crate) fn account(project: &str, tenant: &str) -> String {
    format!("p2p-{tenant}@{project}.iam.gserviceaccount.com")
}

/// The tenant `shop` in a project, as contract §4 names it.
pub(crate) fn shop(role: Role, project: &str, number: u32) -> Identity {
    Identity::new(role, &provider(number, "shop"), &account(project, "shop")).unwrap()
}

impl Google {
    /// Knows no account and no cluster.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            request_token: "request-token-of-the-job",
            claims: json!({
                "iss": "https://token.actions.githubusercontent.com", "jti": "never-shown",
                "repository": "acme/shop", "ref": "refs/heads/main", "environment": "gcp-dev",
                "sub": "repo:acme/shop:environment:gcp-dev",
                "job_workflow_ref": "acme/shop/.github/workflows/p2p.yaml@refs/heads/main",
            }),
            accounts: BTreeMap::new(),
            clusters: BTreeMap::new(),
            kms: Kms::default(),
            life: Duration::from_hours(1),
            issued: BTreeMap::new(),
        }));
        let shared = Arc::clone(&state);
        let server = Server::start(None, move |seen| shared.lock().unwrap().answer(seen));
        Self { server, state }
    }

    /// One that knows the tenant `shop` in a project.
    pub(crate) fn with(self, project: &str, number: u32) -> Self {
        self.state.lock().unwrap().accounts.insert(account(project, "shop"), provider(number, "shop"));
        self
    }

    /// A cluster, as the API describes it.
    pub(crate) fn cluster(&self, project: &str, location: &str, name: &str, described: Json) {
        let path = format!("projects/{project}/locations/{location}/clusters/{name}");
        self.state.lock().unwrap().clusters.insert(path, described);
    }

    /// Changes the Key Management Service.
    pub(crate) fn kms(&self, change: impl FnOnce(&mut Kms)) {
        change(&mut self.state.lock().unwrap().kms);
    }

    /// How long access tokens live from now on.
    pub(crate) fn life(&self, life: Duration) {
        self.state.lock().unwrap().life = life;
    }

    /// The server: its log, faults and delays.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The base URL of everything.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The variables that a job with `id-token: write` has.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/oidc?api-version=2.0", self.url())),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", self.state.lock().unwrap().request_token.to_owned()),
        ]
    }

    /// Settings of a federation with it; secrets are not told.
    pub(crate) fn settings(&self) -> FederationSettings {
        let env = self.variables().into_iter().collect();
        FederationSettings {
            endpoints: Endpoints::default().at(&self.url()),
            request: IdTokenRequest::of(&env),
            fork: false,
            retrying: Retrying::default(),
            secrets: Secrets::default(),
        }
    }

    /// A federation with it.
    pub(crate) fn federation(&self) -> Federation {
        Federation::new(self.settings()).unwrap()
    }

    /// Whether a token is an access token that has not ended, for the APIs that take them.
    pub(crate) fn accepts(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |token| state.lock().unwrap().valid(token, Kind::Access).is_some()
    }

    /// The account whose access token this is, while it is good.
    pub(crate) fn owner(&self) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |token| Some(state.lock().unwrap().valid(token, Kind::Access)?.of.clone())
    }

    /// Every secret that ever went over the wire.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.issued.keys().cloned().chain([state.request_token.to_owned()]).collect()
    }

    /// How often each kind of request came: `GET /oidc` 2.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.server.requests().iter().filter(|seen| seen.line().starts_with(line)).count()
    }
}

/// An error as most services give it.
pub(crate) fn refusal(code: u16, status: &str, message: &str) -> Reply {
    Reply::json(code, &json!({"error": {"code": code, "message": message, "status": status}}))
}

/// An error as the token service gives it.
pub(crate) fn exchange_refusal(error: &str, description: &str) -> Reply {
    Reply::json(400, &json!({"error": error, "error_description": description}))
}

impl State {
    fn valid(&self, token: &str, kind: Kind) -> Option<&Issued> {
        self.issued.get(token).filter(|issued| issued.kind == kind && Instant::now() < issued.ends)
    }

    fn issue(&mut self, token: String, kind: Kind, of: &str, life: Duration) -> String {
        let issued = Issued { kind, of: of.to_owned(), ends: Instant::now() + life };
        self.issued.insert(token.clone(), issued);
        token
    }

    fn answer(&mut self, seen: &Seen) -> Reply {
        if let Some(path) = seen.path.strip_prefix("/v1/projects/-/serviceAccounts/") {
            return match (seen.method.as_str(), path.strip_suffix(":generateAccessToken")) {
                ("POST", Some(account)) => self.impersonate(seen, account),
                _ => refusal(404, "NOT_FOUND", "no such method"),
            };
        }
        let account = self.valid(seen.bearer(), Kind::Access).map(|issued| issued.of.as_str());
        if let Some(reply) = self.kms.answer(seen, account) {
            return reply;
        }
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", "/oidc") => self.id_token(seen),
            ("POST", "/v1/token") => self.exchange(seen),
            ("GET", path) if path.starts_with("/v1/projects/") => self.describe(seen),
            _ => refusal(404, "NOT_FOUND", "no such method"),
        }
    }

    fn id_token(&mut self, seen: &Seen) -> Reply {
        if seen.bearer() != self.request_token {
            return Reply::json(401, &json!({"message": "The request token is not this job's"}));
        }
        let audience = seen.parameter("audience").unwrap_or_default();
        if seen.parameter("api-version").as_deref() != Some("2.0") || !audience.starts_with("https://") {
            return Reply::json(400, &json!({"message": "Bad query"}));
        }
        let mut claims = self.claims.clone();
        claims["aud"] = json!(audience);
        claims["nonce"] = json!(self.issued.len());
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let token = format!("eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl");
        let value = self.issue(token, Kind::Job, &audience, Duration::from_mins(5));
        Reply::json(200, &json!({ "value": value }))
    }

    fn exchange(&mut self, seen: &Seen) -> Reply {
        let body = seen.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (audience, subject) = (text("audience"), text("subjectToken"));
        let expected = json!({
            "audience": audience,
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "scope": SCOPE,
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            "subjectToken": subject,
        });
        if body != expected || seen.header("content-type") != "application/json" {
            return exchange_refusal("invalid_request", "not the documented request");
        }
        let provider = audience.strip_prefix("//iam.googleapis.com/").unwrap_or_default().to_owned();
        if !self.accounts.values().any(|known| *known == provider) {
            return exchange_refusal(
                "invalid_target",
                "The target service indicated by the \"audience\" parameters is invalid. This might either be because \
                 the pool or provider is disabled or deleted or because it doesn't exist.",
            );
        }
        if self.valid(&subject, Kind::Job).is_none_or(|issued| issued.of != format!("https:{audience}")) {
            return exchange_refusal("invalid_grant", "The audience in ID Token does not match.");
        }
        let number = self.issued.len();
        let token = format!("federated-{number}-of-{}", provider.replace('/', "-"));
        let token = self.issue(token, Kind::Federated, &provider, Duration::from_hours(1));
        Reply::json(
            200,
            &json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}),
        )
    }

    fn impersonate(&mut self, seen: &Seen, account: &str) -> Reply {
        let Some(provider) = self.valid(seen.bearer(), Kind::Federated).map(|issued| issued.of.clone())
        else {
            return refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        };
        let body = seen.json();
        let (hour, less) =
            (json!({"scope": [SCOPE], "lifetime": "3600s"}), json!({"scope": [SCOPE], "lifetime": "3300s"}));
        if body != hour && body != less {
            return refusal(400, "INVALID_ARGUMENT", "not the documented request");
        }
        match self.accounts.get(account) {
            None => {
                return refusal(
                    404,
                    "NOT_FOUND",
                    &format!("Not found; Gaia id not found for email {account}"),
                );
            }
            Some(trusted) if *trusted != provider => {
                let denied = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
                return refusal(403, "PERMISSION_DENIED", denied);
            }
            Some(_) => {}
        }
        let token = format!("ya29.{}-{account}", self.issued.len());
        let token = self.issue(token, Kind::Access, account, self.life);
        let expires = jiff::Timestamp::now() + self.life;
        Reply::json(200, &json!({"accessToken": token, "expireTime": expires.to_string()}))
    }

    fn describe(&self, seen: &Seen) -> Reply {
        let Some(issued) = self.valid(seen.bearer(), Kind::Access) else {
            return refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        };
        let path = seen.path.trim_start_matches("/v1/");
        let project = path.split('/').nth(1).unwrap_or_default();
        if !issued.of.contains(&format!("@{project}.")) {
            let denied = format!("Required \"container.clusters.get\" permission(s) for \"{path}\".");
            return refusal(403, "PERMISSION_DENIED", &denied);
        }
        match self.clusters.get(path) {
            Some(described) => Reply::json(200, described),
            None => refusal(404, "NOT_FOUND", &format!("Not found: {path}.")),
        }
    }
}

/// A settings' secrets, gathered.
pub(crate) fn gather() -> (Secrets, Arc<Mutex<Vec<String>>>) {
    let message: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&message);
    (Secrets::new(move |secret: &Secret| into.lock().unwrap().push(secret.expose().to_owned())), message)
}
