//! Reads TruffleHog's JSON, with one finding per line. The lines contain the secrets themselves; only what [`read`]
//! returns may leave this file.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ScannerError;
use super::trivy::position;
use crate::domain::scan::LeakedSecret;
use workflow_commands::{cut, percent};

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

/// Reads the findings. `page` is the URL for files of the repository: `https://github.com/acme/shop/blob`.
///
/// # Errors
/// If a line is not a finding, because a part of the result is missing then.
pub fn read(output: &[u8], page: Option<&str>) -> Result<Vec<LeakedSecret>, ScannerError> {
    Ok(parse::<Value>("trufflehog", output)?.iter().map(|line| secret(line, page)).collect())
}

/// Parses lines of JSON. Errors quote no line.
fn parse<T: DeserializeOwned>(scanner: &str, output: &[u8]) -> Result<Vec<T>, ScannerError> {
    let lines = output.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let parsed = lines.map(|(number, line)| {
        serde_json::from_slice(line).map_err(|error| ScannerError::Output {
            scanner: scanner.to_owned(),
            problem: format!("line {}: {}", number + 1, position(&error)),
        })
    });
    parsed.collect()
}

fn secret(line: &Value, page: Option<&str>) -> LeakedSecret {
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
    let url = page.zip(commit.as_deref()).zip(file.as_deref());
    let url = url.map(|((page, commit), file)| {
        let line = number.map_or_else(String::new, |number| format!("#L{number}"));
        format!("{page}/{commit}/{}{line}", percent(file, b"/-_.~"))
    });
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
        url,
        blocking: false,
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
pub fn read_lines(lines: &[u8]) -> Result<Vec<LeakedSecret>, ScannerError> {
    parse("p2p scan secrets", lines)
}

/// The secrets in an output, as far as it can be parsed.
pub(super) fn raw(output: &[u8]) -> Vec<String> {
    let lines = output.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.flat_map(|line| forms(&line).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The version `trufflehog 3.95.9`, from the output of `trufflehog --version`.
pub(super) fn version(said: &str) -> String {
    let number = said.split_once("trufflehog ").and_then(|(_, rest)| rest.split_whitespace().next());
    format!("trufflehog {}", number.unwrap_or("(unknown version)"))
}

/// The errors in the log on standard error.
pub(super) fn errors(stderr: &str) -> Option<String> {
    let is_error =
        |line: &&str| serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"] == "error");
    let lines: Vec<_> = stderr.lines().filter(is_error).collect();
    (!lines.is_empty()).then(|| messages(&lines))
}

/// The last messages on standard error.
pub(super) fn last_words(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    messages(&lines)
}

/// The last messages of a log. It is JSON, and other fields than `msg` and `error` may quote the source.
fn messages(lines: &[&str]) -> String {
    let message = |line: &&str| {
        let text = match serde_json::from_str::<Value>(line) {
            Ok(log) => {
                let words: Vec<_> =
                    ["msg", "error"].iter().filter_map(|key| log.get(key)?.as_str()).collect();
                words.join(": ")
            }
            Err(_) => (*line).to_owned(),
        };
        cut(&text, LONGEST)
    };
    lines[lines.len().saturating_sub(LAST)..].iter().map(message).collect::<Vec<_>>().join("\n")
}
