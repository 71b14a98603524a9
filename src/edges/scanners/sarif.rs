//! Reads SARIF 2.1.0, the format of other scanners
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).

use std::path::Path;

use reqwest::Url;
use serde_json::Value;
use sys::error::Failure;

use super::output::{parse, unreadable, web_page};
use crate::domain::scan::{Severity, Vulnerability};

/// Reads the findings in a file. Their paths are below `root`, absolute or relative to it. `directory` is where the
/// scanner ran, relative to `root`.
///
/// # Errors
/// If the file is not SARIF 2.1.0, or says that the scanner failed.
pub fn read(name: &str, text: &[u8], root: &Path, directory: &Path) -> Result<Vec<Vulnerability>, Failure> {
    let wrong = |problem: &str| unreadable(name, problem);
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let log: Value = parse(name, text)?;
    if log["version"] != "2.1.0" {
        return Err(wrong("it is not SARIF 2.1.0"));
    }
    let runs = log["runs"].as_array().ok_or_else(|| wrong("it has no `runs`"))?;
    let mut findings = Vec::new();
    for run in runs {
        let tool = run["tool"]["driver"]["name"].as_str().unwrap_or("unknown");
        if list(&run["invocations"]).any(|call| call["executionSuccessful"] == Value::Bool(false)) {
            return Err(wrong(&format!("it says that {tool} failed")));
        }
        // A run without results has searched for none.
        let results = run["results"].as_array().ok_or_else(|| wrong(&format!("{tool} has no `results`")))?;
        findings.extend(results.iter().filter_map(|result| {
            let rule = rule(run, result);
            let (source, line) = place(run, result, root, directory);
            Some(Vulnerability {
                id: id(result, rule)?,
                package: tool.to_owned(),
                installed: "-".to_owned(),
                fixed: "-".to_owned(),
                severity: severity(result, rule)?,
                url: web_page(rule["helpUri"].as_str()),
                source,
                line,
                ..Vulnerability::default()
            })
        }));
    }
    Ok(findings)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn index(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|index| usize::try_from(index).ok())
}

/// The rule of a result, by its index or else by its id.
fn rule<'a>(run: &'a Value, result: &'a Value) -> &'a Value {
    let (tool, reference) = (&run["tool"], &result["rule"]);
    let component = index(&reference["toolComponent"]["index"]);
    let component = component.map_or(&tool["driver"], |index| &tool["extensions"][index]);
    let by_index = index(&result["ruleIndex"]).or(index(&reference["index"]));
    let by_index = by_index.and_then(|index| component["rules"].get(index));
    let id = result["ruleId"].as_str().or(reference["id"].as_str());
    // `CA2101/sub` is a result of the rule `CA2101` (SARIF 2.1.0, section 3.27.5). The longest id is the closest.
    let is_of = |rule: &str| {
        id.and_then(|id| id.strip_prefix(rule)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let by_id = || {
        let all = std::iter::once(&tool["driver"]).chain(list(&tool["extensions"]));
        let rules = all.flat_map(|component| list(&component["rules"]));
        let known = rules.filter_map(|rule| Some((rule["id"].as_str().filter(|id| is_of(id))?.len(), rule)));
        known.max_by_key(|(length, _)| *length).map(|(_, rule)| rule)
    };
    by_index.or_else(by_id).unwrap_or(&Value::Null)
}

/// The id of a finding. `None` for results that are not findings: those of another kind than `fail`, those that are
/// gone since a baseline, and those that are suppressed in the code.
fn id(result: &Value, rule: &Value) -> Option<String> {
    let failed = result["kind"].as_str().is_none_or(|kind| kind == "fail");
    let there = result["baselineState"].as_str() != Some("absent");
    let suppressed = list(&result["suppressions"])
        .any(|suppression| suppression["status"].as_str().is_none_or(|status| status == "accepted"));
    let id = result["ruleId"].as_str().or(result["rule"]["id"].as_str()).or(rule["id"].as_str());
    (failed && there && !suppressed).then(|| id.unwrap_or("unknown").to_owned())
}

/// The severity from the score that GitHub uses too, or else from the level. `None` for the level `none`.
fn severity(result: &Value, rule: &Value) -> Option<Severity> {
    let score = |at: &Value| {
        let score = match &at["properties"]["security-severity"] {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        score.filter(|score| (0.0..=10.0).contains(score))
    };
    if let Some(score) = score(result).or_else(|| score(rule)) {
        return Some(Severity::of_score(score));
    }
    let level = result["level"].as_str().or(rule["defaultConfiguration"]["level"].as_str());
    match level.unwrap_or("warning") {
        "error" => Some(Severity::High),
        "note" => Some(Severity::Low),
        "none" => None,
        _ => Some(Severity::Medium),
    }
}

/// The file, relative to the root of the repository if it is below it, and the line.
fn place(run: &Value, result: &Value, root: &Path, directory: &Path) -> (String, Option<u64>) {
    let location = &result["locations"][0]["physicalLocation"];
    let artifact = match &location["artifactLocation"] {
        named if named["uri"].is_string() => named,
        listed => index(&listed["index"]).map_or(listed, |index| &run["artifacts"][index]["location"]),
    };
    let line = location["region"]["startLine"].as_u64().filter(|line| *line > 0);
    let base = artifact["uriBaseId"].as_str().and_then(|id| run["originalUriBaseIds"][id]["uri"].as_str());
    let file = artifact["uri"].as_str().map(|uri| file(uri, base, root, directory));
    (file.unwrap_or_else(|| "-".to_owned()), line)
}

/// The file that a URI names, relative to `root` if it is below it.
fn file(uri: &str, base: Option<&str>, root: &Path, directory: &Path) -> String {
    let base = base.and_then(|base| Url::parse(&format!("{}/", base.trim_end_matches('/'))).ok());
    let bases = match base.filter(|base| base.scheme() == "file") {
        Some(base) => vec![base],
        // Most scanners name files relative to their working directory, and some relative to the root.
        None => [root.join(directory).as_path(), root].iter().flat_map(Url::from_directory_path).collect(),
    };
    // Files have no query and no fragment, and some scanners escape nothing.
    let escaped = uri.replace('#', "%23").replace('?', "%3F");
    let joined = bases.iter().filter_map(|base| base.join(&escaped).ok());
    let paths = joined.filter(|url| url.scheme() == "file").filter_map(|url| url.to_file_path().ok());
    let paths: Vec<_> = paths.collect();
    match paths.iter().find(|path| path.exists()).or(paths.last()) {
        Some(path) => path.strip_prefix(root).unwrap_or(path).display().to_string(),
        None => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests;
