//! The first version tag of a prefix, and tags without any.

use crate::support::gate::{Gate, MAKEFILE};

/// A repository whose versions have no prefix, up to `1.2.3`; other tags too, one a commit after it.
fn scene() -> Gate {
    Gate::new(MAKEFILE).tag("1.2.3").tag("1.2").tag("nightly").tag("2.0.0-rc.1").commit("second")
}

#[test]
fn versions_without_a_prefix_are_no_reason_to_begin_anew() {
    for (command, path) in [("version", ""), ("fast-feedback", ""), ("version", "/nonexistent")] {
        let gate = scene();
        let head = gate.head();
        let gate = if path.is_empty() { gate } else { gate.env("PATH", path) };
        for arguments in [&[command][..], &[command, "--dry-run"]] {
            let run = gate.run(arguments);
            run.ended(64);
            let message = &run.stdout;
            assert!(
                message
                    .contains("no version tag 'v…' yet, but there are tags without a prefix, up to '1.2.3'")
            );
            assert!(message.contains("set `version-prefix: none`"), "{message}");
            assert!(message.contains(&format!("git push origin '{head}:refs/tags/v0.1.0'")), "{message}");
        }
        assert!(!gate.remote.tags().contains_key("v0.0.1"));
    }
}

#[test]
fn no_prefix_goes_on_from_them() {
    let gate = scene().input("version-prefix", "none");
    let run = gate.run(&["version"]);
    assert_eq!((run.passed().output("version"), run.output("version-tag")), ("1.2.4", "1.2.4"));
    assert_eq!(gate.remote.tags()["1.2.4"], gate.head());
    let gate = gate.git_ref("refs/tags/1.2.4");
    assert_eq!(gate.run(&["fast-feedback"]).passed().output("version"), "1.2.4");
}

#[test]
fn who_has_begun_or_chose_a_prefix_or_creates_nothing_is_not_asked() {
    let gate = scene().input("version-prefix", "api-v");
    assert_eq!(gate.run(&["version"]).passed().output("version-tag"), "api-v0.0.1");
    let gate = scene().tag("v0.1.0").commit("third");
    assert_eq!(gate.run(&["version"]).passed().output("version-tag"), "v0.1.1");
    let gate = scene();
    gate.run(&["run", "p2p-build"]).passed();
    let gate = gate.git_ref("refs/heads/topic");
    gate.run(&["version"]).passed();
}

#[test]
fn a_given_version_with_its_prefix_is_taken_as_it_is_and_warned_of() {
    let warnings = |prefix: &str, version: &str| {
        let gate = Gate::new(MAKEFILE).input("version-prefix", prefix).input("version", version);
        let run = gate.run(&["run", "p2p-build"]);
        assert_eq!(run.passed().output("version"), version);
        run.report["warnings"].to_string()
    };
    assert!(warnings("v", "v1.2.3").contains("did you mean 1.2.3?"));
    assert!(warnings("api-v", "api-v1.2.3-rc.1").contains("did you mean 1.2.3-rc.1?"));
    for (prefix, version) in [("v", "1.2.3"), ("v", "vienna"), ("none", "1.2.3"), ("api-v", "v1.2.3")] {
        assert_eq!(warnings(prefix, version), "[]", "{prefix} {version}");
    }
}
