//! Events other than a push of the main branch.

use serde_json::json;

use super::{Job, MAKEFILE, Scene};
use crate::support::github::Seen;
use crate::support::github::pull_request;

#[test]
fn a_pull_request_is_tested_as_its_head_and_leaves_nothing() {
    let scene = Scene::new(&[("Makefile", MAKEFILE), ("quiet/Makefile", MAKEFILE)]);
    scene.repository.git(&["checkout", "--quiet", "-b", "feature", "HEAD~1"]);
    let feature = scene.repository.commit("feature");
    scene.repository.git(&["checkout", "--quiet", "--detach", "main"]);
    scene.repository.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "feature"]);
    let jobs = [
        Job::new("gate"),
        Job::new("quiet").apart().with("version-prefix", "v").with("integration-on-prs", "False"),
    ];
    let ended = scene.event("pull_request", pull_request(&feature), &jobs);
    ended.run.passed();

    let version = format!("1.2.3-{feature}");
    for job in ["gate", "quiet"] {
        for (output, value) in [
            ("version", version.as_str()),
            ("previous-version", "1.2.3"),
            ("version-tag", ""),
            ("tag-created", "false"),
            ("promoted", "[]"),
            ("result", "success"),
        ] {
            assert_eq!(ended.output(job, output), value, "{job}: {output}");
        }
    }
    let steps = |integration: &str| {
        [
            "preflight passed",
            "version passed",
            "p2p-build passed",
            "images passed",
            "p2p-functional passed",
            "p2p-nft passed",
            &format!("p2p-integration {integration}"),
            "p2p-promote-to-extended-test skipped",
        ]
        .map(str::to_owned)
    };
    assert_eq!(ended.steps("gate"), steps("passed"));
    assert_eq!(ended.steps("quiet"), steps("skipped"));
    assert_eq!(
        ended.json("gate", "images")[0]["digest"],
        scene.registry.digest(&format!("shop/test/web:{version}")).as_str()
    );
    assert_eq!(scene.registry.tags("shop/extended-test/web"), [""; 0]);
    assert_eq!(scene.bare.tags().keys().collect::<Vec<_>>(), ["v1.2.3"]);
    assert!(!scene.github.requests().iter().any(Seen::creates_ref));
    let log = ended.log("gate");
    assert!(log.contains("p2p-promote-to-extended-test skipped: the event `pull_request`"), "{log}");
}

#[test]
fn a_version_tag_is_promoted_and_another_tag_is_not() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    scene.bare.tag("v2.0.0", &scene.head);
    scene.bare.tag("nightly", &scene.head);
    let tags = scene.bare.tags();

    let ended = scene.event("push", json!({"ref": "refs/tags/v2.0.0"}), &[Job::new("gate")]);
    ended.run.passed();
    for (output, value) in [
        ("version", "2.0.0"),
        ("previous-version", "1.2.3"),
        ("version-tag", "v2.0.0"),
        ("tag-created", "false"),
        ("result", "success"),
    ] {
        assert_eq!(ended.output("gate", output), value, "{output}");
    }
    assert_eq!(
        scene.registry.digest("shop/extended-test/web:2.0.0"),
        scene.registry.digest("shop/test/web:2.0.0")
    );

    let ended = scene.event("push", json!({"ref": "refs/tags/nightly"}), &[Job::new("gate")]);
    ended.run.passed();
    let version = format!("2.0.0-{}", scene.head);
    for (output, value) in [
        ("version", version.as_str()),
        ("previous-version", "2.0.0"),
        ("version-tag", ""),
        ("tag-created", "false"),
        ("promoted", "[]"),
        ("result", "success"),
    ] {
        assert_eq!(ended.output("gate", output), value, "{output}");
    }
    assert_eq!(scene.registry.versions("shop/test/web"), ["2.0.0", &version]);
    assert_eq!(scene.registry.versions("shop/extended-test/web"), ["2.0.0"]);
    assert_eq!(scene.bare.tags(), tags);
}
