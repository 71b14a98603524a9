//! A workflow that checks a stranger's commit out on an event with secrets (`pull_request_target`,
//! `workflow_run`, `issue_comment`) ran the stranger's Makefile with all of them; and make read the Makefile of
//! a fork, which runs `$(shell …)`, before the fork was refused.

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE};

/// A job on `main` in which a stranger's commit is checked out. Its Makefile leaves a file when it is read.
fn scene(event: &str, payload: Value) -> Gate {
    let gate = Gate::new(MAKEFILE);
    let base = gate.head();
    gate.git(&["checkout", "--quiet", "-b", "stranger"]);
    let gate = gate.file("Makefile", &format!("X := $(shell touch was-read)\n{MAKEFILE}"));
    // Nobody at GitHub knows this commit.
    gate.git(&["commit", "--quiet", "--all", "--message", "from a stranger"]);
    gate.event(event, payload).sha(&base)
}

fn pull_request(gate: &Gate, full_name: &str) -> Value {
    json!({"pull_request": {"number": 7, "head": {"sha": gate.head(), "repo": {"full_name": full_name}}}})
}

#[test]
fn no_event_with_secrets_reads_or_runs_a_stranger_s_makefile() {
    for event in
        ["pull_request_target", "workflow_run", "issue_comment", "issues", "workflow_dispatch", "push"]
    {
        let gate = scene(event, json!({}));
        let payload = pull_request(&gate, "mallory/shop");
        let gate = if event == "pull_request_target" { gate.event(event, payload) } else { gate };
        for command in [&["fast-feedback"][..], &["run", "p2p-functional"], &["latest", "prod"], &["plan"]] {
            let run = gate.run(command);
            let text = format!("the event `{event}` names, so it may be a stranger's");
            assert!(run.ended(1).stdout.contains(&text), "{event}: {}", run.stdout);
            assert!(!gate.has("was-read") && !gate.has(".rootfs"), "{event} {command:?}");
        }
    }
}

#[test]
fn the_input_checkout_version_makes_no_stranger_s_commit_the_gate_s_own() {
    for event in ["pull_request_target", "workflow_run", "issue_comment"] {
        let gate = scene(event, json!({}));
        let head = gate.head();
        gate.input("checkout-version", &head).run(&["fast-feedback"]).ended(1);
    }
    let gate = scene("workflow_dispatch", json!({}));
    gate.git(&["update-ref", "refs/remotes/pull/7/head", "HEAD"]);
    let gate = gate.input("checkout-version", "refs/pull/7/head");
    gate.run(&["fast-feedback"]).ended(1);
    assert!(!gate.has("was-read"));
}

#[test]
fn a_fork_s_makefile_is_not_read() {
    for (on_fork, code) in [("failure", 1), ("skipped", 0)] {
        let gate = scene("pull_request", json!({}));
        let payload = pull_request(&gate, "mallory/shop");
        let head = gate.head();
        let gate = gate.event("pull_request", payload).git_ref("refs/pull/7/merge").sha(&head);
        for command in [&["fast-feedback"][..], &["run", "p2p-functional"], &["plan"]] {
            gate.run(&[command, &["--on-fork", on_fork]].concat()).ended(code);
            assert!(!gate.has("was-read"), "{on_fork} {command:?}");
        }
    }
}

#[test]
fn the_repository_s_own_commits_run_as_before() {
    // The head of a pull request from a branch of the repository, in another case.
    let gate = scene("pull_request_target", json!({}));
    let payload = pull_request(&gate, "Acme/Shop");
    gate.event("pull_request_target", payload).run(&["fast-feedback"]).passed();
    // The commit of a run for a branch of the repository.
    let gate = scene("workflow_run", json!({}));
    let run = json!({"head_sha": gate.head(), "head_repository": {"full_name": "acme/shop"}});
    gate.event("workflow_run", json!({"workflow_run": run})).run(&["fast-feedback"]).passed();
    // A commit that came to main after the event.
    let gate = scene("issue_comment", json!({})).push("refs/heads/main");
    gate.run(&["fast-feedback"]).passed();
    // What a maintainer names when starting a run by hand.
    let gate = scene("workflow_dispatch", json!({}));
    let head = gate.head();
    gate.input("checkout-version", &head).run(&["fast-feedback"]).passed();
    let gate = scene("issue_comment", json!({})).input("on-fork", "run");
    gate.run(&["fast-feedback"]).passed();
}

#[test]
fn an_answer_that_cannot_be_had_is_no_yes() {
    let gate = scene("workflow_run", json!({})).input("github-token", "ghs_wrong");
    let run = gate.run(&["fast-feedback"]);
    assert_ne!(run.code, 0);
    assert!(run.stdout.contains("it is not known whether the commit"), "{}", run.stdout);
    assert!(!gate.has("was-read"));
}

#[test]
fn no_directory_of_a_stranger_passes_for_a_repository_that_names_a_program() {
    for event in ["pull_request_target", "workflow_run", "issue_comment"] {
        let gate = scene(event, json!({}));
        let base = gate.head();
        let configuration = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n\tsshCommand = \"touch was-run;\"\n\
             [extensions]\n\tpartialclone = origin\n[remote \"origin\"]\n\turl = ssh://host/path\n\tpromisor = true\n";
        let gate = gate
            .file("app/Makefile", MAKEFILE)
            .file("app/HEAD", "ref: refs/heads/main\n")
            .file("app/objects/info/keep", "")
            .file("app/refs/heads/keep", "")
            .file("app/config", configuration);
        gate.git(&["add", "--all", "--force"]);
        gate.git(&["commit", "--quiet", "--message", "looks like a bare repository"]);
        // A commit that the stranger's repository lacks.
        let gate = gate.sha(&base.chars().rev().collect::<String>()).input("working-directory", "app");
        assert_ne!(gate.run(&["fast-feedback"]).code, 0, "{event}");
        assert!(!gate.has("app/was-run") && !gate.has("was-run") && !gate.has("was-read"), "{event}");
    }
}

#[test]
fn the_input_checkout_version_names_a_commit_a_branch_or_a_tag() {
    let gate = scene("workflow_dispatch", json!({}));
    gate.git(&["update-ref", "refs/remotes/pull/7/head", "HEAD"]);
    for name in ["HEAD", "@", "HEAD~0", "pull/7/head", "remotes/pull/7/head", "heads/stranger"] {
        let run = gate.run(&["fast-feedback", "--checkout-version", name]);
        assert!(
            run.ended(64).stdout.contains("which is not a commit, branch or tag of the checkout"),
            "{}",
            run.stdout
        );
        assert!(!gate.has("was-read"), "{name}");
    }
}
