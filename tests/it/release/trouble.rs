//! Tags that somebody moved or deleted, files that are not what they were, and what GitHub refuses.

use super::{failure, floating, scene, shown};
use crate::support::gate::Gate;
use crate::support::github::{Asset, Fault};

#[test]
fn tags_that_were_deleted_or_moved_are_reported() {
    let gate = scene();
    let (first, head) = (gate.remote.tags()["v1.2.3"].clone(), gate.head());
    let mut texts = Vec::new();
    let mut refused = |gate: &Gate| {
        let run = gate.run(&["release"]);
        assert_ne!(run.code, 0);
        assert_eq!(floating(gate), [None, None]);
        texts.push(shown(gate, &run));
    };
    // An earlier job said 1.2.4: its tag is gone, then on another commit.
    let gate = gate.input("version", "1.2.4");
    refused(&gate);
    gate.remote.tag("v1.2.4", &first);
    refused(&gate);
    // The push of a tag that is not there any more, then elsewhere.
    let gate = gate.input("version", "").git_ref("refs/tags/v1.2.5");
    refused(&gate);
    gate.remote.tag("v1.2.5", &first);
    refused(&gate);
    gate.remote.tag("v1.2.5", &head);
    gate.run(&["release"]).passed();
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_floating_tag_on_no_release_is_reported_and_stays() {
    let gate = scene().commit("no release");
    gate.remote.tag("v1", &gate.head());
    let gate = gate.commit("third");
    let before = gate.remote.tags()["v1"].clone();
    let run = gate.run(&["release"]);
    assert_eq!(run.code, 1);
    assert_eq!(floating(&gate), [Some(before), None]);
    insta::assert_snapshot!(shown(&gate, &run));
}

#[test]
fn a_published_file_is_never_replaced_and_a_draft_s_is() {
    let gate = scene();
    gate.run(&["release"]).passed();
    let gate = gate.file("dist/p2p-macos", "another binary");
    let run = gate.run(&["release"]);
    assert_eq!(run.code, 1);
    assert!(failure(&run).contains("has a file p2p-macos with other content"), "{}", failure(&run));

    // The same in a draft, and an upload that broke off.
    gate.github.meddle(|releases| {
        releases[0].draft = true;
        let broken = Asset { id: 99, name: "p2p-linux".into(), content: Vec::new(), state: "starter" };
        releases[0].assets[0] = broken;
    });
    gate.run(&["release"]).passed();
    let release = &gate.github.releases()[0];
    let mut files: Vec<_> =
        release.assets.iter().map(|asset| (asset.name.as_str(), asset.content.as_slice())).collect();
    files.sort_unstable();
    assert_eq!(files, [("p2p-linux", &b"binary of linux"[..]), ("p2p-macos", b"another binary")]);
    assert!(!release.draft);
}

/// The repository has immutable releases: what is there is compared, and what is missing stays so.
#[test]
fn an_immutable_release_is_completed_by_nothing() {
    let gate = scene();
    gate.run(&["release"]).passed();
    gate.github.fault(|seen| {
        let changes = seen.method != "GET" && (seen.line().contains("/assets") || seen.moves_tags());
        changes.then(|| Fault::error(422, "Cannot upload assets to an immutable release."))
    });
    gate.run(&["release"]).passed();
    gate.github.meddle(|releases| {
        releases[0].assets.pop();
    });
    let run = gate.run(&["release"]);
    assert_eq!(run.code, 69);
    let text = failure(&run);
    assert!(
        text.contains("the release is immutable (422: Cannot upload assets to an immutable release.)"),
        "{text}"
    );
    assert!(text.contains("release the next version"), "{text}");
}

#[test]
fn refusals_say_what_to_do() {
    let gate = scene();
    let mut texts = Vec::new();
    for (step, fault) in [
        (
            "POST /git/refs",
            Fault::error(
                422,
                "Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n",
            ),
        ),
        ("POST /git/refs", Fault::error(403, "Resource not accessible by integration")),
        ("POST /releases", Fault::error(403, "Resource not accessible by integration")),
        (
            "/graphql",
            Fault::answer(
                200,
                r#"{"data":{"updateRefs":null},"errors":[{"type":"FORBIDDEN","message":"refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yaml` without `workflows` permission"}]}"#,
            ),
        ),
        (
            "/graphql",
            Fault::answer(
                200,
                r#"{"errors":[{"message":"Something went wrong while executing your query."}]}"#,
            ),
        ),
    ] {
        gate.github
            .fault(move |seen| (seen.method != "GET" && seen.line().ends_with(step)).then(|| fault.clone()));
        let run = gate.run(&["release"]);
        assert_eq!(run.code, 69, "{}", failure(&run));
        texts.push(shown(&gate, &run));
    }
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn inputs_that_would_be_passed_over_are_refused() {
    let mut texts = Vec::new();
    for (command, inputs) in [
        ("fast-feedback", &[("release-assets", "")][..]),
        ("version", &[]),
        ("version", &[("release-assets", ""), ("version", "1.2.4")]),
        ("release", &[("release-files", "README.md")]),
        ("release", &[("release-assets", "nothing/*")]),
        ("release", &[("floating-tags", "latest")]),
        ("release", &[("release-notes", "NOTES.md")]),
    ] {
        let gate = inputs.iter().fold(scene(), |gate, (name, value)| gate.input(name, value));
        let run = gate.run(&[command]);
        assert_eq!(run.code, 64, "{command} {inputs:?}");
        texts.push(shown(&gate, &run));
    }
    insta::assert_snapshot!(texts.join("\n\n"));
}
