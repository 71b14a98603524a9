//! What records say of scans, and what later gates make of it.

use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::scanners::{Scanners, in_file, vulnerability};

const LATER: &str = ".PHONY: p2p-extended-test p2p-prod\np2p-extended-test p2p-prod:\n\t@echo '$@'\n";
/// How a refusal begins.
const UNSCANNED: &str = "was scanned: no record that counts names a scan of the image";

fn gate() -> Gate {
    Gate::new(&format!("{MAKEFILE}{LATER}"))
}

#[test]
fn a_record_names_scanners_database_and_findings_and_goes_along() {
    let scanners = Scanners::new();
    let found = [vulnerability("CVE-2024-0001", "x", "HIGH"), vulnerability("CVE-2024-0002", "y", "HIGH")];
    scanners.source(&json!([in_file("go.mod", &found)]));
    let gate = gate();
    let keys = scanners.keys(&[("scan", "on"), ("record-scans", "required")]);
    let run = gate.run_with_inputs(&["fast-feedback"], &[("environments", &keys)]);
    let digest = run.passed().json("digests")["shop"].as_str().unwrap().to_owned();
    for path in ["test", "extended-test"] {
        let image = format!("{}/{path}/shop@{digest}", gate.registry.path());
        let verified = gate.run(&["verify", &image]);
        for line in [
            "scan        source by trivy 0.70.0 and trufflehog 3.95.9: 2 HIGH, 0 secrets, 0 ignored",
            "scan        images by trivy 0.70.0 and trufflehog 3.95.9: 0 secrets, 0 ignored",
        ] {
            assert!(verified.passed().stdout.contains(line), "{path}: {}", verified.stdout);
        }
    }
    let later = gate.event("schedule", json!({}));
    let keys = scanners.keys(&[("record-scans", "required")]);
    later.run_with_inputs(&["extended-test"], &[("environments", &keys)]).passed();
}

#[test]
fn an_image_that_nobody_scanned_goes_no_further_where_scans_are_required() {
    let scanners = Scanners::new();
    let keys = scanners.keys(&[("record-scans", "required")]);
    let gate = gate();
    gate.run(&["fast-feedback"]).passed();
    let gate = gate.event("schedule", json!({}));
    let run = gate.run_with_inputs(&["extended-test"], &[("environments", &keys)]);
    assert_eq!((run.code, run.stdout.contains(UNSCANNED)), (1, true), "{}", run.stdout);
    assert!(!run.stdout.contains("p2p-extended-test passed"), "{}", run.stdout);
    let off = [("environments", keys.as_str()), ("promotion-record", "off")];
    let run = gate.run_with_inputs(&["extended-test"], &off);
    assert!(run.stdout.contains("was scanned: `promotion-record` is `off`"), "{}", run.stdout);
    let wrong = scanners.keys(&[("record-scans", "maybe")]);
    let run = gate.run_with_inputs(&["extended-test"], &[("environments", &wrong)]);
    assert_eq!(run.code, 64, "{}", run.stdout);
    assert!(run.stdout.contains("is neither `off` nor `required`"), "{}", run.stdout);
}

#[test]
fn a_scan_in_a_job_of_its_own_leaves_a_record_that_the_promotion_reads() {
    let scanners = Scanners::new();
    let gate = gate().input("version", "1.0.0");
    let built = gate.run(&["run", "p2p-build"]);
    let digests = built.passed().output("digests").to_owned();
    let keys = scanners.keys(&[("record-scans", "required")]);
    let given = [("environments", keys.as_str()), ("images", digests.as_str())];
    let run = gate.run_with_inputs(&["promote", "extended-test"], &given);
    assert_eq!((run.code, run.stdout.contains(UNSCANNED)), (1, true), "{}", run.stdout);
    // A scan that stops the image leaves no record of having let it pass.
    let found = json!([{"Target": "app (debian 12)", "Vulnerabilities": [vulnerability("CVE-2024-0001", "x", "HIGH")]}]);
    scanners.image(&found);
    let strict = scanners.keys(&[("scan-blocking-severity", "high")]);
    let scan =
        |keys: &str| gate.run_with_inputs(&["scan", "image", "fast-feedback"], &[("environments", keys)]);
    assert_eq!(scan(&strict).code, 1);
    assert_eq!(gate.run_with_inputs(&["promote", "extended-test"], &given).code, 1);
    scan(&keys).passed();
    gate.run_with_inputs(&["promote", "extended-test"], &given).passed();
    let image = format!("{}/extended-test/shop:1.0.0", gate.registry.path());
    let verified = gate.run(&["verify", &image]);
    assert!(verified.passed().stdout.contains("PASSED scan\n"), "{}", verified.stdout);
    // Of no gate does it say that the image passed.
    assert_ne!(gate.run(&["verify", &image, "--require", "extended-test"]).code, 0);
}
