//! The workflows that scan: jobs, outputs, artifacts and the policy.

use serde_json::json;

use super::Scene;
use super::scene::{Ended, MAKEFILE};
use crate::support::github::pull_request;
use crate::support::scanners::{committed, in_file, vulnerability};

/// Scans the source with this severity, and notes the outputs.
fn source(scene: &Scene, with: &str) -> Ended {
    scene.push(&format!(
        "
  source:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-source-security-scan.yaml@v1
    with: {{ secret-scan-scope: changes, app-name: web, {with} }}
  after:
    needs: source
    if: always()
    runs-on: ubuntu-24.04
    steps:
      - run: echo '${{{{ toJSON(needs.source.outputs) }}}}' > \"$KEPT/outputs\"
"
    ))
}

/// The jobs of the workflow.
fn scanned(ended: &Ended) -> Vec<String> {
    ended.jobs().into_iter().filter(|job| job.starts_with("source/")).collect()
}

fn outputs(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(&ended.file("outputs")).unwrap_or_default()
}

#[test]
fn the_source_is_scanned_in_the_jobs_that_dashboards_know() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    scene.scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", "x", "HIGH")])]));
    scene.scanners.commits(&[committed("AKIAIOSFODNN7EXAMPLE", "conf/aws.txt", false)]);
    let ended = source(&scene, "blocking-severity: critical");
    let job = |name: &str| format!("source/p2p-workflow-source-security-scan/{name}: success");
    let jobs =
        ["security-sca-scan", "security-secret-scan", "security-source-policy", "security-source-report"];
    let ran: Vec<_> = scanned(&ended);
    assert_eq!(ran, jobs.map(job));
    let outputs = outputs(&ended);
    let named =
        ["vulnerability-total", "vulnerability-blocking", "license-total", "secret-total", "secret-blocking"];
    assert_eq!(
        named.map(|name| outputs[name].as_str().unwrap_or_default().to_owned()),
        ["1", "0", "0", "1", "0"],
        "{outputs}"
    );
    assert_eq!((&outputs["security-risk"], &outputs["scan-status"]), (&json!("unclassified"), &json!("ok")));
    assert!(outputs["json-file"].as_str().unwrap().ends_with("source-security-findings.json"), "{outputs}");
    let findings = ended.files("uploaded/security-source-scan-findings");
    assert_eq!(
        findings,
        [
            "source-security-findings.json",
            "source-security-report.md",
            "source-security.sarif",
            "trivy",
            "trufflehog"
        ]
    );
    let blocked = source(&scene, "blocking-severity: high");
    assert!(
        scanned(&blocked).contains(&job("security-source-policy").replace("success", "failure")),
        "{:?}",
        blocked.jobs()
    );
    let errors = blocked.annotations("error");
    assert!(errors.iter().any(|error| error.contains("findings block: see the report")), "{errors:?}");
}

#[test]
fn images_are_scanned_by_the_digest_of_the_version() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    scene.scanners.image(&json!([{"Target": "web (debian 12)", "Vulnerabilities": [vulnerability("CVE-2024-0001", "x", "LOW")]}]));
    let ended = scene.push(
        "
  build:
    uses: coreeng/p2p-action/.github/workflows/p2p-execute-command.yaml@v1
    with: { command: p2p-build, github_env: dev, version: 1.0.0 }
  image:
    needs: build
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-image-scan.yaml@v1
    with: { pipeline-stage: fast-feedback, version: 1.0.0, github_env: dev, blocking-severity: medium }
  after:
    needs: image
    runs-on: ubuntu-24.04
    steps:
      - run: echo '${{ toJSON(needs.image.outputs) }}' > \"$KEPT/outputs\"
",
    );
    assert!(ended.jobs().iter().all(|job| job.ends_with(": success")), "{:?}", ended.jobs());
    let outputs = outputs(&ended);
    assert_eq!(
        (&outputs["security-risk"], &outputs["scan-status"]),
        (&json!("low"), &json!("ok")),
        "{outputs}"
    );
    let reports = ended.files("uploaded/security-image-scan-reports-fast-feedback-dev");
    assert_eq!(
        reports,
        [
            "image-security-findings.json",
            "image-security-report.md",
            "image-security.sarif",
            "manifest.json",
            "sbom",
            "trivy",
            "trufflehog-image"
        ]
    );
    let digest = scene.registry.digest("dev/fast-feedback/web:1.0.0");
    assert!(scene.scanners.calls("trivy").last().unwrap().ends_with(&digest));
}

/// The jobs that ended with a failure, and whether images were promoted.
fn failed(ended: &Ended) -> (Vec<String>, bool) {
    let jobs = ended.jobs();
    let failed = jobs.iter().filter(|job| job.ends_with(": failure"));
    let failed = failed.map(|job| job.rsplit('/').next().unwrap().replace(": failure", ""));
    (failed.collect(), jobs.iter().any(|job| job.contains("/promote-to-")))
}

/// Fast feedback with these inputs.
fn gate(scene: &Scene, version: &str, with: &str) -> Ended {
    scene.push(&format!(
        "
  gate:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: {{ version: {version}, {with} }}
"
    ))
}

#[test]
fn findings_that_block_and_scanners_that_fail_stop_the_promotion_and_no_test() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let found = [vulnerability("CVE-2024-0001", "x", "HIGH")];
    scene.scanners.image(&json!([{"Target": "web (debian 12)", "Vulnerabilities": found}]));

    let ended = gate(&scene, "1.0.0", "security-scan-blocking-severity: high");
    assert_eq!(failed(&ended), (vec!["security-image-policy".to_owned()], false));
    assert_eq!(ended.targets().len(), 3, "act ends after the jobs beside one that fails");
    assert!(ended.run.log().contains("Output security risk: high; scan: ok"), "{}", ended.run.log());

    let ended = gate(&scene, "1.0.1", "security-scan-blocking-severity: critical");
    assert_eq!(failed(&ended), (vec![], true));

    scene.scanners.before("trufflehog", "case $1 in git) exit 1 ;; esac");
    let ended = gate(&scene, "1.0.2", "working-directory: .");
    let failed_jobs = ["security-secret-scan", "security-source-policy"].map(str::to_owned).to_vec();
    assert_eq!(failed(&ended), (failed_jobs, false));

    let ended = gate(&scene, "1.0.3", "security-scan-enabled: false");
    assert_eq!(failed(&ended), (vec![], true));
    assert!(!ended.jobs().iter().any(|job| job.contains("security")), "{:?}", ended.jobs());
}

#[test]
fn with_a_blocking_severity_production_deploys_only_what_passes() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    scene.bare.tag("v1.2.4", &scene.head);
    let digest = scene.image("prod", "1.2.4");
    let found = [vulnerability("CVE-2024-0001", "x", "CRITICAL")];
    scene.scanners.image(&json!([{"Target": "web (debian 12)", "Vulnerabilities": found}]));
    let ended = scene.push(
        "
  prod:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-prod.yaml@v1
    with: { version: 1.2.4, security-scan-blocking-severity: critical }
",
    );
    assert_eq!(failed(&ended).0, ["security-image-policy"]);
    assert_eq!(ended.targets(), [""; 0]);
    assert!(scene.scanners.calls("trivy").last().unwrap().ends_with(&digest));
}

#[test]
fn the_scheduled_workflow_scans_all_history_and_the_latest_image_of_each_stage() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    scene.image("prod", "1.0.0");
    let latest = scene.image("prod", "1.10.0");
    scene.image("prod", "1.9.0");
    let ended = scene.event(
        "schedule",
        json!({}),
        "
  scan:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-security-scan.yaml@v1
    with: { app-name: web }
",
    );
    ended.run.passed();
    let jobs = ended.jobs();
    for stage in ["fast-feedback", "extended-test", "prod"] {
        for job in ["security-image-scan", "security-image-policy"] {
            let job = format!("security-image-scan-{stage}/p2p-workflow-image-scan/{job}: success");
            assert!(jobs.contains(&job), "{jobs:?}");
        }
    }
    let images: Vec<_> =
        scene.scanners.calls("trivy").into_iter().filter(|call| call.contains(" --input ")).collect();
    assert_eq!(images.len(), 1, "{images:?}");
    assert!(images[0].ends_with(&latest), "{images:?}");
    let history =
        scene.scanners.calls("trufflehog").into_iter().find(|call| call.starts_with("git ")).unwrap();
    assert!(!history.contains("--since-commit") && !history.contains("--max-depth"), "{history}");
    let uploaded: Vec<_> =
        ended.files("artifacts").into_iter().filter(|name| name.contains("image-scan-reports")).collect();
    assert_eq!(uploaded, ["security-image-scan-reports-prod-live"]);
    for place in ["dev/fast-feedback/web", "test/extended-test/web"] {
        let skipped =
            format!("scan-images skipped: no version awaits this gate at {}/{place}", scene.registry.host());
        assert!(ended.run.log().contains(&skipped), "{skipped}: {}", ended.run.log());
    }
}

#[test]
fn a_pull_request_has_one_comment_for_the_source_and_one_for_each_environment_s_images() {
    let scene = Scene::new(&[("Makefile", MAKEFILE)]);
    let found = [vulnerability("CVE-2024-0001", "x", "HIGH")];
    scene.scanners.source(&json!([in_file("go.mod", &found)]));
    let gate = |with: &str| {
        let jobs = format!(
            "
  gate:
    uses: coreeng/p2p-action/.github/workflows/p2p-workflow-fastfeedback.yaml@v1
    with: {{ version: 1.0.0, {with} }}
"
        );
        scene.event("pull_request", pull_request(&scene.head), &jobs).run.passed();
        let comments = scene.github.comments().into_iter();
        let markers = comments.filter_map(|comment| comment.body.lines().next().map(str::to_owned));
        let mut markers: Vec<_> = markers
            .map(|line| line.replace("<!-- Sticky Pull Request Comment", "").replace(" -->", ""))
            .collect();
        markers.sort();
        markers
    };
    let of_tenant =
        ["security-image-scan-findings-acme-fast-feedback-dev", "security-source-scan-findings-acme"];
    assert_eq!(gate("region: x"), of_tenant);
    // The next run changes the comments, and another app has its own.
    let both = [
        of_tenant[0],
        "security-image-scan-findings-web-fast-feedback-dev",
        of_tenant[1],
        "security-source-scan-findings-web",
    ];
    assert_eq!(gate("app-name: web"), both);
    assert_eq!(gate("region: x"), both);
}
