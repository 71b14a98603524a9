#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;

/// The findings in a log with one run that has these results.
fn findings(results: &Value) -> Vec<String> {
    let rules = json!([
        {"id": "R0", "helpUri": "https://rules.example/R0", "defaultConfiguration": {"level": "error"}},
        {"id": "R1", "properties": {"security-severity": "9.8"}},
        {"id": "R2", "helpUri": "javascript:x", "defaultConfiguration": {"level": "none"}},
    ]);
    let log = json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "lint", "rules": rules}, "extensions": [{"name": "more", "rules": [{"id": "E0",
            "properties": {"security-severity": 5.0}}]}]},
        "originalUriBaseIds": {"SRCROOT": {"uri": "file:///builds/shop/web/"}},
        "artifacts": [{"location": {"uri": "lib/a%20b.c"}}],
        "results": results}]});
    let found =
        read("x.sarif", log.to_string().as_bytes(), Path::new("/builds/shop"), Path::new("web")).unwrap();
    found
        .iter()
        .map(|found| format!("{} {} {} {:?}", found.id, found.severity.word(), found.source, found.line))
        .collect()
}

fn at(uri: &Value) -> Value {
    json!([{"physicalLocation": {"artifactLocation": uri, "region": {"startLine": 4}}}])
}

#[test]
fn results_take_their_severity_from_score_level_and_rule() {
    let results = json!([
        {"ruleId": "R0"}, {"ruleId": "R0", "level": "note"}, {"ruleId": "R1", "level": "note"}, {"ruleIndex": 0},
        {"ruleId": "R1", "properties": {"security-severity": "4.2"}}, {"ruleId": "R2"}, {"ruleId": "other"}, {},
        {"rule": {"index": 0, "toolComponent": {"index": 0}}}, {"ruleId": "E0"},
        {"ruleId": "R1/sub"}, {"ruleId": "R1x"}, {"ruleId": "R1", "properties": {"security-severity": "NaN"}},
        {"ruleId": "R1", "properties": {"security-severity": -1}},
    ]);
    assert_eq!(
        findings(&results),
        [
            "R0 HIGH - None",
            "R0 LOW - None",
            "R1 CRITICAL - None",
            "R0 HIGH - None",
            "R1 MEDIUM - None",
            "other MEDIUM - None",
            "unknown MEDIUM - None",
            "E0 MEDIUM - None",
            "E0 MEDIUM - None",
            "R1/sub CRITICAL - None",
            "R1x MEDIUM - None",
            "R1 CRITICAL - None",
            "R1 CRITICAL - None",
        ]
    );
}

#[test]
fn what_passed_is_gone_or_is_suppressed_is_no_finding() {
    let results = json!([
        {"ruleId": "R0", "kind": "pass"}, {"ruleId": "R0", "kind": "notApplicable"},
        {"ruleId": "R0", "baselineState": "absent"}, {"ruleId": "R0", "suppressions": [{"kind": "inSource"}]},
        {"ruleId": "R0", "suppressions": [{"kind": "external", "status": "accepted"}]},
        {"ruleId": "R0", "suppressions": [{"kind": "external", "status": "rejected"}]},
        {"ruleId": "R0", "kind": "fail", "baselineState": "new", "suppressions": []},
    ]);
    assert_eq!(findings(&results).len(), 2);
}

#[test]
fn files_are_named_from_the_root_of_the_repository() {
    let results = json!([
        {"locations": at(&json!({"uri": "file:///builds/shop/src/a.c"}))},
        {"locations": at(&json!({"uri": "/builds/shop/src/a.c"}))},
        {"locations": at(&json!({"uri": "b.c", "uriBaseId": "SRCROOT"}))},
        {"locations": at(&json!({"uri": "./src/a%2Bb.c"}))},
        {"locations": at(&json!({"index": 0}))},
        {"locations": at(&json!({"uri": "file:///elsewhere/c.c"}))},
        {"locations": at(&json!({"uri": "C#/why?.cs"}))},
        {"locations": at(&json!({"uri": "c:/shop/a.cs"}))},
    ]);
    let files = [
        "src/a.c",
        "src/a.c",
        "web/b.c",
        "src/a+b.c",
        "lib/a b.c",
        "/elsewhere/c.c",
        "C#/why?.cs",
        "c:/shop/a.cs",
    ];
    assert_eq!(findings(&results), files.map(|file| format!("unknown MEDIUM {file} Some(4)")));
}

#[test]
fn what_is_no_complete_log_is_an_error() {
    let cases = [
        ("", "it ends too early"),
        ("<xml/>", "it is not JSON"),
        (r#"{"version": "2.0.0", "runs": []}"#, "it is not SARIF 2.1.0"),
        (r#"{"version": "2.1.0"}"#, "it has no `runs`"),
        (
            r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}}]}"#,
            "lint has no `results`",
        ),
        (
            r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": [],
            "invocations": [{"executionSuccessful": false}]}]}"#,
            "it says that lint failed",
        ),
    ];
    for (text, problem) in cases {
        let error = read("x.sarif", text.as_bytes(), Path::new("/"), Path::new("")).unwrap_err().what;
        assert!(
            error.starts_with("the output of x.sarif cannot be read: ") && error.contains(problem),
            "{error}"
        );
    }
    let marked = b"\xef\xbb\xbf{\"version\": \"2.1.0\", \"runs\": []}";
    assert!(read("x.sarif", marked, Path::new("/"), Path::new("")).unwrap().is_empty());
}

/// What real scanners wrote about files of ours:
/// `bandit -f sarif src/app.py` (1.9.4),
/// `semgrep scan --config rule.yaml --sarif --metrics off app.py` (1.185.0, one of two findings suppressed by a comment), and
/// `checkov -f Dockerfile --framework dockerfile -o sarif` (3.3.30).
#[test]
fn the_files_of_real_scanners_are_read() {
    let read = |text: &[u8]| {
        let found = read("x.sarif", text, Path::new("/work"), Path::new("")).unwrap();
        let line = |found: &Vulnerability| {
            let Vulnerability { package, id, source, severity, .. } = found;
            format!("{package} {id} {} {source}:{}", severity.word(), found.line.unwrap())
        };
        found.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        read(include_bytes!("bandit.sarif")),
        [
            "Bandit B404 LOW src/app.py:1",
            "Bandit B602 HIGH src/app.py:6",
            "Bandit B105 LOW src/app.py:7",
            "Bandit B506 MEDIUM src/app.py:8"
        ]
    );
    assert_eq!(read(include_bytes!("semgrep.sarif")), ["Semgrep OSS shell-true HIGH app.py:5"]);
    assert_eq!(
        read(include_bytes!("checkov.sarif")),
        [
            "Checkov CKV_DOCKER_4 HIGH Dockerfile:2",
            "Checkov CKV_DOCKER_2 HIGH Dockerfile:1",
            "Checkov CKV_DOCKER_3 HIGH Dockerfile:1"
        ]
    );
}
