//! Whatever inputs, event, ref, fork or environment: a run for a pull request, a merge queue or a stranger's commit makes
//! no tag and writes to no other path than the first, and acts as nobody at another one.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::github::REPOSITORY;

const REFS: [&str; 4] = [
    "refs/heads/main",
    "refs/tags/v9.9.9",
    "refs/pull/7/merge",
    "refs/heads/gh-readonly-queue/main/pr-7-0123456789abcdef0123456789abcdef01234567",
];

const EVENTS: [&str; 8] = [
    "pull_request",
    "pull_request_target",
    "merge_group",
    "workflow_run",
    "issue_comment",
    "push",
    "workflow_dispatch",
    "repository_dispatch",
];

const COMMANDS: [&[&str]; 8] = [
    &["plan", "fast-feedback"],
    &["plan", "fast-feedback"],
    &["plan", "fast-feedback"],
    &["plan", "promote", "extended-test"],
    &["plan", "promote", "prod"],
    &["plan", "run", "p2p-build", "p2p-functional"],
    &["plan", "run", "custom", "p2p-functional"],
    &["plan", "run", "p2p-extended-test", "p2p-prod"],
];

/// What an attacker, or a careless maintainer, can say besides.
fn attempts() -> impl Strategy<Value = (bool, &'static [&'static str], Vec<(&'static str, &'static str)>)> {
    let all = [
        ("promotion", vec!["", "make", "native", "auto"]),
        ("on-fork", vec!["run", "run", "run", "failure"]),
        ("on-existing", vec!["", "overwrite"]),
        ("promotion-record", vec!["", "off", "expected"]),
        ("version", vec!["", "", "9.9.9"]),
        ("checkout-version", vec!["", "", "refs/pull/7/head", "pr"]),
        ("release-branches", vec!["", "*"]),
        ("build-cache", vec!["", "off"]),
        ("federation", vec!["off", "auto"]),
        ("dest-environment", vec!["", "other"]),
        ("environments", vec!["other: {registry: 'other.example/acme'}"]),
        ("registry-logins", vec!["", "other.example robot hunter2"]),
    ];
    let each: Vec<_> = all
        .into_iter()
        .map(|(name, values)| proptest::sample::select(values).prop_map(move |value| (name, value)))
        .collect();
    (any::<bool>(), proptest::sample::select(COMMANDS.to_vec()), each)
}

/// What is wrong with a plan of a run that nobody reviewed.
fn wrong(plan: &Value) -> Option<String> {
    let harmless = ["preflight", "version", "subnamespaces", "target", "images"];
    for step in plan["steps"].as_array().unwrap().iter().filter(|step| step["action"] == "run") {
        let job = &step["job"];
        if !harmless.contains(&job["kind"].as_str().unwrap()) || !job["promote"].is_null() {
            return Some(format!("the step {step}"));
        }
        if job["push"].as_str().is_some_and(|path| !path.contains("/acme/test/")) {
            return Some(format!("a push to {}", job["push"]));
        }
    }
    if plan["version"]["create"] != json!(false) {
        return Some("a tag".to_owned());
    }
    (!plan["access"]["destination"].is_null()).then(|| "an account at the destination".to_owned())
}

#[test]
fn unreviewed_code_makes_no_tag_and_writes_to_the_first_path_alone() {
    let gate = Gate::new(&format!("{MAKEFILE}custom:\n\t@:\n")).tag("v1.2.3").commit("reviewed");
    let reviewed = gate.head();
    let mut gate = gate.file("new", "").commit_to("refs/pull/7/head").push("refs/heads/pr");
    let stranger = gate.head();
    let (strategy, mut runner) = (attempts(), TestRunner::deterministic());
    let (mut cases, mut planned) = (0, 0);
    for (event, git_ref) in EVENTS.iter().flat_map(|event| REFS.map(|git_ref| (*event, git_ref))) {
        let own = ["pull_request", "merge_group"].contains(&event);
        // The events that may promote are safe only where they are about another commit; these two always are.
        let rounds = if own && git_ref == REFS[0] { 4 } else { 1 };
        for _ in 0..rounds {
            let (fork, command, inputs) = strategy.new_tree(&mut runner).unwrap().current();
            let head = json!({"sha": stranger, "repo": {"full_name": if fork { "stranger/shop" } else { REPOSITORY }}});
            let payload = json!({"pull_request": {"number": 7, "head": head}});
            gate = gate.event(event, payload).git_ref(git_ref).sha(if own { &stranger } else { &reviewed });
            for (name, value) in &inputs {
                gate = gate.input(name, value);
            }
            let run = gate.run(&[command, &["--output", "json"]].concat());
            cases += 1;
            // One that is refused does nothing at all.
            let Ok(plan) = serde_json::from_str::<Value>(&run.stdout) else { continue };
            planned += 1;
            let case = format!("{event} {git_ref} fork={fork} {command:?} {inputs:?}");
            assert_eq!(wrong(&plan), None, "{case}\n{plan:#}");
        }
    }
    assert!(planned * 4 > cases, "{planned} of {cases} were planned, which shows too little");
}
