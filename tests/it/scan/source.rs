//! `p2p scan source`: what the scanners are given, what is reported, what blocks.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::scanners::{Scanners, committed, files_below, in_file, read_json, vulnerability};

/// The scan of the source in a job, with these keys.
fn scan(gate: &Gate, keys: &[(&str, &str)], scanners: &Scanners) -> Run {
    gate.run_with_inputs(&["scan", "source"], &[("environments", &scanners.keys(keys))])
}

/// The part of the output `scans` about the source.
fn told(run: &Run) -> Value {
    serde_json::from_str::<Value>(run.output("scans")).unwrap()["source"].clone()
}

fn findings(run: &Run) -> Value {
    read_json(Path::new(told(run)["json-file"].as_str().unwrap()))
}

#[test]
fn nothing_found_is_ok_and_nothing_of_the_job_reaches_a_scanner() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE)
        .input("env-vars", "CANARY=s3cret-canary")
        .env("AWS_SECRET_ACCESS_KEY", "canary-2");
    let run = scan(&gate, &[], &scanners);
    let told = told(run.passed());
    assert_eq!((&told["scan-status"], &told["security-risk"]), (&json!("ok"), &json!("ok")));
    assert_eq!((&told["vulnerability-total"], &told["secret-total"]), (&json!(0), &json!(0)));
    assert_eq!(findings(&run), json!({"vulnerabilities": [], "licenses": [], "secrets": []}));
    for program in ["trivy", "trufflehog"] {
        let environment = scanners.environment(program);
        for word in ["canary", "GITHUB_", "INPUT_", "ACTIONS_", "RUNNER_"] {
            assert!(!environment.contains(word), "{program}: {environment}");
        }
        assert!(environment.contains("TRIVY_DISABLE_TELEMETRY=true\n"), "{environment}");
        // What lies in the repository configures no scanner.
        assert!(!scanners.noted(program, "pwd").starts_with(gate.workspace().to_str().unwrap()));
    }
    let trivy = scanners.calls("trivy");
    assert!(trivy[0].starts_with("image --download-db-only"), "{trivy:?}");
    let fs = trivy.iter().find(|call| call.starts_with("fs ")).unwrap();
    assert!(fs.contains("--scanners vuln,license ") && fs.contains(" --ignore-unfixed "), "{fs}");
    assert!(fs.ends_with(gate.workspace().to_str().unwrap()), "{fs}");
    assert!(!gate.has("scan-source"));
}

#[test]
fn findings_are_reported_under_the_names_that_dashboards_read() {
    let scanners = Scanners::new();
    let license = json!({"Severity": "HIGH", "Category": "restricted", "PkgName": "gpl", "Name": "GPL-3.0"});
    let allowed = json!({"Severity": "LOW", "Category": "notice", "PkgName": "mit", "Name": "MIT"});
    scanners.source(&json!([
        in_file("web/package-lock.json", &[
            vulnerability("CVE-2024-0002", "lodash", "MEDIUM"),
            vulnerability("CVE-2024-0001", "left-pad", "HIGH"),
            vulnerability("GHSA-aaaa-bbbb-cccc", "odd", "NEGLIGIBLE"),
        ]),
        {"Target": "web/package-lock.json", "Class": "license", "Licenses": [license, allowed]},
    ]));
    scanners.commits(&[committed("AKIAIOSFODNN7EXAMPLE", "conf/aws.txt", false)]);
    let gate = Gate::new(MAKEFILE);
    let run = scan(&gate, &[], &scanners);
    let told = told(run.passed());
    assert_eq!(told["security-risk"], "unclassified");
    let totals =
        ["vulnerability-total", "vulnerability-blocking", "license-total", "secret-total", "secret-blocking"];
    assert_eq!(totals.map(|name| told[name].clone()), [3, 0, 1, 1, 0].map(|count| json!(count)));
    let findings = findings(&run);
    assert_eq!(
        findings["vulnerabilities"][0],
        json!({"id": "CVE-2024-0001", "package": "left-pad", "installed": "1.0.0", "fixed": "1.0.1",
               "severity": "HIGH", "url": "https://nvd.nist.gov/vuln/detail/CVE-2024-0001",
               "source": "web/package-lock.json", "line": 13, "blocking": false})
    );
    assert_eq!(findings["vulnerabilities"][2]["severity"], "UNKNOWN");
    assert_eq!(findings["vulnerabilities"][2]["url"], "https://github.com/advisories/GHSA-aaaa-bbbb-cccc");
    assert_eq!(findings["licenses"].as_array().unwrap().len(), 1);
    let secret = &findings["secrets"][0];
    assert_eq!(secret["id"], "p2psec_0ab5597922772639");
    assert_eq!(
        (&secret["status"], &secret["file"], &secret["line"]),
        (&json!("unverified"), &json!("conf/aws.txt"), &json!(3))
    );
    let url = secret["url"].as_str().unwrap();
    assert!(url.ends_with("/blob/0123456789abcdef0123456789abcdef01234567/conf/aws.txt#L3"), "{url}");
    assert!(findings.get("ignored").is_none(), "there is no ignore file");
    // At the lock file's line.
    let annotation = "::warning title=CVE-2024-0001,file=web/package-lock.json,line=13::";
    assert!(run.stdout.contains(annotation), "{}", run.stdout);
    let summary = run.summary();
    assert!(summary.contains("| HIGH | left-pad | 1.0.0 | 1.0.1 |"), "{summary}");
}

#[test]
fn no_secret_is_written_anywhere() {
    let scanners = Scanners::new();
    let canary = "AKIACANARYCANARYCANA";
    scanners.commits(&[
        committed(canary, &format!("conf/{canary}/x.txt"), true),
        committed(canary, "conf/\u{1b}[31m|`<b>\n::error::x.txt", false),
    ]);
    let gate = Gate::new(MAKEFILE);
    for severity in ["off", "critical"] {
        let run = scan(&gate, &[("scan-blocking-severity", severity)], &scanners);
        assert_eq!(told(&run)["security-risk"], "critical");
        for text in [run.stdout.as_str(), &run.stderr, run.summary()] {
            assert!(!text.contains(canary), "{text}");
            assert!(!text.contains("\n::error::x.txt") && !text.contains('\u{1b}'), "{text}");
        }
    }
    for place in [gate.temporary().to_owned(), gate.home().to_owned(), gate.workspace()] {
        for file in files_below(&place) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()), "{}", file.display());
        }
    }
}

#[test]
fn findings_block_from_the_threshold_on() {
    let scanners = Scanners::new();
    let found = ["LOW", "MEDIUM", "HIGH", "UNKNOWN"]
        .map(|severity| vulnerability(&format!("CVE-1-{severity}"), "p", severity));
    scanners.source(&json!([in_file("go.mod", &found)]));
    let gate = Gate::new(MAKEFILE);
    for (severity, blocking) in [("off", 0), ("low", 3), ("medium", 2), ("high", 1), ("critical", 0)] {
        let run = scan(&gate, &[("scan-blocking-severity", severity)], &scanners);
        assert_eq!(told(&run)["vulnerability-blocking"], blocking, "{severity}");
        assert_eq!(run.code, i32::from(blocking > 0), "{severity}: {}", run.stdout);
    }
    let run = scan(&gate, &[("scan-blocking-severity", "high")], &scanners);
    assert!(run.stdout.contains("HIGH CVE-1-HIGH in p 1.0.0, fixed in 1.0.1 (go.mod:15)"), "{}", run.stdout);
    scanners.source(&json!([])).commits(&[committed("AKIAIOSFODNN7EXAMPLE", "a", true)]);
    let run = scan(&gate, &[("scan-blocking-severity", "critical")], &scanners);
    assert_eq!((run.code, &told(&run)["secret-blocking"]), (1, &json!(1)), "a secret that works is critical");
}

#[test]
fn ignored_findings_are_kept_with_their_reason_and_count_nowhere() {
    let scanners = Scanners::new();
    scanners.source(&json!([
        in_file("package-lock.json", &[vulnerability("CVE-2024-0001", "left-pad", "HIGH")]),
        in_file("apps/web/go.mod", &[vulnerability("CVE-2024-0001", "left-pad", "HIGH")]),
    ]));
    let entry = "source: {vulnerabilities: [{id: CVE-2024-0001, reason: Not reachable., paths: [go.mod]}]}";
    let gate = Gate::new(MAKEFILE)
        .file("apps/web/.p2p-security-ignore.yaml", &format!("version: 1\n{entry}\n"))
        .commit("ignore");
    let run = scan(&gate, &[("scan-blocking-severity", "high")], &scanners);
    assert_eq!((run.code, &told(&run)["vulnerability-total"]), (1, &json!(1)), "{}", run.stdout);
    let findings = findings(&run);
    assert_eq!(findings["vulnerabilities"][0]["source"], "package-lock.json");
    let ignored = &findings["ignored"];
    assert_eq!(ignored["vulnerabilities"][0]["ignore"], json!({"reason": "Not reachable."}));
    assert_eq!(ignored["vulnerabilities"][0]["source"], "apps/web/go.mod");
    assert_eq!(ignored["secrets"], json!([]));
}

#[test]
fn a_wrong_ignore_file_is_an_error_with_its_place_and_no_scan() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE)
        .file("apps/.p2p-security-ignore.yaml", "version: 1\nsource:\n  vulnerabilities:\n    - id: X\n")
        .commit("ignore");
    let run = scan(&gate, &[], &scanners);
    assert_eq!(run.code, 64, "{}", run.stdout);
    let place = "apps/.p2p-security-ignore.yaml, line 4, column 7: an entry lacks `reason`";
    assert!(run.stdout.contains(place), "{}", run.stdout);
    assert_eq!(scanners.calls("trivy"), Vec::<String>::new());
}

#[test]
fn the_commits_of_the_event_are_searched_for_secrets() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE);
    let first = gate.head();
    let range = |gate: &Gate, keys: &[(&str, &str)]| {
        let run = scan(gate, keys, &scanners);
        run.passed();
        let call = scanners.calls("trufflehog").pop().unwrap();
        call.split_once("file://")
            .unwrap()
            .1
            .split_once(' ')
            .unwrap()
            .1
            .split(" --json")
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(range(&gate, &[]), "--branch=HEAD --max-depth=1", "there is no commit before");
    let gate = gate.file("a", "1").commit("second").file("a", "2").commit("third");
    let second = gate.git(&["rev-parse", "HEAD^"]);
    assert_eq!(range(&gate, &[]), format!("--branch=HEAD --since-commit={second}"));
    let gate = gate.event("push", json!({"before": first}));
    assert_eq!(range(&gate, &[]), format!("--branch=HEAD --since-commit={first}"));
    let gate = gate.event("push", json!({"before": "0".repeat(40)}));
    assert_eq!(range(&gate, &[]), format!("--branch=HEAD --since-commit={second}"), "a new branch");
    let all = range(&gate, &[("scan-history", "full")]);
    assert!(!all.contains("--since-commit") && !all.contains("--max-depth"), "{all}");
    let gate = gate.event("schedule", json!({}));
    assert_eq!(range(&gate, &[]), all, "a schedule");
    assert_eq!(
        range(&gate, &[("scan-history", "changes")]),
        format!("--branch=HEAD --since-commit={second}")
    );
    let gate = gate.event(
        "push",
        json!({"before": "0".repeat(40), "pull_request": {"base": {"sha": first},
        "head": {"sha": second, "repo": {"full_name": "acme/shop"}}}}),
    );
    assert_eq!(range(&gate, &[]), format!("--branch=HEAD --since-commit={first}"), "a pull request");
}

#[test]
fn a_shallow_checkout_that_lacks_commits_is_an_error_that_says_how_to_check_out() {
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE);
    let first = gate.head();
    let gate = gate.file("a", "1").commit("second").shallow().event("push", json!({"before": first}));
    let run = scan(&gate, &[], &scanners);
    assert_eq!((run.code, &told(&run)["scan-status"]), (1, &json!("failed")));
    assert!(run.stdout.contains("fetch-depth: 0"), "{}", run.stdout);
    assert_eq!(told(&run)["security-risk"], "unknown");
}

#[test]
fn findings_of_other_scanners_count_like_ours() {
    let scanners = Scanners::new();
    let sarif = json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "lint", "rules": [{"id": "R1", "properties": {"security-severity": "9.1"}}]}},
        "results": [{"ruleId": "R1", "message": {"text": "m"}, "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 7}}}]}]}]});
    let gate = Gate::new(MAKEFILE).file("out/lint.sarif", &sarif.to_string());
    let keys = [("scan-blocking-severity", "critical"), ("sarif", "out/*.sarif")];
    let run = scan(&gate, &keys, &scanners);
    assert_eq!((run.code, &told(&run)["vulnerability-blocking"]), (1, &json!(1)), "{}", run.stdout);
    assert!(run.stdout.contains("CRITICAL R1 in lint (src/a.c:7)"), "{}", run.stdout);
    // A broken file hides no finding of another.
    let gate = gate.file("out/broken.sarif", "{");
    let run = scan(&gate, &keys, &scanners);
    assert_eq!(
        (&told(&run)["scan-status"], &told(&run)["vulnerability-total"]),
        (&json!("failed"), &json!(1))
    );
    let run = scan(&gate, &[("sarif", "nothing/*.sarif")], &scanners);
    assert_eq!((run.code, &told(&run)["scan-status"]), (1, &json!("failed")), "{}", run.stdout);
    // A job that scans a part has no targets that could write the file.
    let keys = scanners.keys(&[("sarif", "nothing/*.sarif")]);
    gate.run_with_inputs(&["scan", "secrets"], &[("environments", &keys)]).passed();
}

#[test]
fn a_laptop_scans_with_installed_scanners_and_keeps_the_reports() {
    let scanners = Scanners::new();
    scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", "x", "HIGH")])]));
    let path = format!("{}:{}", scanners.path().display(), std::env::var("PATH").unwrap());
    let gate = Gate::local(MAKEFILE).env("PATH", path);
    let run = gate.run(&["scan", "source"]);
    assert!(run.passed().stdout.contains("risk high: 1 vulnerability (1 high), 0 secrets"), "{}", run.stdout);
    let reports =
        run.stdout.lines().find_map(|line| line.trim().strip_prefix("reports: ")).unwrap().to_owned();
    let names: Vec<_> = files_below(Path::new(&reports));
    let names: Vec<_> =
        names.iter().map(|file| file.strip_prefix(&reports).unwrap().display().to_string()).collect();
    assert_eq!(
        names,
        [
            "source-security-findings.json",
            "source-security-report.md",
            "source-security.sarif",
            "trivy/trivy-fs.json",
            "trufflehog/findings.ndjson"
        ]
    );
    assert!(!scanners.calls("trufflehog")[0].contains("--no-verification"));
    let keys = [
        ("scan-verify-secrets", "off"),
        ("scan-ignore-unfixed", "off"),
        ("scan-db", "mirror.example/db@sha256:aa"),
    ];
    gate.run_with_inputs(&["scan", "source"], &[("environments", &scanners.keys(&keys))]).passed();
    assert!(scanners.calls("trufflehog")[1].ends_with("--no-verification"));
    let trivy = scanners.calls("trivy");
    assert!(
        trivy.iter().any(|call| call.contains("--db-repository mirror.example/db@sha256:aa")),
        "{trivy:?}"
    );
    assert!(!trivy.last().unwrap().contains("--ignore-unfixed"));
}

#[test]
fn parts_of_a_scan_in_jobs_of_their_own_give_the_same_report() {
    let scanners = Scanners::new();
    scanners.source(&json!([in_file("go.mod", &[vulnerability("CVE-2024-0001", "x", "HIGH")])]));
    scanners.commits(&[committed("AKIAIOSFODNN7EXAMPLE", "conf/aws.txt", true)]);
    let gate = Gate::new(MAKEFILE);
    let keys = scanners.keys(&[]);
    let part = |words: &[&str]| gate.run_with_inputs(words, &[("environments", &keys)]);
    let whole = scan(&gate, &[], &scanners);
    let together = gate.workspace().join("together");
    for what in ["secrets", "dependencies"] {
        let run = part(&["scan", what]);
        let directory = told(run.passed())["directory"].as_str().unwrap().to_owned();
        for file in files_below(Path::new(&directory)) {
            let to = together.join(file.strip_prefix(&directory).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&file, to).unwrap();
        }
    }
    let judged = part(&["scan", "report", "together"]);
    assert_eq!(findings(judged.passed()), findings(&whole));
    std::fs::remove_dir_all(together.join("trufflehog")).unwrap();
    let judged = part(&["scan", "report", "together"]);
    assert_eq!((judged.code, &told(&judged)["scan-status"]), (69, &json!("failed")), "{}", judged.stdout);
}

#[test]
fn what_was_not_looked_for_makes_no_entry_obsolete() {
    let ignored = "version: 1\nsource:\n  vulnerabilities:\n    - {id: CVE-2024-0001, reason: not used}\n";
    let scanners = Scanners::new();
    let gate = Gate::new(MAKEFILE).file(".p2p-security-ignore.yaml", ignored).commit("ignore");
    let keys = scanners.keys(&[]);
    let obsolete = |words: &[&str]| {
        let run = gate.run_with_inputs(words, &[("environments", &keys)]);
        run.stdout.contains("the entry for CVE-2024-0001 matches no finding")
    };
    assert!(obsolete(&["scan", "source"]) && obsolete(&["scan", "dependencies"]));
    assert!(!obsolete(&["scan", "secrets"]));
    scanners.before("trivy", "[ $1 = fs ] && exit 1");
    assert!(!obsolete(&["scan", "source"]));
}

#[test]
fn words_that_cannot_be_scanned_are_mistakes() {
    for words in [&["scan"][..], &["scan", "all"], &["scan", "image"], &["scan", "source", "now"]] {
        let run = Gate::local(MAKEFILE).run(words);
        assert_eq!(run.code, 64, "{words:?}: {}", run.stderr);
    }
    for (key, value) in [
        ("scan", "yes"),
        ("scan-blocking-severity", "severe"),
        ("scan-history", "none"),
        ("scanner-base-url", "https://user:pa55word@mirror.example"),
        ("trivy-path", "tools/trivy"),
    ] {
        let keys = json!({"": {key: value}}).to_string();
        let run = Gate::local(MAKEFILE).run_with_inputs(&["scan", "source"], &[("environments", &keys)]);
        assert_eq!(run.code, 64, "{key}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(key) || run.stdout.contains(key), "{key}: {}{}", run.stdout, run.stderr);
        assert!(!run.stderr.contains("pa55word"), "{}", run.stderr);
    }
}

#[test]
fn the_findings_are_also_sarif_that_p2p_itself_and_others_can_read() {
    let scanners = Scanners::new();
    let found = [("CVE-2024-0001", "CRITICAL"), ("CVE-2024-0002", "LOW"), ("CVE-2024-0003", "MEDIUM")]
        .map(|(id, severity)| vulnerability(id, id, severity));
    scanners.source(&json!([in_file("a b/gö.mod", &found)]));
    scanners.commits(&[committed("AKIACANARYCANARY0001", "conf/aws.txt", true)]);
    let ignored = "version: 1\nsource:\n  vulnerabilities:\n    - { id: CVE-2024-0003, reason: Dev only. }\n";
    let gate = Gate::new(MAKEFILE).file(".p2p-security-ignore.yaml", ignored).commit("ignore");
    let run = gate.run_with_inputs(&["scan", "source"], &[("environments", &scanners.keys(&[]))]);
    let scans: Value = serde_json::from_str(run.passed().output("scans")).unwrap();
    let file = Path::new(scans["source"]["directory"].as_str().unwrap()).join("source-security.sarif");
    let text = std::fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("CANARY"));
    let read = p2p::edges::scanners::read_sarif("x", &text, Path::new("/"), Path::new("")).unwrap();
    let read: Vec<_> = read
        .iter()
        .map(|found| format!("{} {:?} {} {:?}", found.id, found.severity, found.source, found.line))
        .collect();
    assert_eq!(
        read,
        [
            "CVE-2024-0001 Critical a b/gö.mod Some(12)",
            "CVE-2024-0002 Low a b/gö.mod Some(13)",
            "secret/AWS Critical conf/aws.txt Some(3)",
        ]
    );
    let whole = read_json(&file);
    let suppressed = &whole["runs"][0]["results"][2];
    assert_eq!(suppressed["suppressions"][0]["justification"], "Dev only.");
}

#[test]
fn findings_that_hold_no_secret_have_ids_of_their_own() {
    let scanners = Scanners::new();
    let without = |file: &str| {
        let mut found = committed("AKIAIOSFODNN7EXAMPLE", file, false);
        for name in ["Raw", "RawV2", "Redacted"] {
            found[name] = json!("");
        }
        found
    };
    scanners.commits(&[without("a.txt"), without("b.txt"), without("b.txt")]);
    let gate = Gate::new(MAKEFILE);
    let run = scan(&gate, &[], &scanners);
    let ids: Vec<_> =
        findings(run.passed())["secrets"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "an entry of an ignore file covers one of them: {ids:?}");
    assert_ne!(ids[0], ids[1]);
}
