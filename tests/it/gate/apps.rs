//! Several apps in one repository, several images, and a version that another job settled.

use serde_json::json;

use super::{Job, MAKEFILE, Scene, settings};

/// Two images, and no integration tests.
const TWO_IMAGES: &str = r#"
.PHONY: p2p-build p2p-functional p2p-nft p2p-images
p2p-build:
	mkdir -p root
	for name in server worker; do \
	  echo "$$name $(P2P_VERSION)" > root/what && "$$P2P_BIN" image push root "$(P2P_REGISTRY_FAST_FEEDBACK)/$$name:$(P2P_VERSION)" || exit 1; \
	done
p2p-functional p2p-nft:
	@echo fine
p2p-images:
	@echo server
	@echo worker
"#;

#[test]
fn each_app_has_its_versions_its_images_and_its_warnings() {
    let scene = Scene::new(&[("api/Makefile", TWO_IMAGES), ("web/Makefile", MAKEFILE)]);
    let before = scene.bare.tags()["v1.2.3"].clone();
    scene.bare.tag("api-v3.0.9", &before);
    let jobs = [
        Job::new("api").apart(),
        Job::new("version").with("command", "version"),
        Job::new("web")
            .needs("version")
            .with("working-directory", "web")
            .with("version", "${{ needs.version.outputs.version }}"),
    ];
    let ended = scene.push(&jobs);
    ended.run.passed();
    let tags = scene.bare.tags();
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["api-v3.0.10", "api-v3.0.9", "v1.2.3", "v1.2.4"]);
    assert_eq!((&tags["api-v3.0.10"], &tags["v1.2.4"]), (&scene.head, &scene.head));

    // One app of two images, in a directory of its own, without integration tests.
    let digests = ["server", "worker"].map(|name| {
        let digest = scene.registry.digest(&format!("shop/api/test/{name}:3.0.10"));
        assert_eq!(scene.registry.digest(&format!("shop/api/extended-test/{name}:3.0.10")), digest);
        digest
    });
    assert_ne!(digests[0], digests[1]);
    let images = json!([
        {"name": "server", "reference": scene.at("shop/api/test/server:3.0.10"), "digest": digests[0]},
        {"name": "worker", "reference": scene.at("shop/api/test/worker:3.0.10"), "digest": digests[1]},
    ]);
    assert_eq!(ended.json("api", "images"), images);
    assert_eq!(ended.json("api", "promoted").as_array().unwrap().len(), 2);
    assert_eq!(
        ["version", "previous-version", "version-tag", "tag-created", "result"]
            .map(|name| ended.output("api", name)),
        ["3.0.10", "3.0.9", "api-v3.0.10", "true", "success"]
    );
    assert!(ended.steps("api").contains(&"p2p-integration skipped".to_owned()));
    assert_eq!(
        ended.annotations("api", "warning"),
        [
            "p2p-integration is skipped: the Makefile has no target `p2p-integration`; a later release makes it mandatory"
        ]
    );
    settings().bind(|| {
        insta::assert_snapshot!("log", ended.log("api"));
        insta::assert_snapshot!("summary", ended.run.summary("api", "p2p"));
    });

    // One job settles the version, the next takes it as it is.
    assert_eq!(ended.steps("version"), ["version passed"]);
    let outputs = |job| {
        ["version", "previous-version", "version-tag", "tag-created"].map(|name| ended.output(job, name))
    };
    assert_eq!(outputs("version"), ["1.2.4", "1.2.3", "v1.2.4", "true"]);
    assert_eq!(outputs("web"), ["1.2.4", "", "", "false"]);
    assert_eq!(
        scene.registry.digest("shop/extended-test/web:1.2.4"),
        scene.registry.digest("shop/test/web:1.2.4")
    );
}
