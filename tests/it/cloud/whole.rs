//! The whole of fast feedback, with two identities and a promotion between two projects.

use super::{AUTH_FILE, Cloud, MAKEFILE, SWITCHES};

const STEPS: [&str; 8] = [
    "preflight",
    "version",
    "p2p-build",
    "subnamespaces",
    "images",
    "p2p-functional",
    "p2p-nft",
    "p2p-promote-to-extended-test",
];

#[test]
fn it_is_promoted_from_one_project_to_another_by_whoever_promotes() {
    for own in ["", SWITCHES, AUTH_FILE] {
        let cloud = Cloud::new();
        let gate = cloud.gate(&format!("{MAKEFILE}{own}"));
        let run = gate.run(&["fast-feedback"]);
        run.passed();
        for step in STEPS {
            assert_eq!(run.step(step), "passed", "{step}");
        }
        let by_make = run.logs.contains_key("p2p-promote-to-extended-test.log");
        assert_eq!(by_make, !own.is_empty());
        let promoted = &run.json("promoted")[0];
        assert_eq!(promoted["digest"], run.json("images")[0]["digest"]);
        assert_eq!(
            promoted["destination"],
            format!("{}/extended-test/basket:0.0.1", cloud.registry.of("acme-prod"))
        );
        assert!(
            cloud
                .registry
                .registry
                .tags("acme-prod/tenant/shop/extended-test/basket")
                .contains(&"0.0.1".to_owned())
        );
        for target in ["functional", "nft", "integration"] {
            let expected =
                format!("gke_acme-dev_europe-west2_dev shop-basket-{target}\nshop-basket-{target}\n");
            assert_eq!(run.logs[&format!("p2p-{target}.log")], expected);
        }
        assert_eq!(
            cloud.cluster.anchors(),
            ["shop/shop-basket-functional", "shop/shop-basket-integration", "shop/shop-basket-nft"]
        );
    }
}
