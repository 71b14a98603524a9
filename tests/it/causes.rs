//! Why targets fail: the causes in real outputs of tools (`causes/*.txt`), and where a run shows them.
//!
//! A file begins with where the output is from (`the tool` itself, or the format of its `documentation`), the words that
//! the cause must show, and its place in the repository.

use std::fs;
use std::path::Path;

use p2p::domain::cause::{Cause, Finder};
use serde_json::json;

use crate::support::gate::{Gate, MAKEFILE};

/// Outputs whose cause the rules do not show. docs/failures.md lists them.
const MISSES: [&str; 1] = ["words-without-a-rule"];

/// Where the outputs were made.
const CHECKOUT: &str = "/home/runner/work/shop/shop/";

struct Case {
    name: String,
    source: String,
    expected: String,
    place: Option<String>,
    output: String,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/causes");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let case = |file: &std::path::PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let (head, output) = text.split_once("---\n").unwrap();
        let field =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        Case {
            name: file.file_stem().unwrap().to_str().unwrap().to_owned(),
            source: field("source:"),
            expected: field("expect:"),
            place: Some(field("place:")).filter(|place| place != "-"),
            output: output.to_owned(),
        }
    };
    files.iter().map(case).collect()
}

fn cause(case: &Case) -> Option<Cause> {
    let mut finder = Finder::new();
    for line in case.output.as_bytes().split_inclusive(|byte| *byte == b'\n') {
        finder.push(line);
    }
    // Only the file with the cause is in this repository.
    let known = |file: &str| {
        let file = file.strip_prefix(CHECKOUT).unwrap_or(file);
        let file = file.strip_prefix("./").unwrap_or(file).to_owned();
        case.place.as_ref()?.split_once(':').filter(|(place, _)| *place == file).map(|_| file)
    };
    finder.finish(known).or_else(|| Cause::last_lines(case.output.lines()))
}

#[test]
fn the_cause_of_nine_of_ten_failures_is_shown() {
    let cases = cases();
    let real = cases.iter().filter(|case| case.source == "the tool").count();
    assert!(real >= 60, "{real} outputs are from the tools themselves");
    let mut missed = Vec::new();
    for case in &cases {
        let cause = cause(case).unwrap_or_else(|| panic!("{} has no cause", case.name));
        assert!(cause.lines.len() <= 20, "{}: {} lines", case.name, cause.lines.len());
        if !cause.lines.iter().any(|line| line.contains(&case.expected)) {
            missed.push(case.name.as_str());
            continue;
        }
        let place = cause.place.as_ref().map(|place| format!("{}:{}", place.file, place.line));
        assert_eq!(place, case.place, "{}: {cause:?}", case.name);
    }
    assert_eq!(missed, MISSES, "update the list of misses here and in docs/failures.md");
    assert!(missed.len() * 10 <= cases.len());
}

#[test]
fn an_output_in_which_nothing_is_known_has_no_cause() {
    let mut finder = Finder::new();
    finder.push(b"all 12 checks are fine, 0 errors, no warnings\nerror rate 0.0 %\n");
    assert_eq!(finder.finish(|_| None), None);
    assert_eq!(Cause::last_lines(["", "make: *** [Makefile:3: x] Error 1"].into_iter()), None);
}

#[test]
fn a_finding_in_an_endless_output_stays_small() {
    let mut finder = Finder::new();
    let block = [&b"error: again "[..], &b"x".repeat(100_000), b"\n"].concat().repeat(10);
    for _ in 0..20 {
        finder.push(&block);
    }
    let cause = finder.finish(|_| None).unwrap();
    let bytes: usize = cause.lines.iter().map(String::len).sum();
    assert!(bytes < 16 * 1024, "{bytes}");
}

/// Functional fails as mypy does; the file is in the repository.
fn failing() -> Gate {
    let makefile = MAKEFILE.replace("p2p-functional p2p-nft p2p-integration:", "p2p-nft p2p-integration:");
    let recipe = "p2p-functional:\n\
                  \t@echo 'src/cart.py:2: error: Incompatible <b>return</b> of s3cr3t-value'\n\
                  \t@for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo \"removed object $$i\"; done\n\
                  \t@exit 1\n";
    let gate = Gate::new(&format!("{makefile}{recipe}")).file("src/cart.py", "a\nb\n").commit("a cart");
    gate.input("env-vars", "TOKEN=s3cr3t-value\n")
}

#[test]
fn the_cause_stands_first_everywhere() {
    let gate = failing();
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    let step =
        run.report["steps"].as_array().unwrap().iter().find(|step| step["name"] == "p2p-functional").unwrap();
    let headline = "src/cart.py:2: error: Incompatible <b>return</b> of ***";
    let cause = &step["failure"]["cause"];
    assert_eq!(cause["rule"], "compiler");
    assert_eq!(cause["headline"], headline);
    assert_eq!((&cause["file"], &cause["line"]), (&json!("src/cart.py"), &json!(2)));
    assert_eq!(step["failure"]["what"], "make ended with exit code 2");
    assert_eq!(run.report["failure"], step["failure"], "the first step that failed");

    let annotation = run.stdout.lines().find(|line| line.starts_with("::error")).unwrap();
    let begins = format!("::error title=p2p-functional,file=src/cart.py,line=2::{headline}%0Amake ended");
    assert!(annotation.starts_with(&begins), "{annotation}");

    let summary = run.summary();
    let at = |text: &str| summary.find(text).unwrap_or_else(|| panic!("{text}: {summary}"));
    assert!(
        at("## ❌ fast-feedback failed") < at("### p2p-functional: src/cart.py:2: error: Incompatible &lt;b")
    );
    assert!(at("(`src/cart.py:2`)") < at("| step | result | time |"));

    let last = run.stdout.rsplit("✗ fast-feedback of").next().unwrap();
    assert!(
        last.contains(&format!("\np2p-functional: {headline} (src/cart.py:2)\n  | src/cart.py:2: error")),
        "{last}"
    );

    // The report of this job, as text and as data.
    let text = gate.run(&["explain"]);
    text.passed();
    assert!(
        text.stdout.starts_with(&format!("p2p-functional: {headline} (src/cart.py:2)\n")),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("  repeat it:  p2p run"), "{}", text.stdout);
    let data = gate.run(&["explain", "--output", "json"]);
    let data: serde_json::Value = serde_json::from_str(&data.stdout).unwrap();
    assert_eq!((&data["result"], &data["failed"][0]["step"]), (&json!("failure"), &json!("p2p-functional")));
    assert_eq!(&data["failed"][0]["cause"], cause);
}

#[test]
fn explain_says_what_failed_before_any_step_and_that_nothing_failed() {
    let gate = Gate::new(MAKEFILE).input("bump", "sideways");
    assert_ne!(gate.run(&["fast-feedback"]).code, 0);
    let gate = gate.input("bump", "");
    let text = gate.run(&["explain"]);
    assert!(text.passed().stdout.contains("sideways"), "{}", text.stdout);
    let none = gate.run(&["explain", "missing.json"]);
    assert!(none.code != 0 && none.stdout.contains("missing.json"), "{}", none.stdout);
    gate.run(&["fast-feedback"]).passed();
    let text = gate.run(&["explain"]);
    assert_eq!(text.passed().stdout, "nothing failed: the result of the run is success\n");
    let file = gate.workspace().join("other.json");
    fs::write(&file, "{}").unwrap();
    let other = gate.run(&["explain", "other.json"]);
    assert!(other.code != 0 && other.stdout.contains("is not a report of p2p"), "{}", other.stdout);
}
