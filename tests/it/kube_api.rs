//! What we ask the Kubernetes API ourselves, with whatever a kubeconfig says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::sys::error::Failure;
use ::sys::retry::Retrying;
use ::sys::retry::{Policy, Retry, Watcher};
use ::sys::world::Env;
use ::workflow_commands::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p2p::edges::kube::{
    Api, ApiError, Kubeconfig, Permission, Reach, SubnamespaceProgress, SubnamespaceStage,
};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::kube::{Cluster, Hnc, status};
use crate::support::server::{Reply, Seen, longest_chain};

const LIMIT: Duration = Duration::from_secs(20);

fn retrying() -> Retrying {
    let policy = Policy { attempts: 3, base: Duration::from_millis(1), ..Policy::default() };
    Retrying { policy, ..Retrying::default() }
}

/// The API with a cluster's and a user's entry of a kubeconfig.
fn api_of(cluster: &Json, user: &Json) -> Result<Api, ApiError> {
    let text = json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let config = Kubeconfig::of_input(&Secret::new(text.to_string()), Path::new("/")).unwrap();
    Api::new(&config.for_target(None, None).unwrap(), &Env::of_process(), retrying())
}

fn at(cluster: &Cluster) -> Json {
    json!({"server": cluster.url(), "certificate-authority-data": cluster.authority_data()})
}

fn api(cluster: &Cluster) -> Api {
    api_of(&at(cluster), &json!({"token": "good"})).unwrap()
}

fn takes_good(seen: &Seen) -> bool {
    seen.bearer() == "good"
}

fn cluster() -> Cluster {
    Cluster::start(&["shop", "shop-taken"], takes_good)
}

#[tokio::test]
async fn one_request_tells_whether_we_may_act() {
    let cluster = cluster();
    let api = api(&cluster);
    api.check(&Permission::create_subnamespaces("shop")).await.unwrap();
    assert_eq!(cluster.server().requests().len(), 1);
    cluster.deny("create deployments.apps");
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(matches!(error, ApiError::NotAllowed { .. }), "{error:?}");
    let error = api.check(&Permission::create_subnamespaces("elsewhere")).await.unwrap_err();
    assert!(error.to_string().contains("in the namespace elsewhere"), "{error}");
    let denied = "Permission 'container.clusters.connect' denied";
    cluster.server().fault(move |_| Some(status(403, "Forbidden", denied, &json!({}))));
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(matches!(&error, ApiError::Forbidden { answer, .. } if answer == denied), "{error:?}");
    cluster.server().fault(|_| Some(Reply::text(200, "<html>log in")));
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(matches!(error, ApiError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn every_way_of_logging_in_works() {
    let basic = format!("Basic {}", STANDARD.encode("anna:secret"));
    let cluster = Cluster::start(&["shop"], move |seen| {
        seen.bearer() == "good" || seen.header("authorization") == basic || seen.certified
    });
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = &cluster.client;
    let script = r#"echo '{"status":{"token":"good"}}'"#;
    let pems = json!({"status": {"clientCertificateData": certificate, "clientKeyData": key}});
    let users = [
        json!({"token": "good"}),
        json!({"tokenFile": file("token", "good\n"), "token": "bad"}),
        json!({"username": "anna", "password": "secret"}),
        json!({"client-certificate-data": STANDARD.encode(certificate), "client-key-data": STANDARD.encode(key)}),
        json!({"client-certificate": file("crt", certificate), "client-key": file("key", key)}),
        json!({"exec": {"command": "sh", "args": ["-c", script]}}),
        json!({"exec": {"command": "cat", "args": [file("credential", &pems.to_string())]}}),
    ];
    for user in users {
        let api = api_of(&at(&cluster), &user).unwrap();
        let checked = api.check(&Permission::deploy("shop")).await;
        checked.unwrap_or_else(|error| panic!("{user}: {error}"));
    }
    for user in [json!({}), json!({"token": "bad"}), json!({"username": "anna", "password": "guess"})] {
        let error =
            api_of(&at(&cluster), &user).unwrap().check(&Permission::deploy("shop")).await.unwrap_err();
        assert!(matches!(error, ApiError::Unauthorized { .. }), "{user}: {error:?}");
        assert!(!error.to_string().contains("guess"));
    }
}

#[tokio::test]
async fn a_token_file_is_read_again_and_a_program_run_again_when_refused() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let api = api_of(&at(&cluster), &json!({"tokenFile": path})).unwrap();
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    fs::write(&path, "old").unwrap();
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(error.to_string().contains("does not accept the token in"), "{error}");
    fs::write(&path, "good").unwrap();
    api.check(&Permission::deploy("shop")).await.unwrap();

    let script = directory.path().join("plugin");
    let message = format!(
        "#!/bin/sh\necho '{{\"status\":{{\"token\":\"'$(cat {0})'\"}}}}'\necho run >> {0}.runs\n",
        path.display()
    );
    fs::write(&script, message).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let runs = || fs::read_to_string(directory.path().join("token.runs")).unwrap().lines().count();
    let api = api_of(&at(&cluster), &json!({"exec": {"command": script}})).unwrap();
    api.check(&Permission::deploy("shop")).await.unwrap();
    api.check(&Permission::deploy("shop")).await.unwrap();
    assert_eq!(runs(), 1, "its token is kept");
    fs::write(&path, "bad").unwrap();
    cluster.server().fault(|_| Some(status(401, "Unauthorized", "Unauthorized", &json!({}))));
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(matches!(error, ApiError::Unauthorized { .. }), "{error:?}");
    assert_eq!(runs(), 2, "once more, and then no more");
}

#[tokio::test]
async fn certificates_are_checked_as_the_kubeconfig_says() {
    let cluster = cluster();
    let check = |entry: Json| async move {
        api_of(&entry, &json!({"token": "good"})).unwrap().check(&Permission::deploy("shop")).await
    };
    let stranger = Cluster::start(&[], takes_good);
    let wrong = json!({"server": cluster.url(), "certificate-authority-data": stranger.authority_data()});
    let error = check(wrong).await.unwrap_err();
    assert!(matches!(error, ApiError::Certificate { .. }), "{error:?}");
    let error = check(json!({"server": cluster.url()})).await.unwrap_err();
    assert!(
        matches!(error, ApiError::Certificate { .. }),
        "without an authority it must be public: {error:?}"
    );
    assert!(cluster.server().requests().is_empty(), "no token went to a stranger");
    check(json!({"server": cluster.url(), "insecure-skip-tls-verify": true})).await.unwrap();

    let tunnelled = Cluster::named("kubernetes.default", &["shop"], takes_good);
    let error = check(at(&tunnelled)).await.unwrap_err();
    assert!(matches!(error, ApiError::Certificate { .. }), "{error:?}");
    let mut named = at(&tunnelled);
    named["tls-server-name"] = json!("kubernetes.default");
    check(named).await.unwrap();
}

#[tokio::test]
async fn a_server_may_stand_below_a_path_and_know_whom_we_act_for() {
    let cluster = cluster();
    let mut entry = at(&cluster);
    entry["server"] = json!(format!("{}/k8s/clusters/c-1", cluster.url()));
    let api = api_of(&entry, &json!({"token": "good", "as": "tenant", "as-groups": ["team"]})).unwrap();
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(error.to_string().contains("/k8s/clusters/c-1"), "{error}");
    let seen = &cluster.server().requests()[0];
    assert_eq!(seen.path, "/k8s/clusters/c-1/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    assert_eq!((seen.header("impersonate-user"), seen.header("impersonate-group")), ("tenant", "team"));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_said_to_be_unreachable() {
    let cluster = cluster();
    let api = api(&cluster);
    drop(cluster);
    let error = api.check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable { reach: Reach::Refused, attempts: 3, .. }), "{error:?}");
}

/// With the patience of a run, and what the log is told.
fn patient(server: &str, message: &Arc<Mutex<Vec<Retry>>>) -> Api {
    let message = Arc::clone(message);
    let watcher = Watcher::new(move |again| message.lock().unwrap().push(again));
    let text = json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
    });
    let config = Kubeconfig::of_input(&Secret::new(text.to_string()), Path::new("/")).unwrap();
    Api::new(&config, &Env::of_process(), Retrying { policy: Policy::default(), watcher }).unwrap()
}

/// Time is paused, and passes while nothing happens.
#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_gets_all_tries_and_is_not_called_a_firewall() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // One stalls in the handshake, the other after it.
    for server in [format!("https://{address}"), format!("http://{address}")] {
        let message = Arc::default();
        let begin = Instant::now();
        let error = patient(&server, &message).check(&Permission::deploy("shop")).await.unwrap_err();
        assert!(
            matches!(&error, ApiError::Unreachable { reach: Reach::Stalled, attempts: 6, reason, .. } if reason == "no answer within 5 s"),
            "{error:?}"
        );
        assert!(begin.elapsed() < Duration::from_secs(45), "{:?}", begin.elapsed());
        let message = message.lock().unwrap();
        let tries: Vec<_> = message.iter().map(|again| (again.attempt, again.of)).collect();
        assert_eq!(tries, [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]);
        assert_eq!(message[0].why, "no answer within 5 s");
        let help = Failure::from(error).help.unwrap();
        assert!(help.starts_with("the control plane") && !help.contains("authorised networks"), "{help}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drops_packets_is_told_from_one_that_stalls() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // The queue holds one connection; then the kernel drops the packets of others.
    let _first = tokio::net::TcpStream::connect(address).await.unwrap();
    let error =
        patient(&format!("https://{address}"), &Arc::default()).check(&Permission::deploy("shop")).await;
    assert!(
        matches!(&error, Err(ApiError::Unreachable { reach: Reach::Silent, attempts: 6, .. })),
        "{error:?}"
    );
}

/// Serves HTTP on the paused clock: `answer` gives the status and the body for a request, or stalls.
async fn serve(answer: impl Fn(&str) -> Option<(u16, Json)> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut stalled = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut seen = Vec::new();
            // All our bodies are JSON objects; a request without one ends after its headers.
            while !(seen.ends_with(b"}") || seen.starts_with(b"GET") && seen.ends_with(b"\r\n\r\n")) {
                if socket.read_buf(&mut seen).await.unwrap() == 0 {
                    break;
                }
            }
            match answer(&String::from_utf8(seen).unwrap()) {
                None => stalled.push(socket),
                Some((status, body)) => {
                    let body = body.to_string();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
            }
        }
    });
    format!("http://{address}")
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_for_ten_seconds_is_waited_for() {
    let begin = Instant::now();
    let silent = move |_: &str| {
        (begin.elapsed() >= Duration::from_secs(10)).then(|| (201, json!({"status": {"allowed": true}})))
    };
    let server = serve(silent).await;
    patient(&server, &Arc::default()).check(&Permission::deploy("shop")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn retries_quote_the_message_of_a_status() {
    let status = json!({"kind": "Status", "message": "etcd leader changed", "reason": "ServiceUnavailable", "code": 503});
    let server = serve(move |_| Some((503, status.clone()))).await;
    let message = Arc::default();
    let error = patient(&server, &message).check(&Permission::deploy("shop")).await.unwrap_err();
    assert!(error.to_string().contains("(503 etcd leader changed; tried 6 times)"), "{error}");
    assert!(message.lock().unwrap().iter().all(|again: &Retry| again.why == "503 etcd leader changed"));
}

#[tokio::test(start_paused = true)]
async fn roles_have_ten_seconds_to_reach_a_subnamespace() {
    let begin = Instant::now();
    let after = move |limit: u64| {
        move |_: &str| {
            let allowed = begin.elapsed() >= Duration::from_secs(limit);
            Some((201, json!({"status": {"allowed": allowed}})))
        }
    };
    let waits = Mutex::new(0);
    let wait = || *waits.lock().unwrap() += 1;
    let slow = patient(&serve(after(4)).await, &Arc::default());
    slow.check_subnamespace("shop", &Permission::deploy("shop-nft"), &wait).await.unwrap();
    assert_eq!(*waits.lock().unwrap(), 1);

    let never = patient(&serve(after(3600)).await, &Arc::default());
    let error = never.check_subnamespace("shop", &Permission::deploy("shop-nft"), &wait).await.unwrap_err();
    assert!(matches!(error, ApiError::NotPropagated { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let text = error.to_string();
    assert!(text.contains("shop-nft is ready") && text.contains("create deployments.apps"), "{text}");
}

#[tokio::test]
async fn a_namespace_is_missing_only_where_the_cluster_says_so() {
    let cluster = cluster();
    let api = api(&cluster);
    assert!(!api.lacks_namespace("shop").await);
    assert!(api.lacks_namespace("elsewhere").await);
    let may_not =
        || status(403, "Forbidden", "namespaces \"elsewhere\" is forbidden", &json!({"kind": "namespaces"}));
    let odd: [fn() -> Reply; 3] =
        [|| Reply::text(404, "<html>"), || Reply::hang_up(), || Reply::text(503, "")];
    for reply in [may_not as fn() -> Reply].into_iter().chain(odd) {
        cluster.server().fault(move |_| Some(reply()));
        let before = cluster.server().requests().len();
        assert!(!api.lacks_namespace("elsewhere").await);
        assert!(cluster.server().requests().len() <= before + 1, "it is asked once");
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn subnamespaces_are_made_at_the_same_time() {
    let cluster = cluster();
    cluster.server().delay(Duration::from_millis(60));
    let message = Mutex::new(Vec::new());
    let tell = |progress: &SubnamespaceProgress| {
        message.lock().unwrap().push((progress.name.clone(), progress.stage.clone()));
    };
    let wanted = names(&["shop-functional", "shop-integration", "shop-nft"]);
    api(&cluster).ensure_subnamespaces("shop", &wanted, LIMIT, &tell).await.unwrap();
    assert_eq!(cluster.anchors(), ["shop/shop-functional", "shop/shop-integration", "shop/shop-nft"]);
    let mut stages: Vec<_> = message.into_inner().unwrap();
    stages.retain(|(name, _)| name == "shop-nft");
    let stages: Vec<_> = stages.into_iter().map(|(_, stage)| stage).collect();
    let missing = Some("Missing".to_owned());
    assert_eq!(
        stages,
        [
            SubnamespaceStage::Created,
            SubnamespaceStage::Waiting(None),
            SubnamespaceStage::Waiting(missing),
            SubnamespaceStage::Ready(true)
        ]
    );
    // Look, create, Missing, Ok; for one as for three.
    assert_eq!(cluster.server().requests().len(), 12);
    assert_eq!(longest_chain(&cluster.server().requests()), 4);
}

#[tokio::test]
async fn one_that_is_there_is_only_looked_at() {
    let cluster = cluster();
    let api = api(&cluster);
    let ensure = || api.ensure_subnamespace("shop", "shop-nft", LIMIT, &|_| ());
    ensure().await.unwrap();
    let before = cluster.server().requests().len();
    let message = Mutex::new(Vec::new());
    let tell = |progress: &SubnamespaceProgress| message.lock().unwrap().push(progress.stage.clone());
    api.ensure_subnamespace("shop", "shop-nft", LIMIT, &tell).await.unwrap();
    assert_eq!(cluster.server().requests().len(), before + 1);
    assert_eq!(message.into_inner().unwrap(), [SubnamespaceStage::Ready(false)]);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_no_conflict() {
    let cluster = cluster();
    let mut lost = false;
    // The first POST takes effect and its answer is lost: the second finds the anchor there.
    let api = api(&cluster);
    api.ensure_subnamespace("shop", "shop-nft", LIMIT, &|_| ()).await.unwrap();
    cluster.server().fault(move |seen| match seen.method.as_str() {
        "GET" if !lost => {
            let details = json!({"name": "shop-nft", "kind": "subnamespaceanchors"});
            Some(status(404, "NotFound", "not found", &details))
        }
        "POST" if !lost => {
            lost = true;
            Some(Reply::hang_up())
        }
        _ => None,
    });
    api.ensure_subnamespace("shop", "shop-nft", LIMIT, &|_| ()).await.unwrap();
}

#[tokio::test]
async fn every_refusal_of_a_subnamespace_has_its_class() {
    let ensure = |hnc: Hnc, parent: &'static str, name: &'static str| async move {
        let cluster = cluster();
        cluster.hnc(hnc);
        let waits = matches!(hnc, Hnc::Silent | Hnc::Deletes | Hnc::Says("Missing"));
        // However short the limit is, the state is looked at once more after it.
        let limit = if waits { Duration::from_millis(1) } else { LIMIT };
        api(&cluster).ensure_subnamespace(parent, name, limit, &|_| ()).await.unwrap_err()
    };
    let error = ensure(Hnc::Absent, "shop", "shop-nft").await;
    assert!(matches!(error, ApiError::NoController { .. }), "{error:?}");
    let error = ensure(Hnc::Down, "shop", "shop-nft").await;
    assert!(matches!(error, ApiError::ControllerDown { .. }), "{error:?}");
    let error = ensure(Hnc::Works, "elsewhere", "elsewhere-nft").await;
    assert!(matches!(error, ApiError::NoNamespace { .. }), "{error:?}");
    let error = ensure(Hnc::Works, "shop", "shop-taken").await;
    assert!(matches!(error, ApiError::Taken { .. }), "{error:?}");
    let error = ensure(Hnc::Says("Conflict"), "shop", "shop-nft").await;
    assert!(matches!(error, ApiError::Taken { .. }), "{error:?}");
    let error = ensure(Hnc::Says("Forbidden"), "shop", "shop-nft").await;
    assert!(matches!(error, ApiError::NoChildren { .. }), "{error:?}");
    for (hnc, last) in
        [(Hnc::Silent, None), (Hnc::Says("Missing"), Some("Missing")), (Hnc::Deletes, Some("Terminating"))]
    {
        let error = ensure(hnc, "shop", "shop-nft").await;
        assert!(
            matches!(&error, ApiError::TimedOut { state, .. } if state.as_deref() == last),
            "{hnc:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn the_cluster_s_rules_and_the_webhook_s_are_told_apart() {
    let cluster = cluster();
    let api = api(&cluster);
    let ensure = || async { api.ensure_subnamespace("shop", "shop-nft", LIMIT, &|_| ()).await.unwrap_err() };
    let on_post = |reply: fn() -> Reply| {
        cluster.server().fault(move |seen| (seen.method == "POST").then(reply));
    };
    on_post(|| status(403, "Forbidden", "User \"x\" cannot create resource", &json!({})));
    assert!(matches!(ensure().await, ApiError::Forbidden { .. }));
    on_post(|| {
        let message = "admission webhook \"subnamespaceanchors.hnc.x-k8s.io\" denied the request: cannot create a subnamespace in the unmanaged namespace";
        status(403, "Forbidden", message, &json!({}))
    });
    assert!(matches!(ensure().await, ApiError::NoChildren { .. }));
    on_post(|| status(422, "Invalid", "not a valid namespace name", &json!({})));
    assert!(matches!(ensure().await, ApiError::Invalid { .. }));
    on_post(|| status(500, "InternalError", "etcd is unhappy", &json!({})));
    assert!(matches!(ensure().await, ApiError::Refused { status: 500, .. }));
    on_post(|| Reply::text(503, "apiserver not ready"));
    let error = ensure().await;
    assert!(matches!(error, ApiError::Unavailable { status: 503, attempts: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn all_are_tried_whatever_becomes_of_one() {
    let cluster = cluster();
    let wanted = names(&["shop-taken", "shop-nft"]);
    let error = api(&cluster).ensure_subnamespaces("shop", &wanted, LIMIT, &|_| ()).await.unwrap_err();
    assert!(matches!(error, ApiError::Taken { .. }), "{error:?}");
    assert_eq!(cluster.anchors(), ["shop/shop-nft"]);
}
