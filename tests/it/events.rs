//! The table event × ref × fork × HEAD: whether a version tag is created, and whether anything is
//! promoted. Each row is a test that runs the whole gate and looks at GitHub and the registry.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::Fault;

const PROMOTION: &str = "p2p-promote-to-extended-test";

/// `main` is one commit ahead of `v1.2.3`, and HEAD is its tip.
fn scene() -> Gate {
    Gate::new(MAKEFILE).tag("v1.2.3").commit("second")
}

/// Runs the gate; gives the tags it created and the versions it promoted, by the word of GitHub and
/// of the registry, and checks that the outputs say the same.
#[track_caller]
fn gate(scene: &Gate) -> (Run, BTreeMap<String, String>, Option<String>) {
    let before = scene.remote.tags();
    let run = scene.run(&["fast-feedback"]);
    run.passed();
    let mut created = scene.remote.tags();
    created.retain(|name, _| !before.contains_key(name));
    assert_eq!(run.output("tag-created"), (!created.is_empty()).to_string());

    let version = run.output("version");
    let tested = scene.registry.digest("test/shop", version);
    assert!(tested.is_some(), "every row builds, tests and records the image");
    let promoted = scene.registry.digest("extended-test/shop", version);
    if promoted.is_some() {
        assert_eq!(promoted, tested, "always the same image");
        assert_eq!(run.json("promoted")[0]["digest"], json!(promoted));
        assert_eq!(run.step(PROMOTION), "passed");
    } else {
        assert_eq!(run.json("promoted"), json!([]));
        assert_eq!(run.step(PROMOTION), "skipped");
        let writes = scene.registry.writes();
        assert!(!writes.iter().any(|entry| entry.path.contains("extended-test")), "{writes:?}");
    }
    let promoted = promoted.map(|_| version.to_owned());
    (run, created, promoted)
}

/// A tag is created on `commit`, and its version promoted.
#[track_caller]
fn tags_and_promotes(scene: &Gate, tag: &str, version: &str, commit: &str) {
    let (_, created, promoted) = gate(scene);
    assert_eq!(created, BTreeMap::from([(tag.to_owned(), commit.to_owned())]));
    assert_eq!(promoted.as_deref(), Some(version));
}

/// No tag is created; the version is promoted.
#[track_caller]
fn promotes(scene: &Gate, version: &str) {
    let (_, created, promoted) = gate(scene);
    assert_eq!(created, BTreeMap::new());
    assert_eq!(promoted.as_deref(), Some(version));
}

/// Neither; the log and the report say why.
#[track_caller]
fn neither(scene: &Gate, version: &str, why: &str) {
    let (run, created, promoted) = gate(scene);
    assert_eq!((created, promoted), (BTreeMap::new(), None));
    assert_eq!(run.output("version"), version);
    assert_eq!(run.output("version-tag"), "");
    let reason = format!("no version tag is created and nothing is promoted: {why}");
    assert!(run.stdout.contains(&reason), "{}", run.stdout);
    let skipped = run.report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(skipped["reason"].as_str().unwrap(), why);
}

/// What a commit has that gets no tag.
fn untagged(commit: &str) -> String {
    format!("1.2.3-{commit}")
}

fn event_never(event: &str) -> String {
    format!("the event `{event}` never tags or promotes")
}

fn wrong_ref(git_ref: &str) -> String {
    format!("`{git_ref}` is neither the main branch nor a version tag")
}

const FORK: &str = "a pull request from a fork never tags or promotes";

#[test]
fn push_to_main_tags_and_promotes() {
    let scene = scene();
    tags_and_promotes(&scene, "v1.2.4", "1.2.4", &scene.head());
}

#[test]
fn push_to_main_again_takes_its_tag_again() {
    let scene = scene();
    tags_and_promotes(&scene, "v1.2.4", "1.2.4", &scene.head());
    promotes(&scene, "1.2.4");
}

#[test]
fn push_to_a_branch_does_neither() {
    let scene = scene().git_ref("refs/heads/feature/main");
    neither(&scene, &untagged(&scene.head()), &wrong_ref("refs/heads/feature/main"));
}

#[test]
fn push_of_a_version_tag_promotes() {
    promotes(&scene().tag("v2.0.0").git_ref("refs/tags/v2.0.0"), "2.0.0");
}

#[test]
fn push_of_an_annotated_version_tag_promotes() {
    let scene = scene().git_ref("refs/tags/v2.0.0");
    scene.git(&["tag", "--annotate", "--message", "two", "v2.0.0"]);
    let object = scene.git(&["rev-parse", "refs/tags/v2.0.0"]);
    assert_ne!(object, scene.head());
    let remote = scene.remote.path().to_str().unwrap().to_owned();
    scene.git(&["push", "--quiet", &remote, "refs/tags/v2.0.0"]);
    promotes(&scene.sha(&object), "2.0.0");
}

#[test]
fn push_of_another_tag_does_neither() {
    for name in ["nightly", "v2.0.0-rc.1", "v2", "main", "refs/heads/main"] {
        let git_ref = format!("refs/tags/{name}");
        let scene = scene().git_ref(&git_ref);
        neither(&scene, &untagged(&scene.head()), &wrong_ref(&git_ref));
    }
}

#[test]
fn push_of_another_app_s_tag_does_neither() {
    let scene = scene().tag("api-v7.0.0").git_ref("refs/tags/api-v7.0.0");
    neither(&scene, &untagged(&scene.head()), &wrong_ref("refs/tags/api-v7.0.0"));
}

#[test]
fn push_of_the_plain_tag_does_neither_for_an_app_with_a_prefix() {
    let scene = scene().input("version-prefix", "api-v").tag("v7.0.0").git_ref("refs/tags/v7.0.0");
    let version = format!("0.0.0-{}", scene.head());
    neither(&scene, &version, &wrong_ref("refs/tags/v7.0.0"));
}

#[test]
fn push_of_the_app_s_own_tag_promotes() {
    let scene = scene().input("version-prefix", "team/api/").tag("team/api/7.0.0");
    promotes(&scene.git_ref("refs/tags/team/api/7.0.0"), "7.0.0");
}

#[test]
fn push_to_main_of_an_app_with_a_prefix_tags_with_it() {
    let scene = scene().input("version-prefix", "api-v");
    tags_and_promotes(&scene, "api-v0.0.1", "0.0.1", &scene.head());
}

/// A pull request of `full_name`: its head is a commit of its own, the merge commit is HEAD.
fn pull_request(full_name: &str) -> (Gate, String) {
    let scene = scene();
    scene.git(&["checkout", "--quiet", "-b", "topic"]);
    scene.git(&["commit", "--quiet", "--allow-empty", "--message", "work"]);
    let head = scene.head();
    scene.git(&["checkout", "--quiet", "main"]);
    scene.git(&["merge", "--quiet", "--no-ff", "--message", "merge", "topic"]);
    (scene.pull_request(full_name, &head).input("on-fork", "run"), head)
}

#[test]
fn a_pull_request_does_neither_and_is_named_by_its_head() {
    let (scene, head) = pull_request("acme/shop");
    assert_ne!(scene.head(), head);
    neither(&scene, &untagged(&head), &event_never("pull_request"));
}

#[test]
fn a_review_does_neither_and_is_named_by_the_pull_request_s_head() {
    let (mut scene, head) = pull_request("acme/shop");
    for event in ["pull_request_review", "pull_request_review_comment"] {
        scene = scene.event(event, json!({}));
        neither(&scene, &untagged(&head), &event_never(event));
    }
}

#[test]
fn a_pull_request_with_another_commit_checked_out_is_named_by_that_one() {
    let (scene, _) = pull_request("acme/shop");
    let merge = scene.head();
    scene.git(&["checkout", "--quiet", "HEAD~1"]);
    let scene = scene.sha(&merge);
    neither(&scene, &untagged(&scene.head()), &event_never("pull_request"));
}

#[test]
fn a_pull_request_does_neither_whatever_the_inputs_say() {
    let (scene, head) = pull_request("acme/shop");
    let merge = scene.head();
    let scene = scene
        .input("main-branch", "refs/pull/7/merge")
        .input("checkout-version", &merge)
        .input("promotion", "native");
    neither(&scene, &untagged(&head), &event_never("pull_request"));
    neither(&scene.git_ref("refs/heads/main"), &untagged(&head), &event_never("pull_request"));
}

#[test]
fn a_pull_request_from_a_fork_does_neither() {
    let (scene, head) = pull_request("mallory/shop");
    neither(&scene, &untagged(&head), FORK);
}

#[test]
fn a_pull_request_from_a_deleted_fork_does_neither() {
    let (scene, head) = pull_request("acme/shop");
    let gone = json!({"pull_request": {"number": 7, "head": {"sha": head, "repo": null}}});
    neither(&scene.event("pull_request", gone), &untagged(&head), FORK);
}

#[test]
fn a_fork_does_neither_on_an_event_that_may() {
    let (scene, _) = pull_request("mallory/shop");
    let scene = scene.event("push", json!({})).git_ref("refs/heads/main");
    neither(&scene, &untagged(&scene.head()), FORK);
}

/// What `pull_request_target` carries: the base branch's ref and commit.
fn target_event(head: &str, full_name: &str) -> Value {
    json!({"pull_request": {"number": 7, "head": {"sha": head, "repo": {"full_name": full_name}}}})
}

#[test]
fn pull_request_target_on_the_base_does_neither() {
    let (scene, head) = pull_request("acme/shop");
    scene.git(&["checkout", "--quiet", "HEAD~1"]);
    let scene =
        scene.event("pull_request_target", target_event(&head, "acme/shop")).git_ref("refs/heads/main");
    neither(&scene, &untagged(&scene.head()), &event_never("pull_request_target"));
}

#[test]
fn pull_request_target_on_the_pull_request_s_head_does_neither() {
    let (scene, head) = pull_request("acme/shop");
    let base = scene.git(&["rev-parse", "HEAD~1"]);
    scene.git(&["checkout", "--quiet", "topic"]);
    let scene = scene
        .event("pull_request_target", target_event(&head, "acme/shop"))
        .git_ref("refs/heads/main")
        .sha(&base)
        .input("checkout-version", &head);
    neither(&scene, &untagged(&head), &event_never("pull_request_target"));
}

#[test]
fn pull_request_target_from_a_fork_does_neither() {
    let (scene, head) = pull_request("mallory/shop");
    let scene =
        scene.event("pull_request_target", target_event(&head, "mallory/shop")).git_ref("refs/heads/main");
    neither(&scene, &untagged(&scene.head()), FORK);
}

#[test]
fn other_events_with_the_ref_of_main_do_neither() {
    for event in
        ["workflow_run", "issue_comment", "check_run", "deployment", "create", "workflow_call", "Push"]
    {
        let scene = scene().event(event, json!({}));
        neither(&scene, &untagged(&scene.head()), &event_never(event));
    }
}

#[test]
fn a_merge_group_does_neither() {
    let scene = scene().event("merge_group", json!({})).git_ref("refs/heads/gh-readonly-queue/main/pr-7-abc");
    neither(&scene, &untagged(&scene.head()), &event_never("merge_group"));
}

#[test]
fn a_release_does_neither_although_its_ref_is_a_version_tag() {
    let scene = scene().tag("v2.0.0").event("release", json!({})).git_ref("refs/tags/v2.0.0");
    neither(&scene, &format!("2.0.0-{}", scene.head()), &event_never("release"));
}

#[test]
fn a_schedule_tags_and_promotes() {
    let scene = scene().event("schedule", json!({"schedule": "0 4 * * *"}));
    tags_and_promotes(&scene, "v1.2.4", "1.2.4", &scene.head());
}

#[test]
fn a_repository_dispatch_tags_and_promotes() {
    let scene = scene().event("repository_dispatch", json!({"action": "go"}));
    tags_and_promotes(&scene, "v1.2.4", "1.2.4", &scene.head());
}

#[test]
fn a_workflow_dispatch_tags_and_promotes_on_main() {
    let scene = scene().event("workflow_dispatch", json!({}));
    tags_and_promotes(&scene, "v1.2.4", "1.2.4", &scene.head());
}

#[test]
fn a_workflow_dispatch_on_a_branch_does_neither() {
    let scene = scene().event("workflow_dispatch", json!({})).git_ref("refs/heads/topic");
    neither(&scene, &untagged(&scene.head()), &wrong_ref("refs/heads/topic"));
}

#[test]
fn a_workflow_dispatch_on_a_version_tag_promotes() {
    let scene = scene().event("workflow_dispatch", json!({})).tag("v1.3.0");
    promotes(&scene.git_ref("refs/tags/v1.3.0"), "1.3.0");
}

/// HEAD moved back to the commit before, while the event is about the tip of main.
fn moved() -> (Gate, String, String) {
    let scene = scene().commit("third");
    let tip = scene.head();
    scene.git(&["checkout", "--quiet", "HEAD~1"]);
    let head = scene.head();
    (scene.sha(&tip), head, tip)
}

#[test]
fn a_head_that_moved_away_does_neither() {
    let (scene, head, tip) = moved();
    let why = format!(
        "the checked-out commit {head} is neither the event's commit {tip} nor the one that \
         `checkout-version` names"
    );
    neither(&scene, &untagged(&head), &why);
    neither(&scene.input("checkout-version", &tip), &untagged(&head), &why);
}

#[test]
fn a_head_that_checkout_version_names_by_its_id_tags_and_promotes() {
    let (scene, head, _) = moved();
    tags_and_promotes(&scene.input("checkout-version", &head), "v1.2.4", "1.2.4", &head);
}

#[test]
fn a_head_that_checkout_version_names_by_a_tag_promotes_that_version() {
    let (scene, _, _) = moved();
    scene.git(&["checkout", "--quiet", "HEAD~1"]);
    scene.git(&["tag", "v1.2.3"]);
    promotes(&scene.input("checkout-version", "v1.2.3"), "1.2.3");
}

#[test]
fn a_head_that_checkout_version_names_by_a_branch_tags_and_promotes() {
    let (scene, head, _) = moved();
    scene.git(&["update-ref", "refs/remotes/origin/hotfix", &head]);
    tags_and_promotes(&scene.input("checkout-version", "hotfix"), "v1.2.4", "1.2.4", &head);
}

/// HEAD is a commit that `main` does not hold, and that only the head of a pull request leads to; the
/// event is a dispatch on `main`. Gives that commit and the one of `main`.
fn foreign() -> (Gate, String, String) {
    let scene = scene().event("workflow_dispatch", json!({}));
    let main = scene.head();
    scene.git(&["checkout", "--quiet", "-b", "topic"]);
    scene.git(&["commit", "--quiet", "--allow-empty", "--message", "anybody's"]);
    let head = scene.head();
    (scene.push("refs/pull/7/head").sha(&main), head, main)
}

#[test]
fn a_head_outside_main_that_checkout_version_names_does_neither() {
    let (mut scene, head, main) = foreign();
    let why = format!(
        "the commit {head} that `checkout-version` names is neither in the history of the event's commit {main} nor \
         on a version tag: it may be anybody's"
    );
    scene.git(&["update-ref", "refs/remotes/origin/topic", &head]);
    for event in ["workflow_dispatch", "repository_dispatch", "schedule", "push"] {
        scene = scene.event(event, json!({}));
        for name in [head.as_str(), "topic", "refs/heads/topic", "v1.2.3-rc.1"] {
            scene.git(&["tag", "--force", "v1.2.3-rc.1"]);
            scene = scene.input("checkout-version", name);
            neither(&scene, &untagged(&head), &why);
        }
    }
    let run = scene.run(&["release"]);
    run.ended(64);
    assert!(run.stdout.contains(&format!("nothing is released: {why}")), "{}", run.stdout);
}

/// actions/checkout puts `refs/pull/7/head` at `refs/remotes/pull/7/head`.
#[test]
fn a_pull_request_that_checkout_version_names_does_neither() {
    for name in ["refs/pull/7/head", "refs/pull/7/merge"] {
        let (scene, head, _) = foreign();
        scene.git(&["update-ref", &name.replace("refs/", "refs/remotes/"), &head]);
        let scene = scene.input("checkout-version", name).input("on-fork", "run");
        let why =
            format!("`checkout-version` names the pull request `{name}`, which is never tagged or promoted");
        neither(&scene, &untagged(&head), &why);
        // Nor where main has the commit by now.
        let scene = scene.push("refs/heads/main").commit("after");
        let tip = scene.head();
        scene.git(&["checkout", "--quiet", &head]);
        neither(&scene.sha(&tip), &untagged(&head), &why);
    }
}

/// The local tag may be anybody's; the remote repository's is of who may push.
#[test]
fn a_head_outside_main_that_is_named_by_its_version_tag_promotes_that_version() {
    for name in ["v1.2.4", "refs/tags/v1.2.4"] {
        let (scene, head, _) = foreign();
        scene.git(&["tag", "v1.2.4"]);
        let scene = scene.input("checkout-version", name);
        let (_, created, promoted) = gate(&scene);
        assert_eq!((created, promoted), (BTreeMap::new(), None));
        scene.remote.tag("v1.2.4", &scene.git(&["rev-parse", "main"]));
        let (_, created, promoted) = gate(&scene);
        assert_eq!((created, promoted), (BTreeMap::new(), None), "the remote's is on another commit");
        scene.remote.tag("v1.2.4", &head);
        promotes(&scene, "1.2.4");
    }
}

#[test]
fn a_head_of_which_nobody_says_whether_it_is_main_s_is_an_error() {
    let (scene, head, _) = moved();
    let scene = scene.input("checkout-version", &head);
    let what = format!("it is not known whether the commit {head} that `checkout-version` names is the main");
    for (status, code) in [(401, 69), (404, 69), (500, 69)] {
        scene.github.fault(move |seen| {
            let asks = seen.path.contains("/compare/") || seen.path.ends_with("/shop");
            asks.then(|| Fault::error(status, "No").header("retry-after", "0"))
        });
        let run = scene.run(&["fast-feedback"]);
        run.ended(code);
        assert!(run.stdout.contains(&what), "{}", run.stdout);
    }
    scene.github.fault(|_| None);
    let run = scene.input("github-token", "").run(&["fast-feedback", "--version", "9.9.9"]);
    run.ended(64);
    assert!(run.stdout.contains(&what) && run.stdout.contains("no GitHub token was given"), "{}", run.stdout);
}

/// Only where it decides something.
#[test]
fn nobody_is_asked_whether_a_head_is_main_s_where_nothing_hangs_on_it() {
    let (scene, head, _) = moved();
    let scene = scene.input("checkout-version", &head);
    scene.run(&["run", "p2p-build"]).passed();
    let scene = scene.git_ref("refs/heads/topic");
    scene.run(&["fast-feedback"]).passed();
    let scene = scene.git_ref("refs/heads/main").sha(&head);
    scene.run(&["fast-feedback"]).passed();
    let asked = scene.github.requests().into_iter().filter(|seen| seen.path.contains("/compare/")).count();
    assert_eq!(asked, 0);
}

#[test]
fn a_commit_named_beside_a_version_tag_does_not_take_the_tag_s_number() {
    let (scene, head, _) = moved();
    let scene = scene.git_ref("refs/tags/v2.0.0").input("checkout-version", &head);
    let reason = format!("`refs/tags/v2.0.0` is the tag of another commit than the checked-out {head}");
    neither(&scene, &untagged(&head), &reason);
}

#[test]
fn a_commit_that_checkout_version_names_and_nobody_has_is_an_error() {
    let scene = scene().input("checkout-version", "v9.9.9");
    let run = scene.run(&["fast-feedback"]);
    run.ended(64);
    assert!(run.stdout.contains("the input `checkout-version` is \"v9.9.9\""), "{}", run.stdout);
    assert_eq!(scene.registry.requests(), []);
}

#[test]
fn the_main_branch_may_be_called_otherwise() {
    for (input, git_ref) in [
        ("master", "refs/heads/master"),
        ("refs/heads/trunk", "refs/heads/trunk"),
        ("release/2.x", "refs/heads/release/2.x"),
    ] {
        let scene = scene().input("main-branch", input).git_ref(git_ref);
        tags_and_promotes(&scene, "v1.2.4", "1.2.4", &scene.head());
    }
    let scene = scene().input("main-branch", "master");
    neither(&scene, &untagged(&scene.head()), &wrong_ref("refs/heads/main"));
}

#[test]
fn a_given_version_is_promoted_and_nothing_is_created() {
    promotes(&scene().input("version", "9.9.9"), "9.9.9");
}

#[test]
fn a_given_version_does_not_promote_a_pull_request() {
    let (scene, _) = pull_request("acme/shop");
    neither(&scene.input("version", "9.9.9"), "9.9.9", &event_never("pull_request"));
}

/// What `p2p-version.yaml` gives an app for the push of another app's tag; the reusable workflow of fast
/// feedback does not know the app's prefix.
#[test]
fn a_given_version_is_not_promoted_on_the_tag_of_another() {
    let scene = scene().tag("v2.0.0").git_ref("refs/tags/v2.0.0");
    let given = untagged(&scene.head());
    let why =
        format!("the version {given} ends in a commit's id: its image comes from a branch or a pull request");
    neither(&scene.input("version", &given), &given, &why);
    let scene = self::scene().tag("v2.0.0").git_ref("refs/tags/v2.0.0").input("version", "3.0.9");
    let why = "`v2.0.0` is not the tag of the version 3.0.9, which the input `version` gives";
    neither(&scene, "3.0.9", why);
    promotes(&scene.input("version", "2.0.0"), "2.0.0");
}

#[test]
fn the_version_of_a_branch_is_not_promoted_on_main() {
    let scene = scene();
    for commit in [scene.head(), "b".repeat(40), "b".repeat(64)] {
        let given = format!("1.2.3-{commit}");
        let why = format!(
            "the version {given} ends in a commit's id: its image comes from a branch or a pull request"
        );
        let scene = self::scene().input("version", &given);
        neither(&scene, &given, &why);
        let run = scene.run(&["promote", "extended-test"]);
        assert_eq!(run.passed().step(PROMOTION), "skipped");
    }
}

#[test]
fn the_command_promote_obeys_the_same_table() {
    let scene = scene().input("version", "9.9.9");
    scene.run(&["run", "p2p-build"]).passed();
    let branch = scene.git_ref("refs/heads/topic");
    let run = branch.run(&["promote", "extended-test"]);
    assert_eq!(run.passed().step(PROMOTION), "skipped");
    assert_eq!(branch.registry.digest("extended-test/shop", "9.9.9"), None);
    let main = branch.git_ref("refs/heads/main").input("promotion-record", "expected");
    let run = main.run(&["promote", "extended-test"]);
    assert_eq!(run.passed().step(PROMOTION), "passed");
    assert!(main.registry.digest("extended-test/shop", "9.9.9").is_some());
}

#[test]
fn the_command_version_obeys_the_same_table() {
    let scene = scene().git_ref("refs/heads/topic");
    let run = scene.run(&["version"]);
    assert_eq!(run.passed().output("version"), untagged(&scene.head()));
    assert_eq!(scene.remote.tags().len(), 1);
    let scene = scene.git_ref("refs/heads/main");
    let run = scene.run(&["version"]);
    assert_eq!(run.passed().output("version-tag"), "v1.2.4");
    assert_eq!(scene.remote.tags()["v1.2.4"], scene.head());
}
