//! A job without the program git.

use crate::support::gate::{Gate, MAKEFILE, Run};

/// Two commits on `main`, the first of which is `v1.2.3`; no program is on the `PATH`.
fn scene() -> Gate {
    Gate::new(MAKEFILE).tag("v1.2.3").commit("second")
}

fn without_git(gate: Gate) -> Gate {
    gate.env("PATH", "/nonexistent")
}

/// What the annotation of a failure says.
fn error(run: &Run) -> String {
    let line = run.stdout.lines().find_map(|line| line.strip_prefix("::error title=p2p::"));
    line.unwrap_or_else(|| panic!("{}", run.stdout)).replace("%0A", "\n")
}

#[test]
fn tags_come_from_the_api_and_the_commit_from_the_files() {
    let gate = scene();
    let first = gate.git(&["rev-parse", "HEAD~1"]);
    for patch in 4..9 {
        gate.remote.annotate(&format!("v1.2.{patch}"), &first);
    }
    gate.remote.tag("api-v9.9.9", &first);
    gate.remote.tag("v1", &first);
    gate.remote.annotate("v1.2.99-rc.1", &first);
    let gate = without_git(gate);
    let run = gate.run(&["version"]);
    assert_eq!((run.passed().output("version"), run.output("tag-created")), ("1.2.9", "true"));
    assert_eq!(gate.remote.tags()["v1.2.9"], gate.git(&["rev-parse", "HEAD"]));
    let again = gate.run(&["version"]);
    assert_eq!((again.passed().output("version"), again.output("tag-created")), ("1.2.9", "false"));
    // Every page was read: the loopback server gives four things a page.
    let asked = |what: &str| gate.github.requests().iter().filter(|seen| seen.path.contains(what)).count();
    assert!(asked("/matching-refs/") >= 2 + 3, "{}", asked("/matching-refs/"));
    // Only what is a version is followed to its commit.
    let tags = gate.git(&["ls-remote", gate.remote.path().to_str().unwrap(), "refs/tags/v1.2.99-rc.1"]);
    assert_eq!(asked(&format!("/git/tags/{}", &tags[..40])), 0);
}

/// As through git.
#[test]
fn a_number_that_is_too_large_is_an_error() {
    let gate = scene();
    gate.remote.tag("v1.2.99999999999999999999", &gate.head());
    let texts = [gate.run(&["version"]), gate.env("PATH", "/nonexistent").run(&["version"])].map(|run| {
        assert_eq!(run.code, 1);
        error(&run)
    });
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].contains("the version tag 'v1.2.99999999999999999999' has a number"), "{}", texts[0]);
}

#[test]
fn annotated_tags_lead_to_their_commits() {
    let gate = scene();
    gate.remote.annotate("v1.2.4", &gate.head());
    let gate = without_git(gate);
    let run = gate.run(&["version"]);
    assert_eq!((run.passed().output("version"), run.output("tag-created")), ("1.2.4", "false"));
}

#[test]
fn packed_refs_and_detached_heads_are_read() {
    let gate = scene();
    gate.git(&["pack-refs", "--all"]);
    let gate = without_git(gate);
    assert_eq!(gate.run(&["version"]).passed().output("version"), "1.2.4");
    gate.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(gate.run(&["version"]).passed().output("version"), "1.2.4");
}

/// What is checked out decides, also where only files tell it.
#[test]
fn another_commit_than_the_event_s_is_not_tagged() {
    let gate = scene();
    let (first, head) = (gate.git(&["rev-parse", "HEAD~1"]), gate.head());
    gate.git(&["checkout", "--quiet", "--detach", &first]);
    let before = gate.remote.tags();
    let gate = without_git(gate).sha(&head);
    let run = gate.run(&["version"]);
    assert_eq!(run.passed().output("version"), format!("1.2.3-{first}"));
    assert_eq!(gate.remote.tags(), before);
    // Unless it is the one that was asked for.
    let gate = gate.input("checkout-version", &first);
    assert_eq!(gate.run(&["version"]).passed().output("version"), "1.2.3");
}

#[test]
fn an_archive_in_place_of_a_checkout_is_refused() {
    let gate = scene();
    let head = gate.head();
    std::fs::remove_dir_all(gate.workspace().join(".git")).unwrap();
    let before = gate.remote.tags();
    let gate = without_git(gate).sha(&head);
    let run = gate.run(&["version"]);
    assert_eq!(run.code, 64);
    let text = error(&run).replace(gate.workspace().to_str().unwrap(), "[workspace]");
    insta::assert_snapshot!(text);
    assert_eq!(gate.remote.tags(), before);
}

#[test]
fn a_release_with_a_commit_of_its_own_needs_git() {
    let gate = without_git(scene()).input("release-commit", "child");
    let run = gate.run(&["version"]);
    assert_eq!(run.code, 64);
    insta::assert_snapshot!(error(&run));
}

#[test]
fn a_release_on_the_tested_commit_needs_none() {
    let gate = without_git(scene()).input("floating-tags", "major");
    gate.run(&["release"]).passed();
    assert_eq!(gate.remote.tags()["v1"], gate.git(&["rev-parse", "HEAD"]));
    assert_eq!(gate.github.releases().len(), 1);
}
