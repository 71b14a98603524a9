//! `version`, then `fastfeedback`: what nearly every tenant has.

use serde_json::json;

use super::{MAKEFILE, Scene, TWO_JOBS};
use crate::support::github::pull_request;

#[test]
fn a_push_to_main_is_tagged_tested_and_promoted() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let artifacts = "      artifacts: |
        p2p-nft:
          - results/*.txt
          - other/*
        p2p-build: [build/root/which]
";
    let ended = scene.push(&format!("{TWO_JOBS}{artifacts}"));
    ended.run.passed();

    let tags = scene.bare.tags();
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["v1.2.3", "v1.2.4"]);
    assert_eq!(tags["v1.2.4"], scene.head);
    let targets = ["p2p-build", "p2p-functional", "p2p-integration", "p2p-nft"];
    assert_eq!(ended.targets(), targets.map(|target| format!("{target} 1.2.4 dev")));
    assert_eq!(
        ended.jobs(),
        [
            "build/p2p-execute-command/p2p-build (dev): success",
            "functional-test/p2p-execute-command/p2p-functional (dev): success",
            "integration-test/p2p-execute-command/p2p-integration (dev): success",
            "nft-test/p2p-execute-command/p2p-nft (dev): success",
            "promote/p2p-promote-image/lookup: success",
            "promote/p2p-promote-image/promote-to-extended-test: success",
            "security-image-scan/p2p-workflow-image-scan/security-image-policy: success",
            "security-image-scan/p2p-workflow-image-scan/security-image-scan: success",
            "security-source-scan/p2p-workflow-source-security-scan/security-sca-scan: success",
            "security-source-scan/p2p-workflow-source-security-scan/security-secret-scan: success",
            "security-source-scan/p2p-workflow-source-security-scan/security-source-policy: success",
            "security-source-scan/p2p-workflow-source-security-scan/security-source-report: success",
            "version/p2p-version/increment-version: success",
        ]
    );
    let digest = scene.registry.digest("dev/fast-feedback/web:1.2.4");
    assert_eq!(scene.registry.digest("test/extended-test/web:1.2.4"), digest);
    assert_eq!(scene.registry.tags("dev/test/web"), [""; 0], "the path of the plain action");
    assert_eq!(ended.annotations("notice"), [""; 0]);

    let build = ended.file("artifacts/p2p-build-dev-run1-attempt1");
    assert_eq!(build, "days: 14, where there are none: warn\nbuild/root/which\n");
    let nft = ended.file("artifacts/p2p-nft-dev-run1-attempt1");
    assert_eq!(nft, "days: 14, where there are none: warn\nresults/p2p-nft.txt\n");
    let scans = ["security-image-scan-reports-fast-feedback-dev", "security-source-scan-findings"];
    let uploaded = ended.files("artifacts");
    assert!(scans.iter().all(|name| uploaded.iter().any(|uploaded| uploaded == name)), "{uploaded:?}");
}

/// The functional tests of one app fail. Of the others nothing is built: one's Makefile lacks mandatory
/// targets, one has no version.
#[test]
fn a_failed_test_stops_the_promotion_and_not_its_sibling() {
    let broken = MAKEFILE.replace("p2p-functional p2p-nft", "p2p-nft")
        + "p2p-functional:\n\tmkdir results && echo red > results/functional.txt\n\t$(ran)\n\tfalse\n";
    let scene = Scene::new(&[("Makefile", &broken), ("incomplete/Makefile", "p2p-build:\n\t$(ran)\n")]);
    let ended = scene.push(
        r"
  fastfeedback:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: { version: 1.2.4, artifacts: 'p2p-functional: [results/*]', security-scan-enabled: false }
  incomplete:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: { version: 1.2.4, working-directory: incomplete, app-name: incomplete, security-scan-enabled: false }
  nothing:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: { version: '', app-name: nothing, security-scan-enabled: false }
",
    );
    ended.run.failed();
    assert_eq!(
        ended.jobs(),
        [
            "build/p2p-execute-command/p2p-build (dev): failure",
            "build/p2p-execute-command/p2p-build (dev): failure",
            "build/p2p-execute-command/p2p-build (dev): success",
            "functional-test/p2p-execute-command/p2p-functional (dev): failure",
            "nft-test/p2p-execute-command/p2p-nft (dev): success",
        ]
    );
    assert_eq!(ended.targets(), ["p2p-build 1.2.4 dev", "p2p-functional 1.2.4 dev", "p2p-nft 1.2.4 dev"]);
    assert_eq!(scene.registry.tags("test/extended-test/web"), [""; 0]);
    let uploaded = ended.file("artifacts/p2p-functional-dev-run1-attempt1");
    assert!(
        uploaded.ends_with("\nresults/functional.txt\n"),
        "a failed target's files matter most: {uploaded:?}"
    );
    let logs = ended.file("artifacts/logs-p2p-functional-dev-run1-attempt1");
    assert!(logs.lines().last().unwrap().contains("/p2p-logs-"), "{logs:?}");
    let errors = ended.annotations("error");
    for message in ["does not define `p2p-functional`, `p2p-nft`", "the input version is empty"] {
        assert!(errors.iter().any(|error| error.contains(message)), "{message}: {errors:?}");
    }
}

#[test]
fn a_pull_request_promotes_nothing_and_integrates_where_it_is_told_to() {
    let makefile = MAKEFILE.replace(" p2p-integration ", " ").replace(".PHONY: p2p-integration", "");
    let scene = Scene::new(&[("Makefile", MAKEFILE), ("without/Makefile", &makefile)]);
    let jobs = format!(
        r"{TWO_JOBS}
  integrated:
    needs: [version]
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with:
      version: ${{{{ needs.version.outputs.version }}}}
      run-fastfeedback-integration-on-prs: true
      working-directory: without
      app-name: without
      tenant-name: other
"
    );
    let ended = scene.event("pull_request", pull_request(&scene.head), &jobs);
    ended.run.passed();
    let version = format!("1.2.3-{}", scene.head);
    let ran = |target: &str| format!("{target} {version} dev");
    let twice = ["p2p-build", "p2p-build", "p2p-functional", "p2p-functional", "p2p-nft", "p2p-nft"];
    assert_eq!(ended.targets(), twice.map(ran));
    let jobs = ended.jobs();
    let count = |job: &str| jobs.iter().filter(|line| line.contains(job)).count();
    assert_eq!((count("p2p-integration (dev): success"), count("p2p-integration (dev)")), (1, 1), "{jobs:?}");
    assert_eq!(count("promote"), 0, "{jobs:?}");
    assert_eq!(scene.bare.tags().keys().collect::<Vec<_>>(), ["v1.2.3"]);
    assert_eq!(scene.registry.versions("dev/fast-feedback/web"), [version.as_str()]);
    assert_eq!(scene.registry.tags("test/extended-test/web"), [""; 0]);
    let warnings = ended.annotations("warning");
    assert!(warnings.iter().any(|warning| warning.contains("p2p-integration is skipped")), "{warnings:?}");
}

#[test]
fn a_merge_queue_runs_the_whole_gate_and_neither_tags_nor_promotes() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let queue = json!({"ref": "refs/heads/gh-readonly-queue/main/pr-7-abc", "action": "checks_requested"});
    let ended = scene.event("merge_group", queue, TWO_JOBS);
    ended.run.passed();
    let targets = ["p2p-build", "p2p-functional", "p2p-integration", "p2p-nft"];
    assert_eq!(ended.targets(), targets.map(|target| format!("{target} 1.2.3-{} dev", scene.head)));
    // act takes the ref from the checkout, so the job that promotes starts here: it must do nothing.
    assert_eq!(scene.bare.tags().keys().collect::<Vec<_>>(), ["v1.2.3"]);
    assert_eq!(scene.registry.tags("test/extended-test/web"), [""; 0]);
}
