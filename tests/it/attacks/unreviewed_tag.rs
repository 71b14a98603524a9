//! Whoever may create tags put one on a commit that nobody reviewed, pushed an image under its version, and the
//! next scheduled gate ran that commit's Makefile with the secrets of production.

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE};

const LATER: &str = ".PHONY: p2p-extended-test p2p-prod\np2p-extended-test p2p-prod:\n\t@touch \"$$MARK\"\n";

/// `v9.9.9` is on a commit of the branch `topic`, and `main` is checked out.
fn scene() -> Gate {
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}"));
    let mark = gate.home().join("it-ran");
    let gate = gate.env("MARK", mark);
    gate.git(&["checkout", "--quiet", "-b", "topic"]);
    let gate = gate.file("evil", "yes").commit_to("refs/heads/topic").tag("v9.9.9");
    gate.git(&["checkout", "--quiet", "-"]);
    let image = format!("{}/prod/shop:9.9.9", gate.registry.path());
    gate.run(&["image", "push", ".", &image]).passed();
    let gate = gate.event("schedule", json!({})).input("promotion-record", "off");
    gate.git(&["checkout", "--quiet", "main"]);
    gate
}

fn ran(gate: &Gate) -> bool {
    gate.home().join("it-ran").exists()
}

#[test]
fn a_tag_on_a_commit_that_is_not_in_main_runs_nothing() {
    for gate in [scene(), scene().shallow()] {
        let run = gate.run(&["prod"]);
        assert!(run.ended(1).stdout.contains("which is not in the history of `main`"), "{}", run.stdout);
        assert!(!ran(&gate));
        gate.run(&["prod", "--version", "9.9.9"]).ended(1);
        assert!(!ran(&gate));
    }
}

#[test]
fn a_tag_named_like_the_branch_makes_no_commit_reviewed() {
    let gate = scene();
    gate.git(&["push", "--quiet", gate.remote.path().to_str().unwrap(), "topic:refs/tags/main"]);
    let gate = gate.shallow();
    gate.run(&["prod"]).ended(1);
    assert!(!ran(&gate));
}

#[test]
fn a_branch_that_release_branches_names_is_reviewed() {
    let gate = scene().input("release-branches", "release/*");
    assert!(gate.run(&["prod"]).ended(1).stdout.contains("the history of `main` or `release/*`"));
    let gate = gate.input("release-branches", "release/* top*");
    gate.run(&["prod"]).passed();
    assert!(ran(&gate));
}

#[test]
fn a_commit_of_main_runs_whether_the_checkout_has_the_history_or_not() {
    let base = || {
        let gate = Gate::new(&format!("{MAKEFILE}{LATER}"));
        let mark = gate.home().join("it-ran");
        let gate = gate.env("MARK", mark).tag("v1.0.0").file("more", "").commit("more");
        gate.run(&["image", "push", ".", &format!("{}/prod/shop:1.0.0", gate.registry.path())]).passed();
        gate.event("schedule", json!({})).input("promotion-record", "off")
    };
    for gate in [base(), base().shallow()] {
        gate.run(&["prod"]).passed();
        assert!(ran(&gate));
    }
}

#[test]
fn an_answer_that_cannot_be_had_is_no_yes() {
    let gate = scene().shallow().input("github-token", "ghs_wrong");
    assert_ne!(gate.run(&["prod"]).code, 0);
    assert!(!ran(&gate));
}

/// The jobs of the reusable workflows check the tag out themselves and run a single target of the gate.
#[test]
fn no_single_target_and_no_promotion_of_a_later_gate_runs_on_an_unreviewed_commit() {
    let gate = scene();
    let main = gate.head();
    gate.git(&["checkout", "--quiet", "topic"]);
    gate.git(&["tag", "v9.9.9"]);
    let gate =
        gate.file("Makefile", &format!("X := $(shell touch \"$$MARK\")\n{MAKEFILE}{LATER}")).sha(&main);
    let gate = gate.input("checkout-version", "refs/tags/v9.9.9").input("version", "9.9.9");
    for command in [&["run", "p2p-prod"][..], &["run", "p2p-extended-test"], &["promote", "prod"]] {
        let run = gate.run(command);
        assert!(run.ended(1).stdout.contains("which is not in the history of `main`"), "{}", run.stdout);
        assert!(!ran(&gate), "{command:?}");
    }
}

#[test]
fn a_star_of_release_branches_matches_one_name_as_github_s_rulesets_do() {
    let gate = scene();
    gate.git(&["push", "--quiet", gate.remote.path().to_str().unwrap(), "topic:refs/heads/release/1/evil"]);
    let gate = gate.input("release-branches", "release/*");
    gate.run(&["prod"]).ended(1);
    assert!(!ran(&gate));
    let gate = gate.input("release-branches", "release/**");
    gate.run(&["prod"]).passed();
}
