//! A later gate: the account asks for the version, tests in its own subnamespace, promotes between projects.

use super::{Cloud, MAKEFILE};

#[test]
fn extended_test_acts_as_the_account_from_the_first_question_on() {
    let cloud = Cloud::new();
    let makefile = MAKEFILE.replace(
        "p2p-functional p2p-nft p2p-integration:",
        "p2p-functional p2p-nft p2p-integration p2p-extended-test:",
    );
    let gate = cloud.gate(&makefile).input("environment", "gcp-dev");
    gate.run(&["fast-feedback", "--dest-environment", "gcp-dev"]).passed();
    assert_eq!(gate.run(&["latest", "extended-test"]).passed().output("version"), "0.0.1");
    let run = gate.run(&["extended-test", "--dest-environment", "gcp-prod"]);
    run.passed();
    let expected = "gke_acme-dev_europe-west2_dev shop-basket-extended\nshop-basket-extended\n";
    assert_eq!(run.logs["p2p-extended-test.log"], expected);
    assert!(cloud.cluster.anchors().contains(&"shop/shop-basket-extended".to_owned()));
    assert_eq!(
        run.json("promoted")[0]["destination"],
        format!("{}/prod/basket:0.0.1", cloud.registry.of("acme-prod"))
    );
    // Nothing is looked for in a cluster where nothing is to be done.
    let before = cloud.cluster.server().requests().len();
    let run = gate.run(&["prod"]);
    assert_eq!(run.passed().step("p2p-prod"), "skipped");
    assert_eq!(cloud.cluster.server().requests().len(), before);
}
