//! A gate's own targets put other bytes where the next gate looks.

use serde_json::json;

use super::{makefile, push, records};
use crate::support::gate::Gate;

/// A recipe that builds again instead of copying.
const WRONG: &str = "\
p2p-promote-to-extended-test:
\t@mkdir -p .other && echo other > .other/file
\t@'$(P2P_BIN)' image push .other '$(P2P_REGISTRY_EXTENDED_TEST)/shop:$(P2P_VERSION)'
";

/// A test that pushes to the next path, and then fails or passes.
const STRAIGHT: &str = "\
p2p-nft: straight
.PHONY: straight
straight:
\t@mkdir -p .other && echo other > .other/file
\t@'$(P2P_BIN)' image push .other '$(P2P_REGISTRY_EXTENDED_TEST)/shop:$(P2P_VERSION)'
\t@exit $(CODE)
";

/// What the next gate makes of an image that this one rejected.
fn the_next_gate_refuses(gate: Gate) {
    let record = records(&gate, "extended-test/shop", "0.0.1");
    let results: Vec<_> = record.iter().map(|record| record.result.to_string()).collect();
    assert_eq!(results, ["FAILED"]);
    let gate = gate.event("schedule", json!({}));
    let run = gate.run(&["extended-test"]);
    assert_eq!(run.passed().output("version"), "", "nothing awaits the gate");
    assert!(run.stdout.contains("the version 0.0.1 is skipped: "), "{}", run.stdout);
    assert!(run.stdout.contains("it failed fast-feedback: the gate tested sha256:"), "{}", run.stdout);
    // Nor is it taken where somebody asks for it.
    for records in ["required", "expected"] {
        let run = gate.run(&["extended-test", "--version", "0.0.1", "--promotion-record", records]);
        assert!(run.ended(1).stdout.contains("was rejected and does not go on"), "{}", run.stdout);
        assert!(!gate.home().join("p2p-extended-test").exists());
    }
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None);
}

#[test]
fn a_recipe_that_promotes_something_else_leaves_an_image_that_no_gate_takes() {
    let gate = Gate::new(&format!("{}{WRONG}", makefile()));
    let run = gate.run(&["fast-feedback"]);
    run.ended(1);
    let there = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
    let at = format!("{}/extended-test/shop", gate.registry.path());
    let remove = format!("`skopeo delete --tls-verify=false docker://{at}@{there}`");
    let failure = run.report["steps"].as_array().unwrap().last().unwrap()["failure"].to_string();
    assert!(failure.contains(&there) && failure.contains(&remove), "{failure}");
    the_next_gate_refuses(gate);
}

#[test]
fn a_test_that_pushes_to_the_next_path_and_fails_leaves_an_image_that_no_gate_takes() {
    let gate = Gate::new(&format!("{}{}", makefile(), STRAIGHT.replace("$(CODE)", "1")));
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    let warnings = run.report["warnings"].to_string();
    assert!(warnings.contains("It is recorded there as FAILED"), "{warnings}");
    the_next_gate_refuses(gate);
}

#[test]
fn a_test_that_pushes_to_the_next_path_and_passes_leaves_an_image_that_no_gate_takes() {
    let gate = Gate::new(&format!("{}{}", makefile(), STRAIGHT.replace("$(CODE)", "0")));
    let run = gate.run(&["fast-feedback"]);
    assert!(run.ended(1).stdout.contains("extended-test/shop:0.0.1 already is sha256:"), "{}", run.stdout);
    the_next_gate_refuses(gate);
}

#[test]
fn an_older_version_that_passed_is_taken_in_place_of_a_rejected_one() {
    let gate = Gate::new(&makefile());
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.file("Makefile", &format!("{}{WRONG}", makefile())).commit("second");
    assert_eq!(gate.run(&["fast-feedback"]).ended(1).output("version"), "0.0.2");
    let gate = gate.event("schedule", json!({}));
    let run = gate.run(&["latest", "extended-test"]);
    assert_eq!(run.passed().output("version"), "0.0.1");
    assert!(run.stdout.contains("the version 0.0.2 is skipped"), "{}", run.stdout);
    let run = gate.run(&["extended-test"]);
    assert_eq!(run.passed().output("version"), "0.0.1");
    assert!(gate.registry.digest("prod/shop", "0.0.1").is_some());
}

#[test]
fn a_pull_request_that_pushes_to_production_deploys_nothing() {
    let gate = Gate::new(&format!(
        "{}\np2p-build: straight\n.PHONY: straight\nstraight:\n\t@mkdir -p .other && echo other > .other/file\n\
         \t@'$(P2P_BIN)' image push .other '$(P2P_REGISTRY_PROD)/shop:9.9.9'\n",
        makefile()
    ));
    let (head, repository) = (gate.head(), crate::support::github::REPOSITORY);
    let gate = gate.pull_request(repository, &head);
    gate.run(&["fast-feedback"]).passed();
    assert!(gate.registry.digest("prod/shop", "9.9.9").is_some());
    let gate = gate.tag("v9.9.9").git_ref("refs/heads/main").event("schedule", json!({"pull_request": null}));
    let run = gate.run(&["prod"]);
    run.ended(1);
    assert!(run.stdout.contains("prod/shop:9.9.9 passed fast-feedback and extended-test"), "{}", run.stdout);
    assert!(!gate.home().join("p2p-prod").exists());
    // The record of the pull request's gate on its own image does not count either.
    push(&gate, "unused", "1", "x");
    let run = gate.run(&["promote", "extended-test", "--version", &format!("0.0.0-{head}")]);
    assert_eq!(run.step("p2p-promote-to-extended-test"), "skipped");
}

#[test]
fn a_tag_that_moves_while_production_is_deployed_fails_the_gate() {
    let moves = "p2p-prod: move\n.PHONY: move\nmove:\n\t@mkdir -p .other && echo other > .other/file\n\
        \t@'$(P2P_BIN)' image push .other '$(P2P_REGISTRY_PROD)/shop:$(P2P_VERSION)'\n";
    let gate = Gate::new(&format!("{}{moves}", makefile()));
    gate.run(&["fast-feedback"]).passed();
    gate.run(&["extended-test"]).passed();
    let deployed = gate.registry.digest("prod/shop", "0.0.1").unwrap();
    let run = gate.run(&["prod"]);
    let found = gate.registry.digest("prod/shop", "0.0.1").unwrap();
    assert_eq!(run.ended(1).step("p2p-prod"), "failed");
    let failure = run.report["steps"].as_array().unwrap().last().unwrap()["failure"].to_string();
    assert!(failure.contains("no longer the image that was recorded"), "{failure}");
    assert!(failure.contains(&deployed) && failure.contains(&found), "{failure}");
}
