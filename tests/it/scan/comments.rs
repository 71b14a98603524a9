//! Comments on pull requests: kept up to date, with what the pull request brings first.

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::{Fault, REPOSITORY};
use crate::support::scanners::{Scanners, committed, in_file, read_json, vulnerability};

/// A pull request on top of `main`.
fn gate(scanners: &Scanners) -> Gate {
    let gate = Gate::new(MAKEFILE).input("environments", &scanners.keys(&[]));
    let base = gate.head();
    let gate = gate.file("go.mod", "module x\n").commit_to("refs/heads/topic");
    let head = gate.head();
    let own =
        json!({"number": 7, "head": {"sha": head, "repo": {"full_name": REPOSITORY}}, "base": {"sha": base}});
    gate.event("pull_request", json!({"pull_request": own})).git_ref("refs/pull/7/merge")
}

fn scan(gate: &Gate, words: &[&str], inputs: &[(&str, &str)]) -> Run {
    gate.run_with_inputs(&[&["scan"], words].concat(), inputs)
}

fn document(run: &Run, name: &str) -> Value {
    let scans: Value = serde_json::from_str(run.output("scans")).unwrap();
    read_json(&std::path::Path::new(scans["source"]["directory"].as_str().unwrap()).join(name))
}

/// Of the base Trivy finds one vulnerability, of the pull request one more.
fn found(scanners: &Scanners) {
    let old = vulnerability("CVE-2024-0001", "old", "CRITICAL");
    let new = vulnerability("CVE-2024-0002", "new", "LOW");
    scanners.source(&json!([in_file("go.mod", &[old.clone(), new])]));
    scanners
        .write("base.json", &json!({"SchemaVersion": 2, "Results": [in_file("go.mod", &[old])]}).to_string());
    scanners.before("trivy", "case $* in */base) cp \"$here/fs.json\" \"$here/fs.kept\"; cp \"$here/base.json\" \"$here/fs.json\" ;; *) [ ! -f \"$here/fs.kept\" ] || mv \"$here/fs.kept\" \"$here/fs.json\" ;; esac");
}

#[test]
fn what_a_pull_request_brings_comes_first() {
    let scanners = Scanners::new();
    found(&scanners);
    let gate = gate(&scanners);
    let run = scan(&gate, &["source"], &[]);
    run.passed();
    let [comment] = gate.github.comments().try_into().unwrap_or_else(|all| panic!("{all:?}"));
    assert_eq!(comment.issue, 7);
    let marker = "<!-- Sticky Pull Request Commentsecurity-source-scan-findings-local -->\n";
    let text = comment.body.strip_prefix(marker).unwrap_or_else(|| panic!("{}", comment.body));
    let (new, old) = text.split_once("**On the base already:** 1").unwrap_or_else(|| panic!("{text}"));
    assert!(new.contains("**New in this pull request:** 1") && new.contains("CVE-2024-0002"), "{text}");
    assert!(!new.contains("CVE-2024-0001") && old.contains("CVE-2024-0001"), "{text}");
    let rows = document(&run, "source-security-findings.json");
    let rows: Vec<_> = rows["vulnerabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["id"].clone(), row["new"].clone()))
        .collect();
    assert_eq!(rows, [(json!("CVE-2024-0001"), json!(false)), (json!("CVE-2024-0002"), json!(true))]);
    // The next run changes the same comment.
    scanners.before("trivy", "").source(&json!([]));
    scan(&gate, &["source"], &[("app-name", "shop"), ("tenant-name", "acme")]).passed();
    scan(&gate, &["source"], &[]).passed();
    let comments = gate.github.comments();
    assert_eq!(comments.len(), 2);
    assert!(comments[0].body.contains("No findings"), "{}", comments[0].body);
    assert!(comments[1].body.contains("findings-shop -->"), "{}", comments[1].body);
}

#[test]
fn jobs_that_share_the_work_hand_the_comparison_over() {
    let scanners = Scanners::new();
    found(&scanners);
    let gate = gate(&scanners);
    let run = scan(&gate, &["dependencies"], &[]);
    let directory = document_directory(run.passed());
    assert!(gate.github.comments().is_empty(), "a part of a scan has no comment");
    std::fs::create_dir_all(directory.join("trufflehog")).unwrap();
    std::fs::write(directory.join("trufflehog/findings.ndjson"), "").unwrap();
    scan(&gate, &["report", directory.to_str().unwrap()], &[]).passed();
    let comments = gate.github.comments();
    assert!(comments[0].body.contains("**New in this pull request:** 1"), "{}", comments[0].body);
}

fn document_directory(run: &Run) -> std::path::PathBuf {
    let scans: Value = serde_json::from_str(run.output("scans")).unwrap();
    scans["source"]["directory"].as_str().unwrap().into()
}

#[test]
fn a_comment_holds_no_secret_and_fits_however_much_was_found() {
    const CANARY: &str = "AKIACANARYCANARY0001";
    let scanners = Scanners::new();
    let many: Vec<_> = (0..3000)
        .map(|n| {
            vulnerability(
                &format!("CVE-2024-{n:05}"),
                &format!("<!-- p2p --> |x| ::error::{n} @acme \u{1b}[31m{}", "w".repeat(900)),
                "HIGH",
            )
        })
        .collect();
    scanners.source(&json!([in_file("go.mod", &many)])).commits(&[committed(
        CANARY,
        &format!("conf/{CANARY}.txt"),
        true,
    )]);
    let gate = gate(&scanners);
    scan(&gate, &["source"], &[]).passed();
    let comment = &gate.github.comments()[0].body;
    assert!(comment.chars().count() <= 65_536 && comment.contains("has the rest"), "{}", comment.len());
    assert!(
        !comment.contains("CANARY") && !comment.contains('\u{1b}') && !comment.contains("<!-- p2p"),
        "{comment}"
    );
}

#[test]
fn without_the_right_to_comment_the_scan_passes_and_says_so() {
    let scanners = Scanners::new();
    let gate = gate(&scanners);
    gate.github.fault(|seen| {
        (seen.method == "POST").then(|| Fault::error(403, "Resource not accessible by integration"))
    });
    let run = scan(&gate, &["source"], &[]);
    assert!(run.passed().stdout.contains("pull-requests: write"), "{}", run.stdout);
}

#[test]
fn an_older_run_does_not_replace_the_comment_of_a_newer_one() {
    let scanners = Scanners::new();
    let mut gate = gate(&scanners);
    let mut bodies = Vec::new();
    for (run, package) in [("20", "first"), ("19", "older"), ("20", "again"), ("100", "newer")] {
        gate = gate.env("GITHUB_RUN_ID", run);
        scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", package, "HIGH")])]));
        scan(&gate, &["source"], &[]).passed();
        let [comment] = gate.github.comments().try_into().unwrap_or_else(|all| panic!("{all:?}"));
        bodies.push(comment.body);
    }
    let holds = |at: usize, package: &str| bodies[at].contains(&format!("| {package} |"));
    assert!(holds(0, "first") && holds(1, "first") && holds(2, "again") && holds(3, "newer"), "{bodies:?}");
}
