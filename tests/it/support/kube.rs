//! A Kubernetes API over TLS: discovery, access reviews, subnamespace anchors, and config maps that
//! can be watched. The real kubectl talks to it as well as we do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::pki::Pki;
use super::server::{Reply, Seen, Server};

const ANCHORS: &str = "subnamespaceanchors";

/// How long the server keeps a watch open; then the client begins anew.
const WATCH: Duration = Duration::from_millis(1500);

/// A cluster; it stops when dropped.
pub(crate) struct Cluster {
    server: Server,
    state: Arc<Mutex<State>>,
    /// The certificate authority, in PEM.
    pub(crate) authority: String,
    /// A client's certificate and key that the cluster trusts, in PEM.
    pub(crate) client: (String, String),
}

/// How the Hierarchical Namespace Controller behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hnc {
    /// An anchor is `Missing` at its first look, and `Ok` from the second on.
    Works,
    /// There is none.
    Absent,
    /// Its webhook does not answer.
    Down,
    /// It says nothing.
    Silent,
    /// Each anchor gets this state.
    Says(&'static str),
    /// Each anchor is about to be deleted.
    Deletes,
}

struct State {
    accepts: Box<dyn Fn(&Seen) -> bool + Send + Sync>,
    hnc: Hnc,
    namespaces: BTreeSet<String>,
    /// `verb resource.group` that nobody may do.
    denied: BTreeSet<String>,
    /// The anchors by parent and name, with how often each was looked at.
    anchors: BTreeMap<(String, String), u32>,
    /// What the config map `gate` says is `ready`.
    ready: bool,
}

impl Cluster {
    /// One whose certificate is for `127.0.0.1`, with the namespaces, that takes every request for
    /// which `accepts` is true.
    pub(crate) fn start(
        namespaces: &[&str],
        accepts: impl Fn(&Seen) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::named("127.0.0.1", namespaces, accepts)
    }

    /// One whose certificate is for another name.
    pub(crate) fn named(
        name: &str,
        namespaces: &[&str],
        accepts: impl Fn(&Seen) -> bool + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State {
            accepts: Box::new(accepts),
            hnc: Hnc::Works,
            namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
            denied: BTreeSet::new(),
            anchors: BTreeMap::new(),
            ready: false,
        }));
        let pki = Pki::new();
        let shared = Arc::clone(&state);
        let server = Server::start(Some(pki.server(name)), move |seen| answer(&shared, seen));
        Self { server, state, client: pki.client(), authority: pki.pem }
    }

    /// The API server's URL.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.server.address)
    }

    /// The host and port, as Google's API tells them.
    pub(crate) fn endpoint(&self) -> String {
        self.server.address.to_string()
    }

    /// The certificate authority as kubeconfigs and Google's API have it.
    pub(crate) fn authority_data(&self) -> String {
        STANDARD.encode(&self.authority)
    }

    /// The server: its log, faults and delays.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// How the controller behaves from now on.
    pub(crate) fn hnc(&self, hnc: Hnc) {
        self.state.lock().unwrap().hnc = hnc;
    }

    /// Lets nobody do this: `create deployments.apps`.
    pub(crate) fn deny(&self, action: &str) {
        self.state.lock().unwrap().denied.insert(action.to_owned());
    }

    /// Makes the config map `gate` ready.
    pub(crate) fn make_ready(&self) {
        self.state.lock().unwrap().ready = true;
    }

    /// The subnamespaces that were asked for, `parent/name`.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.anchors.keys().map(|(parent, name)| format!("{parent}/{name}")).collect()
    }
}

/// Kubernetes' own object for refusals.
pub(crate) fn status(code: u16, reason: &str, message: &str, details: &Json) -> Reply {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code});
    Reply::json(code, &body)
}

fn answer(shared: &Arc<Mutex<State>>, seen: &Seen) -> Reply {
    let mut state = shared.lock().unwrap();
    if !(state.accepts)(seen) {
        return status(401, "Unauthorized", "Unauthorized", &json!({}));
    }
    let parts: Vec<&str> = seen.path.split('/').skip(1).collect();
    match (seen.method.as_str(), parts.as_slice()) {
        ("GET", ["api"]) => Reply::json(200, &json!({"kind": "APIVersions", "versions": ["v1"]})),
        ("GET", ["apis"]) => {
            Reply::json(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}))
        }
        ("GET", ["api", "v1"]) => Reply::json(
            200,
            &json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                {"name": "configmaps", "singularName": "configmap", "namespaced": true, "kind": "ConfigMap",
                 "verbs": ["get", "list", "watch"]}
            ]}),
        ),
        ("GET", ["api", "v1", "namespaces", name]) => {
            if state.has_namespace(name) {
                return Reply::json(200, &json!({"kind": "Namespace", "metadata": {"name": name}}));
            }
            let details = json!({"name": name, "kind": "namespaces"});
            status(404, "NotFound", &format!("namespaces \"{name}\" not found"), &details)
        }
        ("POST", ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]) => state.review(seen),
        ("GET", ["api", "v1", "namespaces", namespace, "configmaps", rest @ ..]) => {
            if seen.parameter("watch").is_some() {
                return watch(Arc::clone(shared), (*namespace).to_owned());
            }
            let object = config_map(namespace, state.ready);
            match rest {
                ["gate"] => Reply::json(200, &object),
                [] => Reply::json(
                    200,
                    &json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [object]}),
                ),
                _ => status(404, "NotFound", "configmaps not found", &json!({})),
            }
        }
        (method, ["apis", "hnc.x-k8s.io", "v1alpha2", "namespaces", parent, ANCHORS, rest @ ..]) => {
            state.anchor(method, parent, rest, seen)
        }
        _ => Reply::text(404, "404 page not found\n"),
    }
}

fn config_map(namespace: &str, ready: bool) -> Json {
    json!({
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "gate", "namespace": namespace, "resourceVersion": if ready { "2" } else { "1" }, "uid": "u"},
        "data": {"ready": if ready { "yes" } else { "no" }},
    })
}

/// Tells of the config map as soon as it is ready.
fn watch(shared: Arc<Mutex<State>>, namespace: String) -> Reply {
    let end = Instant::now() + WATCH;
    Reply::stream(futures_util::stream::unfold(false, move |message| {
        let (shared, namespace) = (Arc::clone(&shared), namespace.clone());
        async move {
            while Instant::now() < end {
                if !message && shared.lock().unwrap().ready {
                    let event = json!({"type": "MODIFIED", "object": config_map(&namespace, true)});
                    return Some((Bytes::from(format!("{event}\n")), true));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            None
        }
    }))
}

impl State {
    fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name) || self.anchors.keys().any(|(_, anchor)| anchor == name)
    }

    fn review(&self, seen: &Seen) -> Reply {
        let mut body = seen.json();
        let asked = body["spec"]["resourceAttributes"].clone();
        let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
        let known = body["apiVersion"] == "authorization.k8s.io/v1"
            && body["kind"] == "SelfSubjectAccessReview"
            && !text("namespace").is_empty();
        if !known {
            return status(422, "Invalid", "not an access review", &json!({}));
        }
        let action = format!("{} {}.{}", text("verb"), text("resource"), text("group"));
        let allowed = !self.denied.contains(&action) && self.has_namespace(&text("namespace"));
        body["status"] = json!({ "allowed": allowed });
        Reply::json(201, &body)
    }

    fn anchor(&mut self, method: &str, parent: &str, rest: &[&str], seen: &Seen) -> Reply {
        if self.hnc == Hnc::Absent {
            return Reply::text(404, "404 page not found\n");
        }
        let details = |name: &str| json!({"name": name, "group": "hnc.x-k8s.io", "kind": ANCHORS});
        match (method, rest) {
            ("GET", [name]) => {
                let key = (parent.to_owned(), (*name).to_owned());
                let Some(looks) = self.anchors.get_mut(&key) else {
                    let message = format!("{ANCHORS}.hnc.x-k8s.io \"{name}\" not found");
                    return status(404, "NotFound", &message, &details(name));
                };
                *looks += 1;
                let looks = *looks;
                Reply::json(200, &self.object(parent, name, looks))
            }
            ("POST", []) => {
                let body = seen.json();
                let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                if !self.namespaces.contains(parent) {
                    let details = json!({"name": parent, "kind": "namespaces"});
                    return status(404, "NotFound", &format!("namespaces \"{parent}\" not found"), &details);
                }
                if self.hnc == Hnc::Down {
                    let message = "Internal error occurred: failed calling webhook \"subnamespaceanchors.hnc.x-k8s.io\": failed to call webhook: no endpoints available for service \"hnc-webhook-service\"";
                    return status(500, "InternalError", message, &json!({}));
                }
                let expected = json!({"apiVersion": "hnc.x-k8s.io/v1alpha2", "kind": "SubnamespaceAnchor",
                    "metadata": {"name": name, "namespace": parent}});
                if body != expected {
                    return status(422, "Invalid", "not an anchor", &details(&name));
                }
                let key = (parent.to_owned(), name.clone());
                if self.anchors.contains_key(&key) {
                    let message = format!("{ANCHORS}.hnc.x-k8s.io \"{name}\" already exists");
                    return status(409, "AlreadyExists", &message, &details(&name));
                }
                if self.namespaces.contains(&name) {
                    let message = format!(
                        "admission webhook \"subnamespaceanchors.hnc.x-k8s.io\" denied the request: Operation cannot be fulfilled on {ANCHORS}.hnc.x-k8s.io \"{name}\": cannot create a subnamespace using an existing namespace"
                    );
                    return status(409, "Conflict", &message, &details(&name));
                }
                self.anchors.insert(key, 0);
                Reply::json(201, &self.object(parent, &name, 0))
            }
            _ => status(405, "MethodNotAllowed", "not here", &json!({})),
        }
    }

    fn object(&self, parent: &str, name: &str, looks: u32) -> Json {
        let mut object = json!({"apiVersion": "hnc.x-k8s.io/v1alpha2", "kind": "SubnamespaceAnchor",
            "metadata": {"name": name, "namespace": parent, "uid": "u"}, "status": {}});
        match (self.hnc, looks) {
            (Hnc::Works, 0) | (Hnc::Silent | Hnc::Absent | Hnc::Down, _) => {}
            (Hnc::Works, 1) => object["status"]["status"] = json!("Missing"),
            (Hnc::Works, _) => object["status"]["status"] = json!("Ok"),
            (Hnc::Says(state), _) => object["status"]["status"] = json!(state),
            (Hnc::Deletes, _) => {
                object["metadata"]["deletionTimestamp"] = json!("2024-01-01T00:00:00Z");
                object["status"]["status"] = json!("Ok");
            }
        }
        object
    }
}
