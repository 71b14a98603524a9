//! Diagnostics of the cluster in the report of a target that failed.

use serde_json::json;

use crate::support::gate::Gate;
use crate::support::kube::{Cluster, status};
use crate::support::server::{Reply, Seen};

const MAKEFILE: &str = "\
P2P_TENANT_NAME := acme
P2P_APP_NAME := shop
.PHONY: p2p-build p2p-functional p2p-nft
p2p-build:
\t@exit $(BUILD)
\t@mkdir -p .rootfs
\t@'$(P2P_BIN)' image push .rootfs '$(P2P_REGISTRY_FAST_FEEDBACK)/shop:$(P2P_VERSION)'
p2p-functional:
\t@echo 'Error: timed out waiting for the condition'; exit 1
p2p-nft:
\t@echo fine
";

/// The API's answers about `acme-shop-functional`, in which a pod crashes.
fn crashing(seen: &Seen) -> Option<Reply> {
    let pods = "/api/v1/namespaces/acme-shop-functional/pods";
    Some(match seen.path.strip_prefix(pods) {
        Some("") => Reply::json(
            200,
            &json!({"items": [
                {"metadata": {"name": "db-0"}, "status": {"phase": "Running", "containerStatuses": [
                    {"name": "db", "ready": true, "state": {"running": {}}}]}},
                {"metadata": {"name": "web-1"}, "status": {"phase": "Running", "containerStatuses": [
                    {"name": "web", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                     "lastState": {"terminated": {"exitCode": 101, "reason": "Error"}}}]}}
            ]}),
        ),
        Some("/web-1/log") if seen.parameter("previous").as_deref() == Some("true") => {
            assert_eq!(seen.parameter("container").as_deref(), Some("web"));
            Reply::text(200, "listening\n##[error]no DATABASE_URL for s3cr3t-value\n")
        }
        _ if seen.path.ends_with("acme-shop-functional/events") => {
            assert_eq!(seen.parameter("fieldSelector").as_deref(), Some("type!=Normal"));
            Reply::json(
                200,
                &json!({"items": [
                    {"reason": "BackOff", "message": "restarting failed container", "count": 4,
                     "lastTimestamp": "2999-01-01T00:00:00Z", "involvedObject": {"kind": "Pod", "name": "web-1"}},
                    {"reason": "Unhealthy", "message": "of yesterday", "lastTimestamp": "2020-01-01T00:00:00Z",
                     "involvedObject": {"kind": "Pod", "name": "web-0"}}
                ]}),
            )
        }
        _ => return None,
    })
}

fn gate(cluster: &Cluster) -> Gate {
    let kubeconfig = json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": cluster.url(), "certificate-authority-data": cluster.authority_data()}}],
        "users": [{"name": "u", "user": {"token": "good"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    Gate::new(MAKEFILE)
        .input("kubeconfig", &kubeconfig.to_string())
        .input("env-vars", "DATABASE=s3cr3t-value\nBUILD=0\n")
}

fn cluster() -> Cluster {
    Cluster::start(&["acme"], |seen| seen.bearer() == "good")
}

#[test]
fn a_failed_target_is_reported_with_diagnostics() {
    let cluster = cluster();
    cluster.server().fault(crashing);
    let gate = gate(&cluster);
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    let steps = run.report["steps"].as_array().unwrap();
    let step = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap().clone();
    assert_eq!(
        step("p2p-functional")["cluster"],
        json!([
            "pod web-1: container web: CrashLoopBackOff; before that Error with exit code 101; restarted 2 times",
            "  web | listening",
            "  web | ## [error]no DATABASE_URL for ***",
            "warning of pod web-1: BackOff (4 times): restarting failed container",
        ])
    );
    assert_eq!(step("p2p-nft")["cluster"], json!(null), "it passed");
    for text in [run.stdout.as_str(), run.summary()] {
        assert!(text.contains("warning of pod web-1: BackOff (4 times)"), "{text}");
        let shown = |line: &str| line.contains("s3cr3t-value") && !line.starts_with("::add-mask::");
        assert!(!text.lines().any(shown), "{text}");
    }
}

#[test]
fn a_refused_request_becomes_a_line_and_the_failure_stays() {
    let cluster = cluster();
    cluster.server().fault(|seen| {
        let pods = seen.path.ends_with("/pods");
        let message = "events is forbidden: User \"shop\" cannot list resource \"events\"";
        seen.path.starts_with("/api/v1/").then(|| {
            if pods {
                Reply::json(200, &json!({"items": []}))
            } else {
                status(403, "Forbidden", message, &json!({}))
            }
        })
    });
    let run = gate(&cluster).run(&["run", "p2p-functional"]);
    run.ended(2);
    let steps = run.report["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["name"] == "p2p-functional").unwrap();
    assert_eq!(
        &failed["cluster"],
        &json!([
            "the events cannot be read: events is forbidden: User \"shop\" cannot list resource \"events\""
        ])
    );
}

#[test]
fn a_failed_build_asks_the_cluster_nothing() {
    let cluster = cluster();
    let gate = gate(&cluster).input("env-vars", "BUILD=3\n");
    let before = cluster.server().requests().len();
    gate.run(&["run", "p2p-build"]).ended(2);
    assert_eq!(cluster.server().requests().len(), before);
}
