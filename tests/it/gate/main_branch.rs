//! Pushes of the main branch.

use serde_json::json;

use super::{Job, MAKEFILE, Scene, settings};
use crate::support::github::Seen;

#[test]
fn a_push_is_tagged_and_promoted_and_the_same_again_changes_nothing() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let job = [Job::new("gate").with("artifacts", "results/*.txt")];
    let ended = scene.push(&job);
    ended.run.passed();

    let tags = scene.bare.tags();
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["v1.2.3", "v1.2.4"]);
    assert_eq!(tags["v1.2.4"], scene.head);
    let digest = scene.registry.digest("shop/test/web:1.2.4");
    assert_eq!(scene.registry.digest("shop/extended-test/web:1.2.4"), digest);
    assert_eq!(scene.registry.versions("shop/extended-test/web"), ["1.2.4"]);

    let mut outputs = ended.outputs("gate");
    let (source, destination) = (scene.at("shop/test/web:1.2.4"), scene.at("shop/extended-test/web:1.2.4"));
    let images = json!([{"name": "web", "reference": source, "digest": digest}]);
    let promoted = json!([{"name": "web", "source": source, "destination": destination, "digest": digest}]);
    assert_eq!(ended.json("gate", "images"), images);
    assert_eq!(ended.json("gate", "promoted"), promoted);
    let steps = [
        "preflight passed",
        "version passed",
        "p2p-build passed",
        "images passed",
        "p2p-functional passed",
        "p2p-nft passed",
        "p2p-integration passed",
        "p2p-promote-to-extended-test passed",
    ];
    assert_eq!(ended.steps("gate"), steps);
    assert!(ended.json("gate", "steps")[2]["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    for name in ["images", "digests", "promoted", "steps"] {
        outputs.remove(name);
    }
    let logs = outputs.remove("logs-path").unwrap();
    let workspace = outputs["artifacts"].split_once("/results/").unwrap().0.to_owned();
    let expected = [
        ("version", "1.2.4"),
        ("previous-version", "1.2.3"),
        ("version-tag", "v1.2.4"),
        ("tag-created", "true"),
        ("result", "success"),
        // It has no name, and nothing is described.
        ("environment", ""),
        ("environments", "{}"),
        ("matrix", ""),
        ("scans", "{}"),
        ("artifacts", &format!("{workspace}/results/functional.txt\n{workspace}/results/nft.txt")),
        ("report-path", &format!("{logs}/report.json")),
    ];
    assert_eq!(outputs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    // nft ran in a copy, which is gone, and its file was brought back.
    let there = ended.file("gate", "workspace/results/nft.txt");
    assert!(there.ends_with("/nft-workspace\n") && !there.starts_with(&workspace), "{there}");
    assert_eq!(ended.file("gate", "workspace/results/functional.txt"), "fine\n");
    assert_eq!(ended.file("gate", "temporary"), format!("{}\n", logs.rsplit_once('/').unwrap().1));

    assert_eq!(
        ended.files("gate", "logs"),
        ["p2p-build.log", "p2p-functional.log", "p2p-integration.log", "p2p-nft.log", "report.json"]
    );
    assert_eq!(ended.file("gate", "logs/p2p-integration.log"), "the neighbours answer\n");
    let report: serde_json::Value = serde_json::from_str(&ended.file("gate", "report.json")).unwrap();
    assert_eq!((&report["schema"], &report["result"]), (&json!(1), &json!("success")));
    assert_eq!((&report["images"], &report["promoted"]), (&images, &promoted));
    assert_eq!(report["plan"]["version"]["version"], "1.2.4");
    let host = scene.registry.host();
    assert_eq!(ended.file("", "subjects"), format!("oci://{host}/shop/test/web@{digest}\n"));

    settings().bind(|| {
        insta::assert_snapshot!("log", ended.log("gate"));
        insta::assert_snapshot!("summary", ended.run.summary("gate", "p2p"));
    });

    let again = scene.push(&job);
    again.run.passed();
    assert_eq!(scene.bare.tags(), tags);
    for (output, value) in [
        ("version", "1.2.4"),
        ("previous-version", "1.2.3"),
        ("version-tag", "v1.2.4"),
        ("tag-created", "false"),
        ("result", "success"),
    ] {
        assert_eq!(again.output("gate", output), value, "{output}");
    }
    assert_eq!((again.json("gate", "images"), again.json("gate", "promoted")), (images, promoted));
    assert_eq!(again.steps("gate"), steps);
    assert_eq!(scene.registry.digest("shop/extended-test/web:1.2.4"), digest);
    let creations = scene.github.requests().into_iter().filter(Seen::creates_ref).count();
    assert_eq!(creations, 1);
}
