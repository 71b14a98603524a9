//! The workflows that scan: jobs, outputs, artifacts and the policy.

use serde_json::json;

use super::Scene;
use super::scene::{Ended, MAKEFILE};
use crate::support::scanners::{Scanners, committed, in_file, vulnerability};

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

/// The jobs of the workflow. act pads names to one length.
fn scanned(ended: &Ended) -> Vec<String> {
    let jobs = ended.jobs().into_iter().filter(|job| job.starts_with("source/"));
    jobs.map(|job| job.split_whitespace().collect::<Vec<_>>().join(" ").replace(" :", ":")).collect()
}

fn outputs(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(&ended.file("outputs")).unwrap_or_default()
}

#[test]
fn the_source_is_scanned_in_the_jobs_that_dashboards_know() {
    let scanners = Scanners::new();
    scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", "x", "HIGH")])]));
    scanners.commits(&[committed("AKIAIOSFODNN7EXAMPLE", "conf/aws.txt", false)]);
    let scene = Scene::new(&[("Makefile", MAKEFILE)]).with_scanners(scanners.path());
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
        ["source-security-findings.json", "source-security-report.md", "trivy", "trufflehog"]
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
    let scanners = Scanners::new();
    scanners.image(&json!([{"Target": "web (debian 12)", "Vulnerabilities": [vulnerability("CVE-2024-0001", "x", "LOW")]}]));
    let scene = Scene::new(&[("Makefile", MAKEFILE)]).with_scanners(scanners.path());
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
            "manifest.json",
            "trivy",
            "trufflehog-image"
        ]
    );
    let digest = scene.registry.digest("dev/fast-feedback/web:1.0.0");
    assert!(scanners.calls("trivy").last().unwrap().ends_with(&digest));
}
