//! Whatever a scanner does: its scan is not complete then, and never without findings.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::scanners::{Scanners, committed, in_file, vulnerability};

fn scan(gate: &Gate, scanners: &Scanners, keys: &[(&str, &str)]) -> Run {
    gate.run_with_inputs(&["scan", "source"], &[("environments", &scanners.keys(keys))])
}

fn status(run: &Run) -> (Value, Value) {
    let scans: Value = serde_json::from_str(run.output("scans")).unwrap();
    (scans["source"]["scan-status"].clone(), scans["source"]["security-risk"].clone())
}

/// The scan failed with this exit code and these words, and what the other scanner found is reported.
fn failed(run: &Run, code: i32, words: &str) {
    assert_eq!(run.code, code, "{}", run.stdout);
    assert!(run.stdout.contains(words), "{words:?}: {}", run.stdout);
    assert_eq!(status(run), (json!("failed"), json!("unknown")), "{}", run.stdout);
}

#[test]
fn a_scanner_that_fails_is_a_failed_scan() {
    let gate = Gate::new(MAKEFILE);
    for (program, code, exit, words) in [
        ("trivy", "[ $1 = fs ] && refuse 'no space left on device'", 1, "no space left on device"),
        ("trivy", "[ $1 = fs ] && kill -9 $$", 1, "was ended by signal 9"),
        ("trivy", "[ $1 = fs ] && exit 0", 1, "the output of trivy cannot be read: it ends too early"),
        (
            "trivy",
            "[ $1 = version ] && echo '{\"Version\": \"1\"}' && exit 0",
            69,
            "trivy has none after it was told to fetch it",
        ),
        ("trufflehog", "exit 2", 1, "failed with exit code 2"),
        ("trufflehog", "kill -9 $$", 1, "was ended by signal 9"),
    ] {
        let scanners = Scanners::new();
        scanners.before(program, code);
        failed(&scan(&gate, &scanners, &[]), exit, words);
    }
}

#[test]
fn output_that_ends_too_early_is_a_failed_scan_and_is_not_quoted() {
    let gate = Gate::new(MAKEFILE);
    let scanners = Scanners::new();
    scanners.write("fs.json", "{\"SchemaVersion\": 2, \"Results\": [{\"Target\": \"s3cret");
    failed(&scan(&gate, &scanners, &[]), 1, "it ends too early (line 1, ");
    for text in ["", "{}", "[]", "null", "{\"SchemaVersion\": 3}", "{\"SchemaVersion\": 2, \"Results\": {}}"]
    {
        failed(
            &scan(&gate, Scanners::new().write("fs.json", text), &[]),
            1,
            "the output of trivy cannot be read",
        );
    }
    let scanners = Scanners::new();
    let finding = committed("AKIACANARYCANARYCANA", "a", true).to_string();
    scanners.write("git.ndjson", &format!("{finding}\n{}", &finding[..finding.len() / 2]));
    let run = scan(&gate, &scanners, &[]);
    failed(&run, 1, "the output of trufflehog cannot be read: it ends too early (line 2, ");
    assert!(!run.stdout.contains("AKIACANARY"), "{}", run.stdout);
}

#[test]
fn what_a_failing_scanner_says_holds_no_secret() {
    let gate = Gate::new(MAKEFILE);
    let scanners = Scanners::new();
    let canary = "AKIACANARYCANARYCANA";
    scanners.commits(&[committed(canary, "a", true)]);
    scanners.before(
        "trufflehog",
        &format!("cat \"$here/git.ndjson\"; echo '{{\"msg\":\"lost {canary} here\",\"chunk\":\"hidden\"}}' >&2; exit 1"),
    );
    let run = scan(&gate, &scanners, &[]);
    failed(&run, 1, "lost *** here");
    assert!(!run.stdout.contains(canary) && !run.stdout.contains("hidden"), "{}", run.stdout);
    // A secret that begins like the one before, where a long message is cut.
    scanners.commits(&[committed("AKIAONE", "a", true), committed(canary, "b", true)]);
    let long = "-".repeat(390);
    scanners.before(
        "trufflehog",
        &format!("cat \"$here/git.ndjson\"; echo '{{\"msg\":\"{long}{canary}\"}}' >&2; exit 1"),
    );
    let run = scan(&gate, &scanners, &[]);
    failed(&run, 1, "---***");
    assert!(!run.stdout.contains("CANARY"), "{}", run.stdout);
}

#[test]
fn a_scanner_that_takes_too_long_is_ended() {
    let gate = Gate::new(MAKEFILE).input("timeout", "1s");
    let scanners = Scanners::new();
    scanners.before("trufflehog", "sleep 600");
    failed(&scan(&gate, &scanners, &[]), 124, "took longer than 1 s");
}

#[test]
fn a_database_that_cannot_be_had_or_is_too_old_is_an_error() {
    let gate = Gate::new(MAKEFILE);
    let scanners = Scanners::new();
    scanners.write("no-database", "");
    failed(&scan(&gate, &scanners, &[]), 69, "failed to download vulnerability DB");
    let scanners = Scanners::new();
    scanners.database(200);
    failed(&scan(&gate, &scanners, &[]), 1, "200 h old, and the limit is 168 h");
    assert_eq!(status(&scan(&gate, &scanners, &[("scan-db-max-age", "300h")])), (json!("ok"), json!("ok")));
}

#[test]
fn a_hundred_thousand_findings_are_counted_and_the_first_are_shown() {
    let gate = Gate::new(MAKEFILE);
    let scanners = Scanners::new();
    let found: Vec<_> = (0..100_000).map(|n| vulnerability(&format!("CVE-2024-{n}"), "p", "HIGH")).collect();
    scanners.source(&json!([in_file("go.mod", &found)]));
    let run = scan(&gate, &scanners, &[("scan-blocking-severity", "high")]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("100000 findings are at or above"), "{}", &run.stdout[..2000]);
    assert!(run.stdout.contains("99990 more in the reports"));
    assert!(run.summary().contains("*100 of 100000 are shown") && run.summary().len() < 1 << 20);
}

#[test]
fn hostile_names_act_nowhere() {
    let gate = Gate::new(MAKEFILE);
    let scanners = Scanners::new();
    let name = "p|`</details>\n::error::injected\u{1b}[31m ##[warning]x <img src=x> [y](javascript:z)";
    let mut found = vulnerability("CVE-2024-1 ::notice::x", name, "HIGH");
    found["PrimaryURL"] = json!("javascript:alert(1)");
    scanners.source(&json!([in_file("a\n::warning::injected", &[found])]));
    let run = scan(&gate, &scanners, &[("scan-blocking-severity", "high")]);
    assert_eq!(run.code, 1);
    let commands = run.reading();
    assert!(!format!("{commands:?}").contains("message: \"injected"), "{commands:?}");
    assert!(!run.stdout.contains("\u{1b}[31m"));
    let summary = run.summary();
    // Inside a block of code nothing acts.
    let (_, report) = summary.split_once("## Source security scan").unwrap();
    assert!(
        !report.contains("<img") && !report.contains("</details>") && !report.contains("[y](javascript"),
        "{report}"
    );
    assert!(!summary.contains("\n::error::"), "{summary}");
}

#[test]
fn a_program_that_is_not_there_is_an_error_that_names_the_key() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE);
    let run = scan(&gate, &scanners, &[("trivy-path", "/nonexistent/trivy")]);
    failed(&run, 64, "`trivy-path` is /nonexistent/trivy");
    let trivy = scanners.path().join("trivy");
    std::fs::set_permissions(&trivy, Permissions::from_mode(0o644)).unwrap();
    failed(&scan(&gate, &scanners, &[]), 64, &format!("`trivy-path` is {}", trivy.display()));
    std::fs::write(&trivy, "\u{7f}ELF of another machine").unwrap();
    std::fs::set_permissions(&trivy, Permissions::from_mode(0o755)).unwrap();
    failed(&scan(&gate, &scanners, &[]), 69, "help: check that the directory exists and that the program");
}
