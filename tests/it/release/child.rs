//! A release whose tag is on a commit of its own, a child of the one under test.

use super::{floating, published, scene, shown};
use crate::support::gate::Gate;

/// What a release job does before: files that only the release holds.
fn prepared(version: &str) -> Gate {
    let gate = scene()
        .input("release-commit", "child")
        .file("scripts/start", "#!/bin/sh\n")
        .file("README.md", "Use @main.\n")
        .commit("third");
    manifest(gate, version)
}

fn manifest(gate: Gate, version: &str) -> Gate {
    gate.file("dist/manifest.json", &format!("{{\"version\": \"{version}\"}}\n"))
        .file("README.md", &format!("Use @v{version}.\n"))
        .input("version", version)
        .input("release-files", "dist/manifest.json\nREADME.md\ndist/p2p-*")
}

/// `p2p version`, as the first job runs it: without what only the release has.
fn version(gate: Gate) -> (Gate, String) {
    let gate = ["version", "release-files", "release-assets"]
        .into_iter()
        .fold(gate, |gate, name| gate.input(name, ""));
    let run = gate.run(&["version"]);
    run.passed();
    let version = run.output("version").to_owned();
    (gate.input("release-assets", "dist/p2p-*"), version)
}

#[test]
fn the_tag_is_on_a_child_that_no_branch_has() {
    let gate = prepared("1.2.4");
    std::fs::write(gate.workspace().join("dist/p2p-linux"), [0, 159, 146, 150]).unwrap();
    let run = gate.run(&["release"]);
    run.passed();
    assert_eq!(
        (run.output("version"), run.output("version-tag"), run.output("tag-created")),
        ("1.2.4", "v1.2.4", "true")
    );
    let (head, tag) = (gate.head(), gate.remote.tags()["v1.2.4"].clone());
    let show = |what: &str| gate.remote.git(&["show", &format!("v1.2.4:{what}")]);
    assert_eq!(gate.remote.git(&["rev-parse", "v1.2.4^"]), head);
    assert_eq!(gate.remote.git(&["rev-parse", "main"]), head);
    assert_eq!(gate.remote.git(&["for-each-ref", "--contains", &tag, "refs/heads"]), "");
    assert_eq!((show("README.md"), show("scripts/start")), ("Use @v1.2.4.".into(), "#!/bin/sh".into()));
    assert_eq!(gate.remote.git(&["show", "main:README.md"]), "Use @main.");
    let size = gate.remote.git(&["cat-file", "-s", "v1.2.4:dist/p2p-linux"]);
    assert_eq!((size.as_str(), show("dist/manifest.json").as_str()), ("4", "{\"version\": \"1.2.4\"}"));
    assert_eq!(floating(&gate), [Some(tag.clone()), Some(tag)]);
    assert_eq!(published(&gate)["v1.2.4"], ["p2p-linux", "p2p-macos"]);
}

#[test]
fn a_commit_finds_its_release_again_and_the_next_one_takes_the_next_version() {
    let (gate, first) = version(prepared("1.2.4"));
    assert_eq!(first, "1.2.4");
    assert!(!gate.remote.tags().contains_key("v1.2.4"), "`version` creates nothing");
    let gate = manifest(gate, "1.2.4");
    gate.run(&["release"]).passed();
    let tags = gate.remote.tags();

    // The whole workflow again on the same commit.
    let (gate, again) = version(gate);
    assert_eq!(again, "1.2.4");
    let gate = manifest(gate, "1.2.4");
    let run = gate.run(&["release"]);
    run.passed();
    assert_eq!(run.output("tag-created"), "false");
    assert_eq!((gate.remote.tags(), gate.github.releases().len()), (tags, 1));

    // An ordinary tag on the commit before is not taken for this commit's: it is that one's own.
    let gate = gate.input("version", "").commit("fourth");
    let (gate, next) = version(gate);
    assert_eq!(next, "1.2.5");
    let gate = manifest(gate, "1.2.5");
    gate.run(&["release"]).passed();
    let tag = gate.remote.tags()["v1.2.5"].clone();
    assert_eq!(floating(&gate), [Some(tag.clone()), Some(tag)]);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let gate = prepared("1.2.4");
    gate.run(&["release"]).passed();
    let (tags, mut texts) = (gate.remote.tags(), Vec::new());
    let mut refused = |gate: &Gate| {
        let run = gate.run(&["release"]);
        assert_ne!(run.code, 0);
        assert_eq!(gate.remote.tags(), tags);
        texts.push(shown(gate, &run));
    };
    // Other bytes, another version for the same commit, none at all, and another commit's version.
    let gate = gate.file("README.md", "Use something else.\n");
    refused(&gate);
    let gate = manifest(gate, "1.2.5");
    refused(&gate);
    let gate = gate.commit("fourth").input("version", "");
    refused(&gate);
    let gate = manifest(gate, "1.2.4");
    refused(&gate);
    let gate = gate.input("version", "1.2");
    refused(&gate);
    let gate = gate.input("version", "1.2.9").input("release-files", "dist/none-*");
    refused(&gate);
    let gate = gate.input("release-files", "README.md").input("release-commit", "own");
    refused(&gate);
    insta::assert_snapshot!(texts.join("\n\n"));
}
