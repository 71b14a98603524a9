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
            "not allowed to list persistentvolumeclaims",
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

/// A namespace of 720 pods of which the last four cannot start, listed in parts.
fn many(seen: &Seen) -> Option<Reply> {
    let path = seen.path.as_str();
    let pod = |index: usize| {
        let waits = json!({"waiting": {"reason": "ImagePullBackOff", "message": format!("Back-off pulling image for web-{index:03}")}});
        let state = if index < 716 { json!({"running": {}}) } else { waits };
        json!({"metadata": {"name": format!("web-{index:03}"), "creationTimestamp": "2999-01-01T00:00:00Z"}, "status": {
            "phase": if index < 716 { "Running" } else { "Pending" },
            "containerStatuses": [{"name": "web", "ready": index < 716, "state": state}]}})
    };
    let items = |range: std::ops::Range<usize>| range.map(pod).collect::<Vec<_>>();
    Some(if path.ends_with("/pods") {
        match seen.parameter("continue").as_deref() {
            None => Reply::json(200, &json!({"metadata": {"continue": "a+b=/c"}, "items": items(0..500)})),
            Some("a+b=/c") => Reply::json(200, &json!({"metadata": {}, "items": items(500..720)})),
            other => panic!("{other:?}"),
        }
    } else if path.ends_with("/secrets") {
        assert!(seen.header("accept").contains("PartialObjectMetadataList"));
        Reply::json(
            200,
            &json!({"items": [{"metadata": {"name": "sh.helm.release.v1.shop.v3", "labels":
            {"name": "shop", "owner": "helm", "status": "pending-upgrade", "version": "3"}}}]}),
        )
    } else if path.ends_with("/deployments") {
        Reply::json(
            200,
            &json!({"items": [{"metadata": {"name": "web"}, "status": {"conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "it has timed out progressing",
             "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}]}),
        )
    } else if path.ends_with("/events")
        || path.ends_with("claims")
        || path.contains("/apis/apps/")
        || path.contains("/apis/batch/")
    {
        Reply::json(200, &json!({"items": []}))
    } else {
        return None;
    })
}

#[test]
fn the_bad_pods_of_many_are_found_and_what_is_old_says_so() {
    let cluster = cluster();
    cluster.server().fault(many);
    let run = gate(&cluster).run(&["run", "p2p-functional"]);
    run.ended(2);
    let steps = run.report["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["name"] == "p2p-functional").unwrap();
    let lines: Vec<_> =
        failed["cluster"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(
        lines[0].contains("`helm rollback shop 2 --namespace acme-shop-functional` frees it"),
        "{lines:#?}"
    );
    assert_eq!(
        lines[1],
        "pod web-716 and 3 others: container web: ImagePullBackOff: Back-off pulling image for web-716"
    );
    assert!(
        lines[2].starts_with("deployment web: ProgressDeadlineExceeded: it has timed out progressing (for "),
        "{lines:#?}"
    );
    assert!(lines[2].ends_with(" days, since before the target began)"), "{lines:#?}");
    let annotation = run.stdout.lines().find(|line| line.starts_with("::error")).unwrap();
    assert!(annotation.contains("%0Acluster: helm release shop: pending-upgrade"), "{annotation}");
    assert!(run.summary().contains("; cluster: helm release shop: pending-upgrade"), "{}", run.summary());
}

#[test]
fn diagnose_says_the_same_by_hand() {
    let cluster = cluster();
    cluster.server().fault(many);
    let gate = gate(&cluster);
    let text = gate.run(&["diagnose", "acme-shop-functional"]);
    assert!(text.passed().stdout.starts_with("helm release shop: pending-upgrade"), "{}", text.stdout);
    assert!(
        text.stdout.contains("\npod web-716 and 3 others: container web: ImagePullBackOff"),
        "{}",
        text.stdout
    );
    let data = gate.run(&["diagnose", "acme-shop-functional", "--output", "json"]);
    let data: serde_json::Value = serde_json::from_str(&data.passed().stdout).unwrap();
    assert_eq!(
        (&data["namespace"], data["problems"].as_array().unwrap().len()),
        (&json!("acme-shop-functional"), 3)
    );
    for name in ["Acme", "a/../b", "a?x", ""] {
        let wrong = gate.run(&["diagnose", name]);
        assert_ne!(wrong.code, 0);
        assert!(wrong.stdout.contains("is not the name of a namespace"), "{}", wrong.stdout);
    }
}

#[test]
fn a_log_that_is_not_answered_takes_nothing_else_away() {
    let cluster = cluster();
    cluster.server().fault(|seen| {
        let forbidden = seen.path.ends_with("/web-1/log");
        if forbidden {
            return Some(status(
                403,
                "Forbidden",
                "pods \"web-1\" is forbidden: cannot get resource \"pods/log\"",
                &json!({}),
            ));
        }
        crashing(seen)
    });
    let run = gate(&cluster).run(&["run", "p2p-functional"]);
    run.ended(2);
    let text = run.stdout.as_str();
    assert!(text.contains("  the log of web cannot be read: pods \"web-1\" is forbidden"), "{text}");
    assert!(text.contains("warning of pod web-1: BackOff (4 times)"), "{text}");
}
