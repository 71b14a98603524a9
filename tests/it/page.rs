//! The report as a page, in Chromium.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::tools::tool;

/// What came of the steps in a browser.
struct Seen {
    results: Vec<Value>,
}

/// Opens a page and does the steps. It may make no request, and log no error.
fn browse(page: &Path, steps: &Value) -> Seen {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("target/tools/browser");
    assert!(modules.join("node_modules/axe-core").is_dir(), "axe-core is not installed: run scripts/tools");
    let mut browser = Command::new(tool("node"))
        .arg(root.join("tests/it/support/browser/drive.mjs"))
        .arg(page)
        .envs([("P2P_TEST_MODULES", modules), ("P2P_TEST_CHROMIUM", tool("chromium"))])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    browser.stdin.take().unwrap().write_all(steps.to_string().as_bytes()).unwrap();
    let output = browser.wait_with_output().unwrap();
    assert!(output.status.success());
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = format!("file://{}", page.display());
    assert_eq!(seen["requests"], json!([own]), "no request leaves the page");
    assert_eq!(seen["problems"], json!([]));
    Seen { results: seen["results"].as_array().unwrap().clone() }
}

const HOSTILE: &str =
    "</script><script>document.title='owned'</script><img src=http://192.0.2.1/x onerror=alert(1)>";

/// A report whose every text is hostile, with the log of functional.
fn report(directory: &Path, log: &str) -> PathBuf {
    fs::write(directory.join("functional.log"), log).unwrap();
    let test = json!({"name": HOSTILE, "suite": "cart", "message": HOSTILE, "details": [HOSTILE], "file": "a.py", "line": 3});
    let report = json!({
        "schema": 1, "result": "failure", "seconds": 90.5, "started": HOSTILE, "tag_created": false,
        "plan": {"command": "fast-feedback", "commit": "0123abc", "version": {"version": "1.2.4", "tag": HOSTILE},
            "environment": {"secret": "not on the page"}, "steps": []},
        "steps": [
            {"name": "p2p-build", "status": "passed", "seconds": 30.5, "started": "2026-11-29T00:00:00Z", "log": "/etc/passwd"},
            {"name": "p2p-functional", "status": "failed", "seconds": 60.0, "started": "2026-11-29T00:00:30.5Z",
             "reason": HOSTILE, "log": "/elsewhere/functional.log", "repeat": HOSTILE, "cluster": [HOSTILE],
             "tests": {"total": 2, "passed": 0, "failed": 1, "flaky": 1, "skipped": 0, "seconds": 1.5, "failures": [test],
                "flaky_tests": [test], "slowest": [{"name": HOSTILE, "seconds": 1.0}], "reports": [HOSTILE]},
             "failure": {"step": "p2p-functional", "what": HOSTILE, "causes": [HOSTILE], "help": HOSTILE,
                "cause": {"rule": "x", "headline": HOSTILE, "lines": [HOSTILE, "two"], "file": "a.py", "line": 3}}},
            {"name": HOSTILE, "status": "\" onclick=alert(1)", "seconds": "x"},
            {"name": "p2p-nft", "status": "skipped", "seconds": 0.0, "reason": HOSTILE},
        ],
        "images": [{"name": "shop", "reference": HOSTILE, "digest": HOSTILE}],
        "promoted": [{"name": "shop", "source": HOSTILE, "destination": HOSTILE, "digest": HOSTILE}],
        "warnings": [HOSTILE], "artifacts": [HOSTILE], "half_deployed": [HOSTILE],
    });
    let file = directory.join("report.json");
    fs::write(&file, report.to_string()).unwrap();
    file
}

/// Writes the page by the command.
fn page(report: &Path) -> PathBuf {
    let page = report.with_file_name("page.html");
    let gate = Gate::local(MAKEFILE);
    let (report, html) = (report.to_str().unwrap(), page.to_str().unwrap());
    gate.run(&["report", report, "--html", html]).passed();
    page
}

#[test]
fn hostile_texts_stay_texts_and_everybody_can_read_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let log = format!(
        "\u{1b}[1;31mred\u{1b}[0m {HOSTILE}\n\u{1b}[42mok\u{1b}[m \u{1b}[7mswapped\u{1b}[0m &amp; plain\n"
    );
    let page = page(&report(directory.path(), &log));
    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(text.matches("<script").count(), 3, "data, one log, and our own");
    assert!(!text.contains("root:") && !text.contains("not on the page"));
    let seen = browse(
        &page,
        &json!([
            {"size": [1280, 900]},
            {"theme": "light"},
            {"eval": "until(() => document.querySelector('.log .lines div')).then(row => row.textContent)"},
            {"eval": "document.querySelectorAll('details').forEach(one => { one.open = true; })"},
            {"axe": true},
            {"theme": "dark"},
            {"axe": true},
            {"size": [390, 844]},
            {"axe": true},
            {"eval": "document.documentElement.scrollWidth"},
            {"eval": "[document.title, document.querySelector('h1').textContent, document.querySelectorAll('img, iframe, a:not(.skip), [onclick], body script:not([type]) ~ *').length]"},
            {"eval": "document.querySelector('.cause h3').textContent"},
            {"eval": "document.querySelector('main').children[1].querySelector('h2').textContent"},
            {"eval": "[...document.querySelectorAll('.lines span:not(.n)')].map(one => one.className + ' ' + one.textContent)"},
            {"eval": "[...document.querySelectorAll('.track i')].map(bar => bar.style.left)"},
        ]),
    );
    let result = |index: usize| &seen.results[index];
    assert_eq!(result(2), &json!(format!("1red {HOSTILE}")));
    for theme in [4, 6, 8] {
        assert_eq!(result(theme), &json!([]), "axe-core");
    }
    assert_eq!(result(9), &json!(390), "nothing is wider than a phone");
    assert_eq!(result(10), &json!(["❌ fast-feedback failed: 1.2.4", "❌ fast-feedback failed: 1.2.4", 0]));
    assert_eq!(result(11), &json!(format!("p2p-functional: {HOSTILE} (a.py:3)")));
    assert_eq!(result(12), &json!("Why it failed"), "the cause comes right after the verdict");
    assert_eq!(result(13), &json!(["c1 bold red", "b b2 ok", "b b7 swapped"]));
    assert_eq!(result(14).as_array().unwrap()[..2], [json!("0%"), json!("33.7017%")]);
}

#[test]
fn a_million_lines_are_searched_by_keys() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = String::new();
    for number in 0..1_000_000 {
        let _ = writeln!(log, "line {number} of a long log");
        if number == 700_000 {
            log.push_str("a \u{1b}[31mNee\u{1b}[0mdle in it\n");
        }
    }
    log.push_str("the last needle");
    let page = page(&report(directory.path(), &log));
    assert!(fs::metadata(&page).unwrap().len() < 12 << 20, "packed");
    let row = "until(() => document.querySelector('.now')).then(row => row.textContent)";
    let status = "document.querySelector('[role=status]').textContent";
    let in_sight = "(() => { const row = document.querySelector('.now').getBoundingClientRect(); \
                    const log = document.querySelector('.log').getBoundingClientRect(); \
                    return row.top >= log.top && row.bottom <= log.bottom + 1; })()";
    let seen = browse(
        &page,
        &json!([
            {"size": [1280, 900]},
            {"eval": "until(() => document.querySelector('.log .lines div')).then(() => document.querySelectorAll('*').length)"},
            {"key": "/"},
            {"type": "needle"},
            {"eval": row},
            {"eval": status},
            {"eval": in_sight},
            {"key": "Enter"},
            {"eval": "until(() => /^1000002/.test(document.querySelector('.now')?.textContent))"},
            {"eval": status},
            {"eval": in_sight},
            {"key": "Shift+Enter"},
            {"eval": "until(() => /^700002/.test(document.querySelector('.now')?.textContent))"},
            {"eval": "(() => { document.querySelector('.log').focus(); document.querySelector('.log').scrollTop = 0; })()"},
            {"key": "PageDown"},
            {"eval": "until(() => document.querySelector('.log').scrollTop > 0)"},
        ]),
    );
    let result = |index: usize| &seen.results[index];
    assert!(result(1).as_u64().unwrap() < 1000, "only lines in sight are elements: {}", result(1));
    assert_eq!(result(4), "700002a Needle in it");
    assert_eq!((result(5), result(6)), (&json!("1 of 2 lines"), &json!(true)));
    assert_eq!((result(9), result(10)), (&json!("2 of 2 lines"), &json!(true)));
}

#[test]
fn a_run_on_github_leaves_a_page_beside_its_report() {
    let makefile =
        MAKEFILE.replace("@echo '$@ of $(P2P_VERSION)'", "@echo 'error: s3cr3t-value of $@'; exit 1");
    let gate = Gate::new(&makefile).input("env-vars", "TOKEN=s3cr3t-value\n");
    let run = gate.run(&["fast-feedback"]);
    run.ended(2);
    let page = Path::new(run.output("logs-path")).join("report.html");
    let text = fs::read_to_string(&page).unwrap();
    assert!(!text.contains("s3cr3t-value") && !text.contains("fatal"));
    let seen = browse(
        &page,
        &json!([
            {"eval": "until(() => document.querySelectorAll('.log .lines div').length >= 2)"},
            {"eval": "[...document.querySelectorAll('.log .lines')].map(log => log.textContent).join(' ')"},
            {"eval": "document.querySelector('.cause h3').textContent"},
        ]),
    );
    let logs = seen.results[1].as_str().unwrap();
    assert!(logs.contains("error: *** of p2p-functional"), "{logs}");
    assert!(seen.results[2].as_str().unwrap().contains("***"), "{}", seen.results[2]);
    // A dry run and a laptop leave none.
    let local = Gate::local(MAKEFILE);
    let run = local.run(&["fast-feedback"]);
    let report = run.passed().report["logs"].as_str().unwrap();
    assert!(!Path::new(report).join("report.html").exists());
    local.run(&["report", "--html", "page.html"]).passed();
    assert!(local.has("page.html"), "of the latest run");
}

#[test]
fn what_is_no_report_makes_no_page() {
    let gate = Gate::local(MAKEFILE)
        .file("other.json", "{}")
        .file("broken.json", "{")
        .file("odd.json", r#"{"result": "success", "steps": [null]}"#)
        .file("empty.json", r#"{"result": "success", "steps": []}"#)
        .commit("files");
    for (arguments, problem) in [
        (&["report", "other.json", "--html", "a.html"][..], "other.json is not a report of p2p"),
        (&["report", "broken.json", "--html", "a.html"], "broken.json is not a report of p2p"),
        (&["report", "missing.json", "--html", "a.html"], "missing.json"),
        (&["report", "/dev/zero", "--html", "a.html"], "/dev/zero is not a report of p2p"),
        (&["report", "odd.json", "--html", "a.html"], "no `steps` that are objects"),
        (&["report", "empty.json", "--html", "Makefile"], "a file of the run itself"),
        (&["report", "empty.json", "--html", "/dev/null"], "which is not a file"),
        (&["report", "empty.json", "--html", "./none/../empty.json"], "cannot be written"),
        (&["report", "empty.json", "--html", "./empty.json"], "a file of the run itself"),
        (&["report", "other.json"], "--html"),
    ] {
        let run = gate.run(arguments);
        assert_ne!(run.code, 0);
        assert!(
            format!("{}{}", run.stdout, run.stderr).contains(problem),
            "{problem}: {} {}",
            run.stdout,
            run.stderr
        );
        assert!(!gate.has("a.html"));
    }
}
