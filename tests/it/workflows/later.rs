//! The scheduled pairs, and several environments: one digest all the way.

use serde_json::json;

use super::{MAKEFILE, Scene, TWO_JOBS, matrix, pasted};
use crate::support::server::{Reply, Server};

/// As the documents of coreeng/p2p have it, with the new name: on a schedule, the latest version.
fn pair(stage: &str) -> String {
    format!(
        r"
  get-image:
    uses: coreeng/p2p-action/.github/workflows/p2p-get-latest-image-{stage}.yaml@v1
    with:
      image-name: web

  gate:
    needs: [get-image]
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-{stage}.yaml@v1
    with:
      version: ${{{{ needs.get-image.outputs.version }}}}
"
    )
}

#[test]
fn one_digest_goes_from_the_build_to_production() {
    let slack = Server::start(None, |_| Reply::text(200, "ok"));
    let webhook = format!("http://{}/services/T0000/B0000/s3cretOfSlack", slack.address);
    let scene = Scene::new(&[("Makefile", MAKEFILE)]).with_slack(&webhook);
    let scheduled = |name: &str| scene.workflow("schedule", json!({}), &pasted(name));
    scene.push(TWO_JOBS).run.passed();
    let digest = scene.registry.digest("dev/fast-feedback/web:1.2.4");
    // main goes on; what is tested is the tag.
    scene.repository.file("Makefile", "p2p-extended-test p2p-prod:\n\tfalse\n");
    scene.repository.commit("break what comes later");
    scene.push_main();

    let ended = scheduled("extended-test");
    ended.run.passed();
    assert_eq!(
        ended.jobs(),
        [
            "get-image/p2p-get-latest-image-extended-test/get-latest-version: success",
            "promote/p2p-promote-image/lookup: success",
            "promote/p2p-promote-image/promote-to-prod: success",
            "run-tests/p2p-execute-command/p2p-extended-test (test): success",
            "security-image-scan/p2p-workflow-image-scan/security-image-policy: success",
            "security-image-scan/p2p-workflow-image-scan/security-image-scan: success",
        ]
    );
    assert_eq!(ended.targets(), ["p2p-extended-test 1.2.4 test"]);
    assert_eq!(ended.annotations("warning"), [""; 0], "the record of fast feedback came along");
    assert_eq!(scene.registry.digest("test/extended-test/web:1.2.4"), digest);
    assert_eq!(scene.registry.digest("live/prod/web:1.2.4"), digest);
    assert_eq!(slack.requests().len(), 0, "nobody wants to know that tests passed");

    let ended = scheduled("prod");
    ended.run.passed();
    assert_eq!(
        ended.jobs(),
        [
            "get-image/p2p-get-latest-image-prod/get-latest-version: success",
            "prod-deploy/p2p-execute-command/p2p-prod (live): success",
            "security-image-scan/p2p-workflow-image-scan/security-image-policy: success",
            "security-image-scan/p2p-workflow-image-scan/security-image-scan: success",
        ]
    );
    assert_eq!(ended.targets(), ["p2p-prod 1.2.4 live"]);
    assert_eq!(scene.registry.versions("live/prod/web"), ["1.2.4"]);
    assert_eq!(scene.bare.tags().len(), 2, "no tag but the first gate's");
    let message: Vec<_> = slack.requests().iter().map(|seen| seen.json()["text"].clone()).collect();
    assert_eq!(message, [":white_check_mark: web 1.2.4 is in production"]);
    assert!(!ended.run.log().contains("s3cretOfSlack"), "{}", ended.run.log());

    let by_hand = json!({"ref": "refs/heads/main", "inputs": {"version": "1.2.4"}});
    let ended = scene.workflow("workflow_dispatch", by_hand, &pasted("deploy"));
    ended.run.passed();
    assert_eq!(ended.jobs()[0], "prod-deploy/p2p-execute-command/p2p-prod (live): success");
    assert_eq!(ended.targets(), ["p2p-prod 1.2.4 live"]);
}

#[test]
fn where_nothing_awaits_a_gate_nothing_is_done() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let both = pair("extended-test")
        + &pair("prod")
            .replace("get-image", "get-image-prod")
            .replace("gate", "gate-prod")
            .replace("-prod-prod", "-prod")
        + "    if: needs.get-image-prod.outputs.version != ''\n";
    let ended = scene.event("schedule", json!({}), &both);
    ended.run.passed();
    assert_eq!(
        ended.jobs(),
        [
            "get-image-prod/p2p-get-latest-image-prod/get-latest-version: success",
            "get-image/p2p-get-latest-image-extended-test/get-latest-version: success",
        ]
    );
    assert!(ended.run.log().contains("no version awaits this gate"), "{}", ended.run.log());

    // Production does not take an empty version for an answer.
    let ended = scene.event("schedule", json!({}), &pair("prod"));
    ended.run.failed();
    assert_eq!(
        ended.jobs(),
        [
            "gate/p2p-workflow-prod/validate-version: failure",
            "get-image/p2p-get-latest-image-prod/get-latest-version: success",
        ]
    );
    let errors = ended.annotations("error");
    assert!(errors.iter().any(|error| error.contains("no version awaits production")), "{errors:?}");
    assert_eq!(ended.targets(), [""; 0]);
}

#[test]
fn each_environment_has_its_jobs_and_the_first_one_s_image_is_promoted() {
    // GitHub takes the outputs of the last job of a matrix that has some, act those of the last one: the
    // first environment, which has, waits until the other one's workspace is gone.
    let wait = r#"
p2p-build: wait
.PHONY: wait
wait:
	if test $(notdir $(P2P_REGISTRY)) = dev; then for _ in `seq 100`; do \
	  test -s "$$KEPT/other" && test ! -e "$$(cat "$$KEPT/other")" && break; sleep 0.1; done; \
	else echo "$$PWD" > "$$KEPT/other"; fi
"#;
    let scene = Scene::new(&[("Makefile", &format!("{MAKEFILE}{wait}"))]);
    let scene = scene.with_matrix("FAST_FEEDBACK", &["dev", "test"]);
    let jobs = format!("{TWO_JOBS}      destination: '{}'\n", matrix(&["test", "live"]));
    let ended = scene.push(&jobs);
    ended.run.passed();
    let mut targets = Vec::new();
    for target in ["p2p-build", "p2p-functional", "p2p-integration", "p2p-nft"] {
        targets.extend(["dev", "test"].map(|environment| format!("{target} 1.2.4 {environment}")));
    }
    assert_eq!(ended.targets(), targets);
    let first = scene.registry.digest("dev/fast-feedback/web:1.2.4");
    assert_ne!(scene.registry.digest("test/fast-feedback/web:1.2.4"), first);
    for destination in ["test", "live"] {
        assert_eq!(scene.registry.digest(&format!("{destination}/extended-test/web:1.2.4")), first);
    }
    let jobs = ended.jobs();
    let promotions = jobs.iter().filter(|job| job.contains("/promote-to-extended-test: success")).count();
    assert_eq!((promotions, jobs.len()), (2, 21), "{jobs:?}");
}
