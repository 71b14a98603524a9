//! Reads Trivy's JSON: <https://trivy.dev/latest/docs/configuration/reporting/#json>.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::error::ScannerError;
use crate::domain::scan::{Database, License, ScanFindings, Severity, Vulnerability};

/// The version of the format.
const SCHEMA: u64 = 2;

/// Trivy's version and its database, from the output of `trivy version --format json`.
pub(super) fn database(text: &[u8], now: Timestamp) -> Result<(String, Database), ScannerError> {
    let none = |reason: String| ScannerError::Database { reason, timed_out: false };
    let version: Value = serde_json::from_slice(text)
        .map_err(|error| none(format!("trivy version says nothing of it: {error}")))?;
    let updated = version["VulnerabilityDB"]["UpdatedAt"].as_str();
    let updated = updated.ok_or_else(|| none("trivy has none after it was told to fetch it".to_owned()))?;
    let updated: Timestamp =
        updated.parse().map_err(|_| none("trivy names no time at which it was made".to_owned()))?;
    let number = version["Version"].as_str().unwrap_or("(unknown version)").to_owned();
    Ok((number, Database { updated: updated.to_string(), hours: now.duration_since(updated).as_hours() }))
}

/// Reads a report. For an `image`, the names of its parts are in parentheses after the image's name.
///
/// # Errors
/// If the report is incomplete or invalid.
pub fn read(bytes: &[u8], image: bool) -> Result<ScanFindings, ScannerError> {
    let wrong = |problem: String| ScannerError::Output { scanner: "trivy".to_owned(), problem };
    let report: Value = serde_json::from_slice(bytes).map_err(|error| wrong(position(&error)))?;
    if report["SchemaVersion"] != SCHEMA {
        return Err(wrong(format!("its schema version is {}, expected {SCHEMA}", report["SchemaVersion"])));
    }
    let mut findings = ScanFindings::default();
    for part in list(&report["Results"]).map_err(wrong)? {
        let source = source(part["Target"].as_str().unwrap_or_default(), image);
        let mut lines = HashMap::new();
        for package in list(&part["Packages"]).map_err(wrong)? {
            let line =
                package["Locations"][0]["StartLine"].as_u64().and_then(|line| u32::try_from(line).ok());
            lines.extend(package["ID"].as_str().zip(line).filter(|_| !image));
        }
        for found in list(&part["Vulnerabilities"]).map_err(wrong)? {
            let line = found["PkgID"].as_str().and_then(|id| lines.get(id)).copied();
            findings.vulnerabilities.push(vulnerability(found, source, line));
        }
        for found in list(&part["Licenses"]).map_err(wrong)? {
            findings.licenses.extend(license(found, source));
        }
    }
    Ok(findings)
}

/// The items of a list that may be missing.
fn list(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err("a list is expected and something else is there".to_owned()),
    }
}

/// The place of an error in a text, without quoting the text.
pub(super) fn position(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// For an image, `app (debian 12.5)` becomes `debian 12.5`.
fn source(target: &str, image: bool) -> &str {
    let inner = target.strip_suffix(')').and_then(|target| target.split_once('(')).map(|(_, inner)| inner);
    match inner.filter(|inner| image && !inner.is_empty()) {
        Some(inner) => inner,
        None if target.is_empty() => "-",
        None => target,
    }
}

fn vulnerability(found: &Value, source: &str, line: Option<u32>) -> Vulnerability {
    let id = text(&found["VulnerabilityID"]).unwrap_or("UNKNOWN");
    let dash = |name: &str| text(&found[name]).unwrap_or("-").to_owned();
    Vulnerability {
        id: id.to_owned(),
        package: dash("PkgName"),
        installed: dash("InstalledVersion"),
        fixed: dash("FixedVersion"),
        severity: Severity::named(&dash("Severity")),
        url: url(id, text(&found["PrimaryURL"]).unwrap_or_default()),
        source: source.to_owned(),
        line,
        blocking: false,
        new: None,
    }
}

/// A licence, if it is restricted (high) or forbidden (critical).
fn license(found: &Value, source: &str) -> Option<License> {
    let dash = |name: &str| text(&found[name]).unwrap_or("-").to_owned();
    let severity = Severity::named(&dash("Severity"));
    matches!(severity, Severity::Critical | Severity::High).then(|| License {
        package: dash("PkgName"),
        license: dash("Name"),
        classification: dash("Category"),
        severity,
        source: text(&found["FilePath"]).unwrap_or(source).to_owned(),
        blocking: false,
    })
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// The page about a vulnerability, in its own database or else as the scanner names it.
fn url(id: &str, named: &str) -> String {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match id.split_once('-') {
        Some(("CVE", _)) if plain => format!("https://nvd.nist.gov/vuln/detail/{id}"),
        Some(("GHSA", _)) if plain => format!("https://github.com/advisories/{id}"),
        _ if named.starts_with("https://") || named.starts_with("http://") => named.to_owned(),
        _ => String::new(),
    }
}

/// Reads an SBOM: <https://cyclonedx.org/docs/1.6/json/>.
pub(super) fn parse_sbom(text: &[u8]) -> Result<Value, String> {
    let sbom: Value = serde_json::from_slice(text).map_err(|error| position(&error))?;
    if sbom["bomFormat"] == "CycloneDX" { Ok(sbom) } else { Err("it is not CycloneDX".to_owned()) }
}

/// A report without the configuration of the image, because its variables and history may contain secrets.
///
/// # Errors
/// If it is not JSON.
pub fn without_configuration(report: &[u8]) -> Result<Vec<u8>, ScannerError> {
    let wrong = |error| ScannerError::Output { scanner: "trivy".to_owned(), problem: position(&error) };
    let mut report: Value = serde_json::from_slice(report).map_err(wrong)?;
    if let Some(metadata) = report.get_mut("Metadata").and_then(Value::as_object_mut) {
        metadata.remove("ImageConfig");
    }
    serde_json::to_vec(&report).map_err(wrong)
}
