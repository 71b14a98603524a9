//! Reads TruffleHog's JSON, with one finding per line. The lines contain the secrets themselves; only what [`read`]
//! and [`messages`] return may leave this file.

use std::cmp::Reverse;

use serde_json::{Map, Value};

use super::output::parse_lines;
use crate::domain::scan::LeakedSecret;
use sys::error::Failure;
use sys::process::Captured;
use workflow_commands::cut;

/// How many lines of the end of standard error a message shows.
const LAST: usize = 5;
/// The most characters of such a line.
const LONGEST: usize = 400;

/// The forms of a secret, the longest first.
fn forms(line: &Value) -> impl Iterator<Item = &str> {
    ["RawV2", "Raw", "Redacted"]
        .into_iter()
        .filter_map(|name| line[name].as_str())
        .filter(|form| !form.is_empty())
}

/// Reads the findings.
///
/// # Errors
/// If a line is not a finding, because a part of the result is missing then.
pub(super) fn read(output: &[u8]) -> Result<Vec<LeakedSecret>, Failure> {
    let lines: Vec<Map<String, Value>> = parse_lines("trufflehog", output)?;
    Ok(lines.into_iter().map(|line| secret(&Value::Object(line))).collect())
}

fn secret(line: &Value) -> LeakedSecret {
    // The path may contain the secret too.
    let clean = |text: &str| {
        forms(line)
            .filter(|form| form.len() > 3)
            .fold(text.to_owned(), |text, form| text.replace(form, "***"))
    };
    let detector = line["DetectorName"].as_str().filter(|name| !name.is_empty()).unwrap_or("unknown");
    let data = &line["SourceMetadata"]["Data"];
    let place = if data["Git"].is_object() { &data["Git"] } else { &data["Docker"] };
    let text = |name: &str| place[name].as_str().filter(|text| !text.is_empty()).map(clean);
    let failed = line["VerificationError"].as_str().is_some_and(|error| !error.is_empty());
    let status = match (line["Verified"] == true, failed) {
        (true, _) => "verified",
        (_, true) => "unknown",
        _ => "unverified",
    };
    let (file, commit) = (text("file"), text("commit"));
    let number = place["line"].as_u64().filter(|number| *number > 0);
    // Two findings without a secret need different ids, because an ignore entry would otherwise match both.
    let known = forms(line).next().map(str::to_owned);
    let known =
        known.unwrap_or_else(|| format!("{detector}:{file:?}:{commit:?}:{number:?}:{:?}", text("layer")));
    LeakedSecret {
        id: LeakedSecret::id_of(&known),
        detector: detector.to_owned(),
        status: status.to_owned(),
        file,
        line: number,
        commit,
        layer: text("layer"),
        ..LeakedSecret::default()
    }
}

/// The findings without their secrets, one per line.
pub fn lines(secrets: &[LeakedSecret]) -> Vec<u8> {
    let lines = secrets.iter().filter_map(|secret| serde_json::to_string(secret).ok());
    lines.map(|line| line + "\n").collect::<String>().into_bytes()
}

/// Reads the output of [`lines`] from an earlier job.
///
/// # Errors
/// If a line is not a finding.
pub fn read_lines(lines: &[u8]) -> Result<Vec<LeakedSecret>, Failure> {
    parse_lines("p2p scan secrets", lines)
}

/// The secrets in an output, as far as it can be parsed, the longest first: one may be the beginning of another.
fn raw(output: &[u8]) -> Vec<String> {
    let lines = output.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut raw: Vec<_> =
        lines.flat_map(|line| forms(&line).map(str::to_owned).collect::<Vec<_>>()).collect();
    raw.sort_by_key(|secret| Reverse(secret.len()));
    raw
}

/// The last messages on standard error, or only the last errors, without the secrets on standard output. `None` if
/// there are none. The log is JSON, and other fields than `msg` and `error` may quote the source.
pub(super) fn messages(ended: &Captured, only_errors: bool) -> Option<String> {
    let lines = ended.stderr.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| (line, serde_json::from_str::<Value>(line).unwrap_or_default()));
    let lines: Vec<_> = lines.filter(|(_, log)| !only_errors || log["level"] == "error").collect();
    if lines.is_empty() {
        return None;
    }
    let secrets = raw(&ended.stdout);
    let message = |(line, log): &(&str, Value)| {
        let words: Vec<_> = ["msg", "error"].iter().filter_map(|key| log[key].as_str()).collect();
        let text = if log.is_null() { (*line).to_owned() } else { words.join(": ") };
        // A part of a secret that is cut could not be found.
        cut(&secrets.iter().fold(text, |text, secret| text.replace(secret, "***")), LONGEST)
    };
    Some(lines[lines.len().saturating_sub(LAST)..].iter().map(message).collect::<Vec<_>>().join("\n"))
}
