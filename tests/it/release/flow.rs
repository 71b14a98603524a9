//! The way of a release: tag, draft, files, publication, floating tags; and again.

use super::{failure, floating, published, scene};
use crate::support::github::{Fault, Seen};

#[test]
fn a_release_has_its_tag_its_files_and_the_floating_tags() {
    let gate = scene();
    let run = gate.run(&["release"]);
    run.passed();
    let head = gate.head();
    assert_eq!(
        (run.output("version"), run.output("version-tag"), run.output("tag-created")),
        ("1.2.4", "v1.2.4", "true")
    );
    assert_eq!(gate.remote.tags()["v1.2.4"], head);
    assert_eq!(floating(&gate), [Some(head.clone()), Some(head)]);
    let releases = gate.github.releases();
    let [release] = releases.as_slice() else { panic!("{releases:?}") };
    assert_eq!((release.tag.as_str(), release.draft, release.latest), ("v1.2.4", false, true));
    assert_eq!(release.body, "Changes since v1.2.3");
    let files: Vec<_> =
        release.assets.iter().map(|asset| (asset.name.as_str(), asset.content.as_slice())).collect();
    assert_eq!(files, [("p2p-linux", &b"binary of linux"[..]), ("p2p-macos", b"binary of macos")]);

    // What everybody sees comes last, and each step only after the one before it.
    let order: Vec<String> =
        gate.github.requests().iter().filter(|seen| changes(seen)).map(Seen::line).collect();
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    let id = release.id;
    let (assets, publish) = (format!("POST /releases/{id}/assets"), format!("PATCH /releases/{id}"));
    let wanted = [
        "POST /git/refs",
        "POST /releases/generate-notes",
        "POST /releases",
        &assets,
        &assets,
        &publish,
        "POST /api/graphql",
    ];
    assert_eq!(order, wanted);
}

fn changes(seen: &Seen) -> bool {
    seen.method != "GET" && !seen.path.ends_with("/git-upload-pack")
}

#[test]
fn a_release_that_is_there_stays_as_it_is() {
    let gate = scene();
    gate.run(&["release"]).passed();
    let (tags, releases, requests) =
        (gate.remote.tags(), gate.github.releases(), gate.github.requests().len());
    let again = gate.run(&["release"]);
    again.passed();
    assert_eq!((again.output("version"), again.output("tag-created")), ("1.2.4", "false"));
    assert_eq!((gate.remote.tags(), gate.github.releases()), (tags, releases));
    assert!(!gate.github.requests()[requests..].iter().any(changes));
}

/// Wherever a release breaks off, the floating tags are on the last good one; run again, it is whole
/// and has the same version.
#[test]
fn each_failure_leaves_the_floating_tags_where_they_are_and_is_made_good() {
    let mut gate = scene();
    gate.run(&["release"]).passed();
    let steps = [
        "POST /git/refs",
        "POST /releases/generate-notes",
        "POST /releases",
        "/assets",
        "PATCH /releases",
        "/graphql",
    ];
    for (patch, step) in (5..).zip(steps) {
        let before = floating(&gate);
        gate = gate.commit(step);
        let mut left = 2;
        gate.github.fault(move |seen| {
            // The second file, so that one is there already.
            let hit = seen.method != "GET" && seen.line().contains(step);
            left -= i32::from(hit);
            let only = step != "/assets" || left <= 0;
            (hit && only).then(|| Fault::error(400, "Broken for the test"))
        });
        let run = gate.run(&["release"]);
        assert_ne!(run.code, 0, "{step}");
        assert!(failure(&run).contains("Broken for the test"), "{step}: {}", failure(&run));
        assert_eq!(floating(&gate), before, "{step}");

        gate.github.fault(|_| None);
        let again = gate.run(&["release"]);
        again.passed();
        assert_eq!(again.output("version"), format!("1.2.{patch}"), "{step}");
        let head = Some(gate.head());
        assert_eq!(floating(&gate), [head.clone(), head], "{step}");
        let releases = gate.github.releases();
        assert_eq!(releases.len(), usize::try_from(patch - 3).unwrap(), "one release a version: {step}");
        assert!(releases.iter().all(|release| !release.draft));
        assert_eq!(published(&gate)[&format!("v1.2.{patch}")], ["p2p-linux", "p2p-macos"], "{step}");
    }
}

/// The same with a server that fails for a moment, before or after the effect: nobody notices.
#[test]
fn failures_that_pass_are_not_noticed() {
    for after in [false, true] {
        let gate = scene();
        let mut seen_lines = Vec::new();
        gate.github.fault(move |seen| {
            let line = format!("{} {}", seen.line(), seen.query);
            if !changes(seen) || seen_lines.contains(&line) {
                return None;
            }
            seen_lines.push(line);
            let fault = Fault::error(502, "Bad Gateway").header("retry-after", "0");
            Some(if after { fault.after_effect() } else { fault })
        });
        gate.run(&["release"]).passed();
        let head = Some(gate.head());
        assert_eq!(floating(&gate), [head.clone(), head]);
        assert_eq!(
            published(&gate),
            [("v1.2.4".into(), vec!["p2p-linux".into(), "p2p-macos".into()])].into()
        );
        assert_eq!(gate.github.releases().len(), 1);
    }
}

/// Two releases of one version at once: the draft is one, and everybody succeeds.
#[test]
fn the_same_release_at_once_is_one_release() {
    let gate = scene();
    let runs: Vec<_> = (0..4).map(|_| gate.start(&["release"])).collect();
    for run in runs {
        run.end().passed();
    }
    assert_eq!(published(&gate), [("v1.2.4".into(), vec!["p2p-linux".into(), "p2p-macos".into()])].into());
    assert_eq!(gate.github.releases().len(), 1);
}

/// Another run publishes the version after this one looked for it, and before this one has a draft. Or this one's
/// draft goes while it uploads to it, because the other run has no use for it.
#[test]
fn a_release_that_another_run_published_first_leaves_no_draft() {
    let gate = scene();
    gate.run(&["release"]).passed();
    let mut first = true;
    gate.github.fault(move |seen| {
        let hidden = seen.line().contains("/releases/tags/") && std::mem::take(&mut first);
        hidden.then(|| Fault::error(404, "Not Found"))
    });
    gate.run(&["release"]).passed();
    assert_eq!(gate.github.releases().len(), 1);
    assert_eq!(published(&gate), [("v1.2.4".into(), vec!["p2p-linux".into(), "p2p-macos".into()])].into());
    let mut seen_lines = Vec::new();
    gate.github.fault(move |seen| {
        let line = seen.line();
        let gone = line.contains("/releases/tags/") || seen.method == "POST" && line.ends_with("/assets");
        let first = gone && !seen_lines.contains(&line);
        seen_lines.push(line);
        first.then(|| Fault::error(404, "Not Found"))
    });
    gate.run(&["release"]).passed();
    assert_eq!(gate.github.releases().len(), 1);
}

/// A maintenance release of an older line moves that line's own tags only.
#[test]
fn an_older_line_takes_nothing_from_a_newer_one() {
    let gate = scene();
    gate.run(&["release"]).passed();
    let newest = gate.head();
    // 2.0.0 by hand, then a fix for 1.1 and one for 1.2, each on a commit of its own.
    let gate = gate.commit("major").tag("v2.0.0").git_ref("refs/tags/v2.0.0");
    gate.run(&["release"]).passed();
    let major = gate.head();
    let gate = gate.commit("old fix").tag("v1.1.9").git_ref("refs/tags/v1.1.9");
    gate.run(&["release"]).passed();
    let tags = gate.remote.tags();
    assert_eq!(tags["v1.1"], gate.head());
    for (name, commit) in [("v1", &newest), ("v1.2", &newest), ("v2", &major), ("v2.0", &major)] {
        assert_eq!(&tags[name], commit, "{name}");
    }
    let latest: Vec<_> = gate.github.releases().into_iter().filter(|release| release.latest).collect();
    assert_eq!(latest[0].tag, "v2.0.0");
}

#[test]
fn version_moves_the_floating_tags_and_makes_no_release() {
    let gate = scene().input("release-assets", "").input("version-prefix", "team/api/");
    gate.run(&["version"]).passed();
    let (tags, head) = (gate.remote.tags(), gate.head());
    for name in ["team/api/0.0.1", "team/api/0", "team/api/0.0"] {
        assert_eq!(tags[name], head, "{name}");
    }
    assert!(!tags.contains_key("v1"));
    assert!(gate.github.releases().is_empty());
}

#[test]
fn a_pull_request_moves_nothing_and_releases_nothing() {
    let gate = scene().input("release-assets", "");
    let head = gate.head();
    let gate = gate.pull_request("acme/shop", &head);
    let before = gate.remote.tags();
    gate.run(&["version"]).passed();
    let run = gate.run(&["release"]);
    assert_eq!(run.code, 64);
    assert!(failure(&run).contains("nothing is released"), "{}", failure(&run));
    assert_eq!(gate.remote.tags(), before);
    assert!(gate.github.releases().is_empty());
}
