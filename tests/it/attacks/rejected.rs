//! A digest that failed does not go on because it passed once.

use serde_json::json;

use super::{makefile, records};
use crate::support::gate::Gate;

/// Fast feedback fails on demand.
fn flaky() -> String {
    makefile().replace(
        "p2p-functional p2p-nft p2p-integration:\n",
        "p2p-functional p2p-nft p2p-integration:\n\t@test ! -e '$(HOME)/fail'\n",
    )
}

fn results(gate: &Gate, path: &str) -> Vec<String> {
    let mut records = records(gate, path, "0.0.1");
    records.sort_by_key(p2p::gate::record::Record::time);
    records.iter().map(|record| format!("{} {}", record.stage.as_ref().unwrap(), record.result)).collect()
}

#[test]
fn a_failed_run_on_the_same_digest_revokes_and_a_passed_one_brings_back() {
    let gate = Gate::new(&flaky());
    gate.run(&["fast-feedback"]).passed();
    std::fs::write(gate.home().join("fail"), "").unwrap();
    gate.run(&["fast-feedback"]).ended(2);
    for path in ["test/shop", "extended-test/shop"] {
        assert_eq!(results(&gate, path), ["fast-feedback PASSED", "fast-feedback FAILED"], "{path}");
    }
    let gate = gate.event("schedule", json!({}));
    let run = gate.run(&["extended-test"]);
    assert_eq!(run.passed().output("version"), "");
    assert!(run.stdout.contains("it failed fast-feedback: p2p-functional failed"), "{}", run.stdout);
    let gate = gate.event("push", json!({}));
    // Nor by hand, with the digest handed over.
    let digest = gate.registry.digest("test/shop", "0.0.1").unwrap();
    let images = json!({"shop": digest}).to_string();
    let run = gate.run(&["promote", "extended-test", "--version", "0.0.1", "--images", &images]);
    assert!(run.ended(1).stdout.contains("was rejected and does not go on"), "{}", run.stdout);

    std::fs::remove_file(gate.home().join("fail")).unwrap();
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(results(&gate, "extended-test/shop").last().unwrap(), "fast-feedback PASSED");
    assert_eq!(gate.run(&["extended-test"]).passed().output("version"), "0.0.1");
}

#[test]
fn a_failed_later_gate_is_on_record_and_may_run_again() {
    let gate = Gate::new(&format!(
        "{}p2p-prod: check\n.PHONY: check\ncheck: ; @test ! -e '$(HOME)/fail'\n",
        makefile()
    ));
    gate.run(&["fast-feedback"]).passed();
    gate.run(&["extended-test"]).passed();
    std::fs::write(gate.home().join("fail"), "").unwrap();
    gate.run(&["prod"]).ended(2);
    assert_eq!(results(&gate, "prod/shop").last().unwrap(), "prod FAILED");
    std::fs::remove_file(gate.home().join("fail")).unwrap();
    gate.run(&["prod"]).passed();
    assert_eq!(results(&gate, "prod/shop").last().unwrap(), "prod PASSED");
    assert_eq!(
        results(&gate, "extended-test/shop"),
        ["fast-feedback PASSED", "extended-test PASSED"],
        "where it was judged"
    );
}
