//! Pull requests from forks, which GitHub gives neither id token nor secrets.

use super::{Cloud, MAKEFILE, message};
use crate::support::gate::Gate;

fn fork(cloud: &Cloud) -> Gate {
    let gate = cloud.gate(MAKEFILE);
    let head = gate.head();
    let gate = gate.env("ACTIONS_ID_TOKEN_REQUEST_URL", "").env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "");
    gate.commit("merge").pull_request("mallory/shop", &head)
}

fn untouched(cloud: &Cloud, gate: &Gate) {
    assert!(!gate.has(".rootfs"), "nothing was built");
    assert!(cloud.requests().is_empty() && cloud.registry.seen().is_empty());
}

#[test]
fn it_fails_and_says_why_in_one_sentence() {
    let cloud = Cloud::new();
    let gate = fork(&cloud);
    let run = gate.run(&["fast-feedback"]);
    run.ended(1);
    assert_eq!(run.output("result"), "failure");
    insta::assert_snapshot!(message(&run.report["failure"]), @r"
    this pull request comes from a fork, to which GitHub gives neither id token nor secrets, so nothing is built, deployed or tested
    help: push the branch to this repository to run the gate on it, or set `on-fork: skipped`
    ");
    untouched(&cloud, &gate);
}

#[test]
fn it_is_skipped_where_that_is_asked_for() {
    let cloud = Cloud::new();
    let gate = fork(&cloud).input("on-fork", "skipped");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert_eq!((run.output("result"), run.report["result"].as_str()), ("skipped", Some("skipped")));
    let steps = run.json("steps");
    assert!(steps.as_array().unwrap().iter().all(|step| step["status"] == "skipped"), "{steps}");
    assert!(run.summary().contains("was skipped"), "{}", run.summary());
    assert!(run.stdout.contains("p2p-build skipped: this pull request comes from a fork"), "{}", run.stdout);
    untouched(&cloud, &gate);
}

#[test]
fn it_runs_where_that_is_asked_for_and_needs_no_token() {
    let cloud = Cloud::new();
    let gate = fork(&cloud).input("on-fork", "run");
    let run = gate.run(&["fast-feedback"]);
    run.ended(69);
    let text = super::failure(&run, "preflight");
    assert!(text.contains("a pull request from a fork gets neither id token nor secrets"), "{text}");
    let plain = Gate::new(crate::support::gate::MAKEFILE).input("on-fork", "run");
    let head = plain.head();
    plain.pull_request("mallory/shop", &head).run(&["fast-feedback"]).passed();
}
