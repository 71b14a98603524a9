//! GitHub's linked artifacts: an organization sees where images are stored and where they run.

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::github::Fault;

const LATER: &str = "\
.PHONY: p2p-extended-test p2p-prod
p2p-extended-test p2p-prod: ; @echo '$@ of $(P2P_VERSION)'
";

fn scene(switch: &str) -> Gate {
    let keys =
        json!({"": {"linked-artifacts": switch, "cluster-name": "prod-1", "namespace-prod": "acme-shop"}});
    Gate::new(&format!("{MAKEFILE}{LATER}"))
        .input("environments", &keys.to_string())
        .input("environment", "gcp-prod")
}

/// The records that the organization got, each with its kind.
fn records(gate: &Gate) -> Vec<(String, Value)> {
    let asked = gate.github.requests().into_iter().filter_map(|seen| {
        let (_, kind) = seen.path.split_once("/orgs/acme/artifacts/metadata/")?;
        Some((kind.to_owned(), serde_json::from_slice(&seen.body).unwrap()))
    });
    asked.collect()
}

#[test]
fn an_organization_sees_where_an_image_is_stored_and_runs() {
    let gate = scene("on");
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.event("schedule", json!({}));
    gate.run(&["extended-test"]).passed();
    gate.run(&["prod"]).passed();
    let digest = gate.registry.digest("prod/shop", "0.0.1").unwrap();
    let stored = |path: &str| {
        let record = json!({
            "name": "shop", "digest": digest, "version": "0.0.1", "status": "active", "github_repository": "shop",
            "registry_url": format!("https://{}", gate.registry.address()), "repository": path,
        });
        ("storage-record".to_owned(), record)
    };
    let deployed = json!({
        "name": "shop", "digest": digest, "version": "0.0.1", "status": "deployed", "github_repository": "shop",
        "logical_environment": "gcp-prod", "cluster": "prod-1", "deployment_name": "acme-shop-shop",
    });
    let expected = [
        stored("acme/extended-test/shop"),
        stored("acme/prod/shop"),
        ("deployment-record".to_owned(), deployed),
    ];
    assert_eq!(records(&gate), expected);
}

#[test]
fn nothing_fails_without_the_rights_and_a_notice_says_which() {
    for (status, message) in [(403, "Resource not accessible by integration"), (404, "Not Found")] {
        let gate = scene("on");
        gate.github
            .fault(move |seen| seen.path.contains("/artifacts/").then(|| Fault::error(status, message)));
        let run = gate.run(&["fast-feedback"]);
        assert!(run.passed().stdout.contains("permissions: artifact-metadata: write"), "{}", run.stdout);
    }
    let gate = scene("on");
    gate.github
        .fault(|seen| seen.path.contains("/artifacts/").then(|| Fault::error(422, "Validation Failed")));
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains("were not added to GitHub's linked artifacts"), "{}", run.stdout);
}

#[test]
fn only_what_was_promoted_or_deployed_is_told_and_only_if_wanted() {
    let gate = scene("off");
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(records(&gate), []);
    let gate = scene("on");
    let head = gate.head();
    let gate = gate.pull_request("acme/shop", &head).git_ref("refs/pull/7/merge");
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(records(&gate), []);
    // A deployment that failed is none.
    let makefile = format!("{MAKEFILE}{LATER}").replace("@echo '$@", "@test $@ != p2p-prod && echo '$@");
    let gate = scene("on").file("Makefile", &makefile).commit("broken");
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.event("schedule", json!({}));
    gate.run(&["extended-test"]).passed();
    gate.run(&["prod"]).ended(2);
    assert!(records(&gate).iter().all(|(kind, _)| kind == "storage-record"), "{:?}", records(&gate));
}

#[test]
fn a_record_that_is_refused_hides_no_other() {
    let makefile = MAKEFILE.replace(
        "\t@'$(P2P_BIN)' image push",
        "\t@'$(P2P_BIN)' image push .rootfs '$(P2P_REGISTRY_FAST_FEEDBACK)/web:$(P2P_VERSION)'\n\t@'$(P2P_BIN)' image push",
    );
    let gate = scene("on").file("Makefile", &makefile).commit("two").input("image-names", "web,shop");
    gate.github.fault(|seen| {
        let web = String::from_utf8_lossy(&seen.body).contains("\"web\"");
        (web && seen.path.contains("/artifacts/")).then(|| Fault::error(422, "Validation Failed"))
    });
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains("were not added to GitHub's linked artifacts"), "{}", run.stdout);
    let names: Vec<_> = records(&gate).into_iter().map(|(_, record)| record["name"].clone()).collect();
    assert!(names.contains(&json!("shop")), "{names:?}");
}
