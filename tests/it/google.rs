//! Federation with Google Cloud, against a loopback one that is as strict as the real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::sys::error::Failure;
use ::sys::retry::Retrying;
use ::sys::retry::{Policy, Retry, Watcher};
use ::sys::world::Env;
use p2p::edges::google::{
    ClusterName, Federation, FederationSettings, GoogleError, Identity, Renewer, Role, Token,
};
use p2p::edges::kube::{Api, Kubeconfig, Permission};
use p2p::inputs::ClusterEndpoint;
use serde_json::{Value as Json, json};
use tokio::process::{Child, Command};

use crate::support::google::{Google, exchange_refusal, gather, provider, refusal, shop};
use crate::support::kube::Cluster;
use crate::support::server::{Reply, Seen, longest_chain};
use crate::support::tools::tool;

const EXCHANGE: &str = "POST /v1/token";
const GENERATE: &str = "POST /v1/projects/-/serviceAccounts/";

fn google() -> Google {
    Google::start().with("acme-dev", 42).with("acme-prod", 77)
}

fn own() -> Identity {
    shop(Role::Own, "acme-dev", 42)
}

/// Retries without long waits, and what the watcher was told.
fn quick() -> (Retrying, Arc<Mutex<Vec<Retry>>>) {
    let message: Arc<Mutex<Vec<Retry>>> = Arc::default();
    let into = Arc::clone(&message);
    let watcher = Watcher::new(move |again| into.lock().unwrap().push(again));
    let policy = Policy { attempts: 4, base: Duration::from_millis(1), ..Policy::default() };
    (Retrying { policy, watcher }, message)
}

fn impatient(google: &Google) -> (Federation, Arc<Mutex<Vec<Retry>>>) {
    let (retrying, message) = quick();
    (Federation::new(FederationSettings { retrying, ..google.settings() }).unwrap(), message)
}

fn lines(requests: &[Seen]) -> Vec<String> {
    requests.iter().map(Seen::line).collect()
}

fn shown(error: GoogleError) -> String {
    Failure::from(error).to_string()
}

#[tokio::test]
async fn a_token_takes_three_requests_and_is_kept() {
    let google = google();
    let (secrets, message) = gather();
    let federation = Federation::new(FederationSettings { secrets, ..google.settings() }).unwrap();
    let token = federation.token(&own()).await.unwrap();
    assert!(google.accepts()(token.secret().expose()));
    let account = format!("{GENERATE}p2p-shop@acme-dev.iam.gserviceaccount.com:generateAccessToken");
    assert_eq!(lines(&google.server().requests()), ["GET /oidc", EXCHANGE, &account]);
    // Every secret is masked before it is used; none but the request token, which is known before.
    let mut issued = google.secrets();
    let mut masked = message.lock().unwrap().clone();
    masked.push("request-token-of-the-job".to_owned());
    issued.sort();
    masked.sort();
    assert_eq!(masked, issued);
    let again = federation.token(&own()).await.unwrap();
    assert_eq!(again.secret(), token.secret());
    assert_eq!(google.server().requests().len(), 3);
    let debug = format!("{federation:?} {token:?} {:?}", google.settings());
    assert!(google.secrets().iter().all(|secret| !debug.contains(secret.as_str())), "{debug}");
}

#[tokio::test]
async fn however_many_ask_at_once_one_token_is_minted() {
    let google = google();
    google.server().delay(Duration::from_millis(20));
    let federation = google.federation();
    let identity = own();
    let all = futures_util::future::join_all((0..16).map(|_| federation.token(&identity))).await;
    let tokens: Vec<_> = all.into_iter().map(|token| token.unwrap().secret().expose().to_owned()).collect();
    assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(google.server().requests().len(), 3);
}

#[tokio::test]
async fn whoever_waited_for_a_try_shares_its_failure() {
    let google = google();
    google.server().delay(Duration::from_millis(20));
    google.server().fault(|seen| (seen.path == "/v1/token").then(|| exchange_refusal("invalid_target", "")));
    let federation = google.federation();
    let identity = own();
    let all = futures_util::future::join_all((0..16).map(|_| federation.token(&identity))).await;
    assert!(all.iter().all(|token| matches!(token, Err(GoogleError::UnknownProvider { .. }))));
    assert_eq!(google.count(EXCHANGE), 1);
    // Who asks later tries anew.
    google.server().fault(|_| None);
    federation.token(&identity).await.unwrap();
}

#[tokio::test]
async fn preflight_is_five_requests_deep_whatever_the_number_of_identities() {
    let google = google();
    let cluster = Cluster::start(&["shop"], bearer(&google));
    describe(&google, &cluster);
    for server in [google.server(), cluster.server()] {
        server.delay(Duration::from_millis(60));
    }
    let federation = google.federation();
    let directory = tempfile::tempdir().unwrap();
    let (own, source, destination) =
        (own(), shop(Role::Source, "acme-dev", 42), shop(Role::Destination, "acme-prod", 77));
    let reaching = async {
        let path = directory.path().join("token");
        federation.token(&own).await.unwrap().write(&path).unwrap();
        let kubeconfig = reach(&federation, &own, &path).await.for_target(None, None).unwrap();
        let api = Api::new(&kubeconfig, &Env::default(), Retrying::default()).unwrap();
        let actions = [Permission::create_subnamespaces("shop"), Permission::deploy("shop")];
        let checks = actions.iter().map(|action| api.check(action));
        futures_util::future::join_all(checks).await.into_iter().collect::<Result<(), _>>().unwrap();
    };
    let (source, destination, ()) =
        tokio::join!(federation.token(&source), federation.token(&destination), reaching);
    assert!(source.unwrap().secret() != destination.unwrap().secret(), "each side has its own");
    let requests = [google.server().requests(), cluster.server().requests()].concat();
    assert_eq!(requests.len(), 3 + 3 + 1 + 2, "source and own are one account");
    assert_eq!(longest_chain(&requests), 5);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_told() {
    for line in ["/oidc", "/v1/token", "/v1/projects/-/"] {
        for fault in ["408", "429", "500", "503", "hang up"] {
            let google = google();
            let mut left = 2;
            google.server().fault(move |seen| {
                if left == 0 || !seen.path.starts_with(line) {
                    return None;
                }
                left -= 1;
                Some(match fault.parse() {
                    Ok(status) => Reply::text(status, "<html>busy").header("retry-after", "0"),
                    Err(_) => Reply::hang_up(),
                })
            });
            let (federation, message) = impatient(&google);
            federation.token(&own()).await.unwrap_or_else(|error| panic!("{line} {fault}: {error}"));
            let message = message.lock().unwrap();
            assert_eq!(
                message.iter().map(|again| again.attempt).collect::<Vec<_>>(),
                [1, 2],
                "{line} {fault}"
            );
            assert!(message.iter().all(|again| again.of == 4 && !again.what.contains("eyJ")));
            assert!(
                fault == "hang up" || message.iter().all(|again| again.why.starts_with(fault)),
                "{message:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_else_is_tried_again() {
    for status in [400, 401, 403, 404, 409, 302] {
        for (path, line) in [("/oidc", "GET /oidc"), ("/v1/token", EXCHANGE), ("/v1/projects/-/", GENERATE)] {
            let google = google();
            google.server().fault(move |seen| seen.path.starts_with(path).then(|| Reply::text(status, "no")));
            let (federation, message) = impatient(&google);
            federation.token(&own()).await.unwrap_err();
            assert_eq!((google.count(line), message.lock().unwrap().len()), (1, 0), "{path} {status}");
        }
    }
}

#[tokio::test]
async fn patience_ends_and_says_so() {
    let google = google();
    google.server().fault(|seen| (seen.path == "/v1/token").then(|| Reply::text(503, "try later")));
    let (federation, _) = impatient(&google);
    let error = federation.token(&own()).await.unwrap_err();
    assert!(matches!(error, GoogleError::Unavailable { status: 503, attempts: 4, .. }), "{error:?}");
    // A wait that is longer than our patience is not begun.
    google.server().fault(|_| Some(Reply::text(429, "slow down").header("retry-after", "3600")));
    let error = federation.token(&own()).await.unwrap_err();
    assert!(matches!(error, GoogleError::Unavailable { status: 429, attempts: 1, .. }), "{error:?}");
    let url = google.url();
    drop(google);
    let gone = Google::start();
    let (retrying, _) = quick();
    let mut settings = FederationSettings { retrying, ..gone.settings() };
    settings.endpoints = settings.endpoints.at(&url);
    let error = Federation::new(settings).unwrap().token(&own()).await.unwrap_err();
    assert!(
        matches!(error, GoogleError::Unreachable { class: ::sys::http::Class::Refused, attempts: 4, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn each_class_of_refusal_is_told_apart() {
    let google = google();
    let federation = google.federation();
    let token = |identity: Identity| {
        let federation = federation.clone();
        async move { federation.token(&identity).await.unwrap_err() }
    };
    let stranger = shop(Role::Source, "acme-test", 5);
    assert!(matches!(token(stranger).await, GoogleError::UnknownProvider { .. }));
    let crossed = Identity::new(
        Role::Destination,
        &provider(42, "shop"),
        own().service_account().replace("dev", "prod").as_str(),
    );
    let crossed = token(crossed.unwrap()).await;
    assert!(
        matches!(&crossed, GoogleError::NotImpersonable { repository: Some(name), .. } if name == "acme/shop")
    );
    assert!(shown(crossed).contains("workloadIdentityPools/p2p-shop/attribute.repository/acme/shop"));
    let unknown =
        Identity::new(Role::Own, &provider(42, "shop"), "p2p-shop@acme-test.iam.gserviceaccount.com");
    assert!(matches!(token(unknown.unwrap()).await, GoogleError::NoAccount { .. }));

    google.server().fault(|seen| {
        (seen.path == "/v1/token").then(|| {
            exchange_refusal(
                "unauthorized_client",
                "The given credential is rejected by the attribute condition.",
            )
        })
    });
    let rejected = shown(token(own()).await);
    for claim in [
        "repository       = acme/shop",
        "environment      = gcp-dev",
        "sub              = repo:acme/shop:environment:gcp-dev",
    ] {
        assert!(rejected.contains(claim), "{rejected}");
    }
    assert!(!rejected.contains("eyJ") && !rejected.contains("never-shown"), "{rejected}");
}

#[tokio::test]
async fn without_id_token_nothing_is_sent() {
    let google = google();
    for fork in [false, true] {
        let settings = FederationSettings { request: None, fork, ..google.settings() };
        let federation = Federation::new(settings).unwrap();
        let error = federation.token(&own()).await.unwrap_err();
        assert_eq!(shown(error).contains("id-token: write"), !fork);
        let path = Path::new("/nonexistent/file");
        let error = federation.write_credential_file(&own(), path).unwrap_err();
        assert!(matches!(error, GoogleError::NoIdToken { .. }));
    }
    assert!(google.server().requests().is_empty());
}

#[tokio::test]
async fn an_hour_that_is_too_long_becomes_less() {
    let google = google();
    let too_long = "The access token lifetime cannot exceed 3600 seconds.";
    google.server().fault(move |seen| {
        (seen.json()["lifetime"] == "3600s").then(|| refusal(400, "INVALID_ARGUMENT", too_long))
    });
    let (federation, message) = impatient(&google);
    federation.token(&own()).await.unwrap();
    assert_eq!(google.count(GENERATE), 2);
    assert!(message.lock().unwrap()[0].why.contains("lifetime"));
    google.server().fault(move |seen| {
        seen.json()["lifetime"].is_string().then(|| refusal(400, "INVALID_ARGUMENT", too_long))
    });
    let error = impatient(&google).0.token(&own()).await.unwrap_err();
    assert!(matches!(error, GoogleError::Lifetime { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_is_minted_anew_before_it_ends_and_the_old_one_bridges_a_failure() {
    let google = google();
    google.life(Duration::from_secs(4));
    let (federation, _) = impatient(&google);
    let first = federation.token(&own()).await.unwrap();
    google.server().fault(|seen| (seen.path == "/v1/token").then(|| Reply::text(503, "down")));
    tokio::time::sleep_until(first.stale()).await;
    let bridged = federation.token(&own()).await.unwrap();
    assert_eq!(bridged.secret(), first.secret(), "still good, and no other can be had");
    assert_eq!(google.count(EXCHANGE), 1 + 4);
    google.server().fault(|_| None);
    let second = federation.token(&own()).await.unwrap();
    assert_ne!(second.secret(), first.secret());
    assert!(google.accepts()(first.secret().expose()), "it was renewed before its end");
}

#[tokio::test]
async fn a_token_that_is_still_good_keeps_nobody_waiting_for_the_next() {
    let google = google();
    google.life(Duration::from_secs(6));
    let (federation, _) = impatient(&google);
    let first = federation.token(&own()).await.unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    google.server().fault(move |seen| {
        if seen.path == "/v1/token" {
            let _ = held.lock().unwrap().recv();
        }
        None
    });
    tokio::time::sleep_until(first.stale()).await;
    let renewing = tokio::spawn({
        let federation = federation.clone();
        async move { federation.token(&own()).await.unwrap() }
    });
    while google.count(EXCHANGE) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(federation.token(&own()).await.unwrap().secret(), first.secret());
    assert!(!renewing.is_finished());
    drop(release);
    assert_ne!(renewing.await.unwrap().secret(), first.secret());
}

/// What gcloud, terraform and the client libraries do with the file.
#[tokio::test]
async fn the_credential_file_leads_to_a_token() {
    let google = google();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("credentials.json");
    google.federation().write_credential_file(&own(), &path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let file: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let text = |pointer: &str| file.pointer(pointer).and_then(Json::as_str).unwrap().to_owned();
    let client = ::sys::http::builder(true).build().unwrap();
    let answer = client.get(text("/credential_source/url"));
    let answer = answer.header("authorization", text("/credential_source/headers/Authorization"));
    let answer: Json = answer.send().await.unwrap().json().await.unwrap();
    let field = text("/credential_source/format/subject_token_field_name");
    let exchanged: Json = client
        .post(text("/token_url"))
        .json(&json!({
            "audience": text("/audience"),
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "subjectTokenType": text("/subject_token_type"),
            "subjectToken": answer[field],
        }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let generated: Json = client
        .post(text("/service_account_impersonation_url"))
        .bearer_auth(exchanged["access_token"].as_str().unwrap())
        .json(&json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(google.accepts()(generated["accessToken"].as_str().unwrap()));
}

#[tokio::test]
async fn clusters_that_are_not_there_or_not_ours_are_told_apart() {
    let google = google();
    let federation = google.federation();
    let name = |project: &str, cluster: &str| ClusterName {
        project: project.to_owned(),
        location: "europe-west2".to_owned(),
        cluster: cluster.to_owned(),
    };
    google.cluster("acme-dev", "europe-west2", "dev", json!({"endpoint": ""}));
    let own = own();
    let look = |project, cluster| {
        let name = name(project, cluster);
        let (federation, own) = (&federation, &own);
        async move { federation.cluster(own, &name, None).await.unwrap_err() }
    };
    assert!(matches!(look("acme-dev", "absent").await, GoogleError::NoCluster { .. }));
    assert!(matches!(look("acme-prod", "dev").await, GoogleError::ClusterForbidden { .. }));
    assert!(matches!(look("acme-dev", "dev").await, GoogleError::NoEndpoint { .. }));
    assert!(matches!(look("acme-dev", "../x").await, GoogleError::ClusterName { .. }));
    google.server().fault(|seen| {
        let details = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not enabled",
            "details": [{"reason": "SERVICE_DISABLED"}]}});
        (seen.method == "GET" && seen.path.contains("/clusters/")).then(|| Reply::json(403, &details))
    });
    assert!(matches!(look("acme-dev", "dev").await, GoogleError::Disabled { service: "container", .. }));
}

/// The cluster's check of a request's token.
fn bearer(google: &Google) -> impl Fn(&Seen) -> bool + Send + Sync + 'static {
    let accepts = google.accepts();
    move |seen| accepts(seen.bearer())
}

fn describe(google: &Google, cluster: &Cluster) {
    let described = json!({
        "endpoint": cluster.endpoint(),
        "masterAuth": {"clusterCaCertificate": cluster.authority_data()},
        "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": "gke-1.europe-west2.gke.goog"}},
    });
    google.cluster("acme-dev", "europe-west2", "dev", described);
}

/// A kubeconfig for the cluster `dev`, whose user's token is in a file.
async fn reach(federation: &Federation, identity: &Identity, token: &Path) -> Kubeconfig {
    let name =
        ClusterName { project: "acme-dev".into(), location: "europe-west2".into(), cluster: "dev".into() };
    let found = federation.cluster(identity, &name, None).await.unwrap();
    assert_eq!(found.endpoint, ClusterEndpoint::Public);
    let authority = found.certificate_authority.as_deref();
    Kubeconfig::with_token_file("gke_acme-dev_europe-west2_dev", &found.server, authority, token)
}

/// A target that reaches the cluster: its kubeconfig, and the token beside it, which is renewed.
struct Target {
    google: Google,
    cluster: Cluster,
    directory: tempfile::TempDir,
    /// The token that it began with.
    first: String,
    _renewer: Renewer,
}

impl Target {
    async fn start(life: Duration) -> Self {
        let google = google();
        google.life(life);
        let cluster = Cluster::start(&["shop-nft"], bearer(&google));
        describe(&google, &cluster);
        let federation = google.federation();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let written = path.clone();
        let on_token = move |token: &Token| Ok(token.write(&written)?);
        let renewer = federation.keep(own(), on_token, |failure| panic!("{failure}")).await.unwrap();
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let config = reach(&federation, &own(), &path).await.for_target(None, Some("shop-nft")).unwrap();
        config.write(&directory.path().join("kubeconfig")).unwrap();
        Self { google, cluster, directory, first, _renewer: renewer }
    }

    /// A program that finds the real kubectl in `KUBECTL`.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("KUBECTL", tool("kubectl"))
            .env("HOME", self.directory.path())
            .env("KUBECONFIG", self.directory.path().join("kubeconfig"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Whether config maps were asked for with such a token.
    fn uses(&self, token: impl Fn(&str) -> bool) -> bool {
        let seen = self.cluster.server().requests();
        seen.iter().any(|seen| seen.path.ends_with("/shop-nft/configmaps") && token(seen.bearer()))
    }

    /// Until it used another token than the first, which has ended by then.
    async fn uses_another(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.uses(|token| token != self.first) || self.google.accepts()(&self.first) {
            assert!(Instant::now() < deadline, "kubectl never came with the renewed token");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(self.uses(|token| token == self.first), "it began with the first token");
    }
}

async fn succeeds(child: Child) -> String {
    let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// Each kubectl of a target that asks again and again finds a token that is good.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_polls_outlives_its_token() {
    let target = Target::start(Duration::from_secs(5)).await;
    let script = r#"until "$KUBECTL" get configmaps -o 'jsonpath={.items[0].data.ready}' > out || exit 3
        grep -q yes out; do sleep 0.2; done"#;
    let mut command = target.command(Path::new("sh"));
    let polling = command.args(["-c", script]).current_dir(target.directory.path()).spawn().unwrap();
    target.uses_another().await;
    target.cluster.make_ready();
    succeeds(polling).await;
}

/// One kubectl goes on with the renewed token: client-go reads the file again every minute, so this
/// takes that long, and the old token must be good until then. It never hears a 401.
#[tokio::test(flavor = "multi_thread")]
async fn a_kubectl_that_watches_outlives_its_token() {
    let target = Target::start(Duration::from_mins(1)).await;
    let arguments = ["wait", "--for=jsonpath={.data.ready}=yes", "configmap/gate", "--timeout=120s", "-v=6"];
    let watching = target.command(&tool("kubectl")).args(arguments).spawn().unwrap();
    target.uses_another().await;
    target.cluster.make_ready();
    let message = succeeds(watching).await;
    assert!(message.contains("configmap/gate condition met"), "{message}");
    assert!(message.contains(" 200 OK ") && !message.contains(" 401 "), "{message}");
}
