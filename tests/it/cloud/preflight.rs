//! What is found out before anything is done: how quickly, and what is told when something is wrong.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Cloud, MAKEFILE, SWITCHES, failure};
use crate::support::gate::Gate;
use crate::support::kube::status;
use crate::support::server::{Reply, Seen, longest_chain};

/// Requests that belong to targets, and to what is made for them.
fn later(seen: &Seen) -> bool {
    is_deploy(seen)
        || ["subnamespaceanchors", "configmaps"].iter().any(|word| seen.path.contains(word))
        || ["/api", "/apis", "/api/v1", "/version"].contains(&seen.path.as_str())
}

/// The review of a subnamespace.
fn is_deploy(seen: &Seen) -> bool {
    seen.json()["spec"]["resourceAttributes"]["resource"] == "deployments"
}

#[test]
fn it_is_five_requests_deep_with_two_identities_and_any_number_of_subnamespaces() {
    let cloud = Cloud::new();
    for server in [cloud.google.server(), cloud.cluster.server()] {
        // Longer than the handshake of a second connection, so that requests sent at once overlap.
        server.delay(Duration::from_millis(250));
    }
    let run = cloud.gate(MAKEFILE).run(&["fast-feedback"]);
    run.passed();
    let requests: Vec<_> = cloud.requests().into_iter().filter(|seen| !later(seen)).collect();
    // Three for each identity's token, the cluster, and the access review with the look for the namespace.
    assert_eq!(requests.len(), 3 + 3 + 1 + 2, "{:?}", requests.iter().map(Seen::line).collect::<Vec<_>>());
    assert_eq!(longest_chain(&requests), 5);
    assert_eq!(cloud.cluster.anchors().len(), 3);
}

#[test]
fn subnamespaces_are_made_while_the_build_runs() {
    let cloud = Cloud::new();
    // The build ends only when they are there.
    let makefile = MAKEFILE.replace(
        "p2p-build:\n",
        "p2p-build:\n\t@for i in $$(seq 100); do [ -e \"$$MARK\" ] && exit; sleep 0.1; done; echo in vain; exit 1\n",
    );
    let gate = cloud.gate(&makefile);
    let mark = gate.home().join("made");
    let gate = gate.env("MARK", &mark);
    let mut running = gate.start(&["fast-feedback"]);
    running.until("they are made", |_| cloud.cluster.anchors().len() == 3);
    std::fs::write(mark, "").unwrap();
    let run = running.end();
    run.passed();
    assert_eq!(run.step("subnamespaces"), "passed");
    assert!(run.stdout.contains("created the subnamespace shop-basket-nft of shop"), "{}", run.stdout);
}

/// What is told when it fails. Nothing was tagged or built.
#[track_caller]
fn refused(cloud: &Cloud, gate: &Gate, code: i32) -> String {
    let run = gate.run(&["fast-feedback"]);
    run.ended(code);
    assert_eq!(
        (run.step("preflight"), run.step("version"), run.step("p2p-build")),
        ("failed", "skipped", "skipped")
    );
    assert!(!gate.has(".rootfs"));
    assert_eq!(gate.remote.tags().len(), 0);
    assert_eq!(cloud.cluster.anchors().len(), 0);
    let text = failure(&run, "preflight");
    assert!(cloud.google.secrets().iter().all(|secret| !text.contains(secret.as_str())), "{text}");
    text.replace(cloud.registry.host(), "(registry)").replace(&cloud.cluster.url(), "(cluster)")
}

#[test]
fn each_thing_that_is_wrong_is_told_before_the_build() {
    let cloud = Cloud::new();
    let gate = || cloud.gate(MAKEFILE);
    let elsewhere = |number: &str, registry: &str| {
        format!(
            "gcp-prod: {{project-id: acme-prod, project-number: {number}, region: europe-west2, registry: {}}}",
            cloud.registry.of(registry)
        )
    };
    let mut all = vec![
        refused(&cloud, &gate().env("ACTIONS_ID_TOKEN_REQUEST_URL", ""), 69),
        refused(&cloud, &gate().input("environments", &elsewhere("78", "acme-prod")), 69),
        refused(&cloud, &gate().input("environments", &elsewhere("77", "acme-other")), 69),
        refused(&cloud, &gate().input("registry", &cloud.registry.of("acme-other")), 69),
        refused(&cloud, &cloud.gate_with(MAKEFILE, &[("cluster-name", "absent")]), 69),
        refused(&cloud, &gate().input("service-account", "other@acme-dev.iam.gserviceaccount.com"), 69),
    ];
    cloud.cluster.deny("create subnamespaceanchors.hnc.x-k8s.io");
    all.push(refused(&cloud, &gate(), 69));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn an_administrator_hears_of_a_missing_tenant_before_the_build() {
    let cloud = Cloud::new();
    // The review says what a role allows, whether the namespace exists or not.
    cloud.cluster.server().fault(|seen| {
        let details = json!({"name": "shop", "kind": "namespaces"});
        let asked = seen.path == "/api/v1/namespaces/shop";
        asked.then(|| status(404, "NotFound", "namespaces \"shop\" not found", &details))
    });
    let text = refused(&cloud, &cloud.gate(MAKEFILE), 69);
    assert!(text.contains("has no namespace shop"), "{text}");
}

#[test]
fn roles_that_reach_a_subnamespace_late_are_waited_for() {
    let cloud = Cloud::new();
    let mut refusals = 2;
    cloud.cluster.server().fault(move |seen| {
        let nft = seen.json()["spec"]["resourceAttributes"]["namespace"] == "shop-basket-nft";
        if !nft || refusals == 0 {
            return None;
        }
        refusals -= 1;
        Some(Reply::json(201, &json!({"status": {"allowed": false}})))
    });
    let run = cloud.gate(MAKEFILE).run(&["fast-feedback"]);
    run.passed();
    let waits = "waiting for the roles of shop in shop-basket-nft";
    assert_eq!(run.stdout.matches(waits).count(), 1, "{}", run.stdout);
}

#[test]
fn a_refused_token_of_a_given_kubeconfig_is_about_the_kubeconfig() {
    let cloud = Cloud::new();
    let kubeconfig = json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": cloud.cluster.url(), "certificate-authority-data": cloud.cluster.authority_data()}}],
        "users": [{"name": "u", "user": {"token": "of-yesterday"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    // In base64, as many keep it; nothing of it is shown.
    let encoded = STANDARD.encode(kubeconfig.to_string());
    let text = refused(&cloud, &cloud.gate(MAKEFILE).input("kubeconfig", &encoded), 69);
    assert!(text.contains("help: the kubeconfig that you gave"), "{text}");
    assert!(!text.contains("project-id"), "{text}");
    assert!(!text.contains("of-yesterday") && !text.contains(&encoded[..16]), "{text}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let cloud = Cloud::new();
    cloud.cluster.deny("create subnamespaceanchors.hnc.x-k8s.io");
    let gate = cloud.gate(MAKEFILE).input("registry", &cloud.registry.of("acme-other"));
    let text = refused(&cloud, &gate, 69);
    assert!(text.starts_with("2 checks failed\n"), "{text}");
    assert!(text.contains("does not let us create subnamespaceanchors"), "{text}");
    assert!(text.contains("gserviceaccount.com may not push images to (registry)/acme-other"), "{text}");
}

#[test]
fn a_destination_that_is_described_by_halves_names_what_is_missing() {
    let cloud = Cloud::new();
    let half = format!("gcp-prod: {{project-id: acme-prod, registry: {}}}", cloud.registry.of("acme-prod"));
    let run = cloud.gate(MAKEFILE).input("environments", &half).run(&["fast-feedback"]);
    run.ended(64);
    let text = super::message(&run.report["failure"]);
    assert!(text.contains("workload-identity-provider of environment gcp-prod is not known"), "{text}");
    assert!(text.contains("project-number: …"), "{text}");
    assert!(cloud.requests().is_empty());
}

#[test]
fn the_plan_shows_who_acts_and_asks_nobody() {
    let cloud = Cloud::new();
    let run = cloud.gate(&format!("{MAKEFILE}{SWITCHES}")).run(&["plan"]);
    run.passed();
    let top = run.stdout.split("\nvalues of the environment:").next().unwrap();
    let lines: Vec<_> = top.lines().filter(|line| !line.starts_with("  commit")).collect();
    let top = lines.join("\n");
    insta::assert_snapshot!(top.replace(cloud.registry.host(), "(registry)"));
    assert!(cloud.requests().is_empty() && cloud.registry.seen().is_empty());
}

#[test]
fn it_takes_little_memory() {
    let peak =
        "p2p-integration: peak\npeak:\n\t@grep VmHWM /proc/$$(cut -d' ' -f4 /proc/$$PPID/stat)/status\n";
    let cloud = Cloud::new();
    let run = cloud.gate(&format!("{MAKEFILE}{peak}")).run(&["fast-feedback"]);
    run.passed();
    let line = run.logs["p2p-integration.log"].lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak < 64 * 1024, "{peak} KiB");
}
