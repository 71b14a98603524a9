//! The comment of a gate on its pull request.

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::Fault;
use crate::support::rendering::Rendered;

/// A pull request of the repository's own branch, with this value of `comment`.
fn scene(makefile: &str, comment: &str) -> Gate {
    let gate = Gate::new(makefile);
    let head = gate.head();
    let entries = json!({"": {"comment": comment}}).to_string();
    gate.pull_request("acme/shop", &head).input("environments", &entries)
}

fn failing() -> String {
    MAKEFILE.replace(
        "p2p-functional p2p-nft p2p-integration:\n",
        "p2p-functional p2p-nft p2p-integration:\n\t@if [ -e fails ]; then echo 'error: the load is too high'; exit 1; fi\n",
    )
}

fn bodies(gate: &Gate) -> Vec<String> {
    gate.github.comments().into_iter().map(|comment| comment.body).collect()
}

fn notices(run: &Run) -> Vec<String> {
    let notices = run.reading().effects.into_iter().filter(|effect| effect.name == "notice");
    notices.map(|notice| notice.message).collect()
}

#[test]
fn a_failure_is_a_comment_that_a_later_run_changes() {
    let gate = scene(&failing(), "failure");
    gate.run(&["fast-feedback"]).passed();
    assert!(bodies(&gate).is_empty(), "all is well");
    let gate = gate.file("fails", "");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    assert_eq!(notices(&run), [""; 0]);
    let [body] = &*bodies(&gate) else { panic!("{:?}", bodies(&gate)) };
    assert!(body.starts_with("<!-- p2p: acme/shop -->\n**acme/shop**\n"), "{body}");
    for text in [
        "## ❌ fast-feedback failed: 0.0.0-",
        "### p2p-functional: error: the load is too high",
        "| p2p-functional | ❌ failed: make ended with exit code 2 |",
        "| p2p-integration | ⏭️ skipped",
        "/acme/shop/actions/runs/41)",
        "/acme/test/shop:0.0.0-",
        "Repeat it: `p2p run",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    Rendered::of(body).is_harmless(&[]);
    std::fs::remove_file(gate.workspace().join("fails")).unwrap();
    gate.run(&["fast-feedback"]).passed();
    let [body] = &*bodies(&gate) else { panic!("{:?}", bodies(&gate)) };
    assert!(body.contains("## ✅ fast-feedback passed") && !body.contains("too high"), "{body}");
}

#[test]
fn what_fails_before_there_is_a_plan_is_a_comment_too() {
    let gate = scene("p2p-build: ; @echo\n", "failure");
    let run = gate.run(&["fast-feedback"]);
    assert_ne!(run.code, 0);
    let body = bodies(&gate).concat();
    assert!(body.contains("## ❌ p2p failed before anything ran") && body.contains("`p2p-nft`"), "{body}");
}

#[test]
fn jobs_of_one_app_share_its_comment_and_another_app_has_its_own() {
    let gate = scene(MAKEFILE, "always").input("app-name", "basket");
    gate.run(&["run", "p2p-build"]).passed();
    gate.run(&["run", "p2p-nft"]).passed();
    let [body] = &*bodies(&gate) else { panic!("{:?}", bodies(&gate)) };
    assert_eq!(body.matches("## ✅ run passed").count(), 2, "{body}");
    gate.run_with_inputs(&["run", "p2p-nft"], &[("app-name", "till")]).passed();
    assert_eq!(bodies(&gate).len(), 2);
    // On a newer commit what other jobs said of the older one is gone.
    let gate = gate.pull_request("acme/shop", &"b".repeat(40));
    gate.run(&["run", "p2p-nft"]).passed();
    assert_eq!(bodies(&gate)[0].matches("## ✅ run passed").count(), 1, "{}", bodies(&gate)[0]);
}

/// Runs of several commits end in any order.
#[test]
fn an_older_run_that_ends_later_changes_nothing() {
    let gate = scene(&failing(), "always").env("GITHUB_RUN_ID", "42");
    gate.run(&["fast-feedback"]).passed();
    let of_newer = bodies(&gate);
    let gate = gate.pull_request("acme/shop", &"b".repeat(40)).env("GITHUB_RUN_ID", "41").file("fails", "");
    gate.run(&["fast-feedback"]).ended(2);
    assert_eq!(bodies(&gate), of_newer);
    let gate = gate.env("GITHUB_RUN_ID", "43");
    gate.run(&["fast-feedback"]).ended(2);
    let [body] = &*bodies(&gate) else { panic!("{:?}", bodies(&gate)) };
    assert!(
        body.contains("## ❌ fast-feedback failed") && !body.contains("✅ fast-feedback passed"),
        "{body}"
    );
}

#[test]
fn missing_rights_and_forks_are_a_notice() {
    let gate = scene(&failing(), "always");
    gate.github.fault(|seen| {
        let writes = seen.method == "POST" && seen.path.ends_with("/comments");
        writes.then(|| Fault::error(403, "Resource not accessible by integration"))
    });
    let run = gate.run(&["fast-feedback"]);
    let [notice] = &*notices(run.passed()) else { panic!("{}", run.stdout) };
    assert!(notice.contains("pull-requests: write"), "{notice}");
    gate.github.fault(|_| None);
    let head = gate.head();
    let gate = gate.pull_request("mallory/shop", &head).input("on-fork", "skipped");
    let run = gate.run(&["fast-feedback"]);
    assert!(notices(&run).iter().any(|notice| notice.contains("forks may not write")), "{}", run.stdout);
    assert!(bodies(&gate).is_empty());
    let gate = scene(MAKEFILE, "always").input("github-token", "").input("version", "7.0.0");
    let run = gate.run(&["run", "p2p-build"]);
    assert!(notices(run.passed())[0].contains("no GitHub token was given"), "{}", run.stdout);
}

#[test]
fn secrets_are_masked_and_hostile_lines_harmless() {
    let recipe = "\t@echo \"error: $$DB </details> @acme #17 <!-- part x y --> <img src=x>\"; exit 1\n";
    let makefile =
        MAKEFILE.replace("p2p-functional p2p-nft", "p2p-none") + "p2p-functional p2p-nft:\n" + recipe;
    let gate = scene(&makefile, "failure").input("env-vars", "DB=hunter2-and-more");
    gate.run(&["fast-feedback"]).ended(2);
    let body = bodies(&gate).concat();
    assert!(body.contains(r"\*\*\*") && !body.contains("hunter2"), "{body}");
    Rendered::of(&body).is_harmless(&[]);
}

#[test]
fn nothing_is_written_unless_it_is_asked_for() {
    for (gate, arguments) in [
        (scene(&failing(), "never").file("fails", ""), vec!["fast-feedback"]),
        (Gate::new(MAKEFILE), vec!["fast-feedback"]),
        (scene(MAKEFILE, "always"), vec!["fast-feedback", "--dry-run"]),
        (scene(MAKEFILE, "always"), vec!["version"]),
    ] {
        gate.run(&arguments);
        let asked = gate.github.requests().iter().any(|seen| seen.path.contains("/issues"));
        assert!(!asked && bodies(&gate).is_empty(), "{arguments:?}");
    }
    let run = scene(MAKEFILE, "sometimes").run(&["fast-feedback"]);
    assert_eq!(run.code, 64);
    assert!(run.stdout.contains("comment") && run.stdout.contains("never"), "{}", run.stdout);
}
