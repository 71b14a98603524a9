//! Scans in the gate: they run beside targets, and the promotion waits for them.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::scanners::{Scanners, in_file, vulnerability};

/// The gate with scans.
fn gate(scanners: &Scanners, keys: &[(&str, &str)]) -> Gate {
    let keys: Vec<_> = keys.iter().copied().chain([("scan", "on")]).collect();
    Gate::new(MAKEFILE).input("environments", &scanners.keys(&keys))
}

fn result<'a>(run: &'a Run, name: &str) -> &'a str {
    run.step(name)
}

fn scans(run: &Run) -> Value {
    serde_json::from_str(run.output("scans")).unwrap()
}

#[test]
fn without_the_key_nothing_is_scanned() {
    let run = Gate::new(MAKEFILE).run(&["fast-feedback"]);
    assert!(!run.passed().output("steps").contains("scan-"), "{}", run.output("steps"));
    assert_eq!(run.output("scans"), "{}");
}

#[test]
fn the_plan_says_what_is_scanned_beside_what() {
    let scanners = Scanners::new();
    let gate = gate(&scanners, &[("scan-blocking-severity", "high")]);
    let plan = gate.run(&["plan"]);
    let text = &plan.passed().stdout;
    let source =
        "scan dependencies and licences, and new commits; findings from high on block; begins with p2p-build";
    let images =
        "scan the recorded digests, all platforms; findings from high on block; begins with p2p-functional";
    assert!(text.contains(source) && text.contains(images), "{text}");
    assert!(scanners.calls("trivy").is_empty());
}

#[test]
fn the_gate_scans_source_and_the_recorded_digest_and_promotes() {
    let scanners = Scanners::new();
    scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", "x", "CRITICAL")])]));
    let run = gate(&scanners, &[]).run(&["fast-feedback"]);
    assert_eq!(result(run.passed(), "scan-source"), "passed");
    assert_eq!(
        (result(&run, "scan-images"), result(&run, "p2p-promote-to-extended-test")),
        ("passed", "passed")
    );
    let scans = scans(&run);
    assert_eq!(
        (&scans["source"]["security-risk"], &scans["images"]["security-risk"]),
        (&json!("critical"), &json!("ok"))
    );
    let digest = run.json("digests")["shop"].as_str().unwrap().to_owned();
    assert!(scanners.calls("trivy").iter().any(|call| call.ends_with(&format!("@{digest}"))));
}

#[test]
fn findings_from_the_threshold_on_stop_the_promotion_and_no_test() {
    let scanners = Scanners::new();
    let found = json!([{"Target": "app (debian 12)", "Vulnerabilities": [vulnerability("CVE-2024-0001", "x", "HIGH")]}]);
    scanners.image(&found);
    let gate = gate(&scanners, &[("scan-blocking-severity", "high")]);
    let run = gate.run(&["fast-feedback"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert_eq!(result(&run, "scan-images"), "failed");
    assert_eq!((result(&run, "p2p-integration"), result(&run, "scan-source")), ("passed", "passed"));
    assert_eq!(result(&run, "p2p-promote-to-extended-test"), "skipped");
    assert_eq!(run.output("promoted"), "[]");
    let image =
        format!("{}/test/shop@{}", gate.registry.path(), run.json("digests")["shop"].as_str().unwrap());
    let records = gate.run(&["verify", &image]);
    assert!(!records.stdout.contains("FAILED") && !records.stdout.contains("PASSED"), "{}", records.stdout);
}

#[test]
fn a_scanner_that_failed_stops_the_promotion_whatever_the_threshold() {
    let scanners = Scanners::new();
    scanners.before("trufflehog", "exit 1");
    let run = gate(&scanners, &[]).run(&["fast-feedback"]);
    assert_eq!((run.code, result(&run, "p2p-promote-to-extended-test")), (1, "skipped"), "{}", run.stdout);
    assert_eq!(result(&run, "p2p-integration"), "passed");
}

#[test]
fn a_test_that_fails_hides_no_finding() {
    let scanners = Scanners::new();
    scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", "x", "HIGH")])]));
    let broken = MAKEFILE.replace(
        "p2p-functional p2p-nft p2p-integration:\n",
        "p2p-functional:\n\t@exit 3\np2p-nft p2p-integration:\n",
    );
    let run = gate(&scanners, &[]).file("Makefile", &broken).commit("broken").run(&["fast-feedback"]);
    assert_eq!(
        (result(&run, "p2p-functional"), result(&run, "scan-source")),
        ("failed", "passed"),
        "{}",
        run.stdout
    );
    assert_eq!(scans(&run)["source"]["security-risk"], "high");
    let broken = MAKEFILE.replace("p2p-build:\n", "p2p-build:\n\t@exit 3\n");
    let run = gate(&scanners, &[]).file("Makefile", &broken).commit("broken").run(&["fast-feedback"]);
    assert_eq!(
        (result(&run, "scan-source"), result(&run, "scan-images")),
        ("passed", "skipped"),
        "{}",
        run.stdout
    );
}

#[test]
fn scans_run_while_targets_run() {
    let scanners = Scanners::new();
    // Each waits for the other: one after the other they would wait for ever.
    let (there, here) = (scanners.path().join("build-began"), scanners.path().join("scan-began"));
    let wait = |file: &std::path::Path| format!("while [ ! -e '{}' ]; do sleep 0.02; done", file.display());
    scanners.before("trufflehog", &format!("touch '{}'; {}", here.display(), wait(&there)));
    let build = format!("p2p-build:\n\t@touch '{}'; {}\n", there.display(), wait(&here));
    let run = gate(&scanners, &[])
        .file("Makefile", &MAKEFILE.replace("p2p-build:\n", &build))
        .commit("m")
        .run(&["fast-feedback"]);
    assert_eq!(result(run.passed(), "scan-source"), "passed");
}

#[test]
fn files_of_a_test_in_sarif_count() {
    let scanners = Scanners::new();
    let sarif = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": [{"ruleId": "R", "level": "error", "message": {"text": "m"}}]}]}"#;
    let makefile =
        MAKEFILE.replace("\t@echo '$@ of $(P2P_VERSION)'\n", &format!("\t@echo '{sarif}' >lint-$@.sarif\n"));
    let keys = [("scan-blocking-severity", "high"), ("sarif", "lint-p2p-functional.sarif")];
    let run = gate(&scanners, &keys).file("Makefile", &makefile).commit("m").run(&["fast-feedback"]);
    assert_eq!((run.code, result(&run, "scan-source")), (1, "failed"), "{}", run.stdout);
    assert!(run.stdout.contains("HIGH R in lint"), "{}", run.stdout);
}

#[test]
fn a_real_scanner_of_a_target_counts() {
    let scanners = Scanners::new();
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bandit");
    assert!(packages.is_dir(), "{} is missing: run scripts/tools", packages.display());
    // It ends with 1 where it finds something, which is for p2p to judge.
    let bandit = format!(
        "PYTHONPATH={} python3 -m bandit -q -r src -f sarif -o $@.sarif || [ $$? = 1 ]",
        packages.display()
    );
    let makefile = MAKEFILE.replace("\t@echo '$@ of $(P2P_VERSION)'\n", &format!("\t@{bandit}\n"));
    let found = |code: &str, severity: &str| {
        let keys = [("scan-blocking-severity", severity), ("sarif", "p2p-functional.sarif")];
        let gate = gate(&scanners, &keys).file("Makefile", &makefile).file("src/app.py", code);
        gate.commit("code").run(&["fast-feedback"])
    };
    let shell = "import subprocess\nsubprocess.call(input(), shell=True)\n";
    let run = found(shell, "high");
    assert!(run.ended(1).stdout.contains("B602"), "{}", run.stdout);
    assert!(run.stdout.contains("src/app.py"), "{}", run.stdout);
    // Without the high one, and with the high one where only critical ones block.
    found("import subprocess\nsubprocess.call([input()])\n", "high").passed();
    found(shell, "critical").passed();
}
