//! The findings in SARIF 2.1.0, for code scanning and other viewers
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::findings::{Ignored, Vulnerability};
use super::outcome::{Scan, ScanGroup};
use super::severity::Severity;
use workflow_commands::percent;

impl Scan {
    /// All findings. Ignored ones are suppressed results.
    pub fn sarif(&self) -> Json {
        let mut rules = BTreeMap::new();
        let mut results = Vec::new();
        for ScanGroup { image, active, ignored, .. } in &self.groups {
            let of = if image.is_empty() { String::new() } else { format!(" of the image {image}") };
            for found in active.vulnerabilities.iter().chain(&ignored.vulnerabilities) {
                rules.entry(found.id.clone()).or_insert_with(|| rule(found));
                let place = place(&found.source, found.line);
                let text = found.sentence() + &of;
                results.push(result((&found.id, found.severity, &text), &place, found.ignored.as_ref()));
            }
            for found in active.secrets.iter().chain(&ignored.secrets) {
                let id = format!("secret/{}", found.detector);
                rules.entry(id.clone()).or_insert_with(|| json!({"id": id}));
                let place = place(found.file.as_deref().unwrap_or("-"), found.line);
                let text = found.sentence() + &of;
                results.push(result((&id, found.severity(), &text), &place, found.ignored.as_ref()));
            }
        }
        let rules: Vec<_> = rules.into_values().collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {"name": "p2p scan", "informationUri": "https://github.com/coreeng/p2p-action", "rules": rules}},
                "invocations": [{"executionSuccessful": self.failures.is_empty()}],
                "results": results,
            }],
        })
    }
}

fn rule(found: &Vulnerability) -> Json {
    let mut rule = json!({"id": found.id, "properties": {"security-severity": score(found.severity)}});
    if !found.url.is_empty() {
        rule["helpUri"] = json!(found.url);
    }
    rule
}

/// The score from which GitHub derives the severity that it shows.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Unknown => "0.0",
    }
}

fn result((id, severity, text): (&str, Severity, &str), place: &Json, ignored: Option<&Ignored>) -> Json {
    let level = match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Unknown => "note",
    };
    let mut result = json!({
        "ruleId": id,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
        "properties": {"security-severity": score(severity)},
    });
    if let Some(Ignored { reason, .. }) = ignored {
        result["suppressions"] = json!([{"kind": "external", "status": "accepted", "justification": reason}]);
    }
    result
}

/// The file as a URI (RFC 3986, section 2.1), with the line.
fn place(file: &str, line: Option<u64>) -> Json {
    let mut place = json!({"artifactLocation": {"uri": percent(file, b"/-_.~")}});
    if let Some(line) = line {
        place["region"] = json!({"startLine": line});
    }
    place
}
