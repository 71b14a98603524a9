//! Reads Trivy's JSON: <https://trivy.dev/latest/docs/configuration/reporting/#json>.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;
use sys::error::Failure;

use super::output::{parse, unreadable, web_page};
use crate::domain::scan::{Database, License, ScanFindings, Severity, Vulnerability};

/// The version of the format.
const SCHEMA: u64 = 2;

/// A report of Trivy.
pub struct TrivyReport {
    pub findings: ScanFindings,
    /// The whole report. That of an image lacks the image's configuration, because its variables and history may
    /// contain secrets.
    pub document: Value,
}

impl TrivyReport {
    /// Parses a report.
    ///
    /// # Errors
    /// If it is incomplete or invalid.
    pub fn parse(text: &[u8], image: bool) -> Result<Self, Failure> {
        Self::new(parse("trivy", text)?, image)
    }

    /// Reads the findings. For an `image`, the names of its parts are in parentheses after the image's name.
    ///
    /// # Errors
    /// If the report is incomplete or invalid.
    pub fn new(mut document: Value, image: bool) -> Result<Self, Failure> {
        let metadata = document.get_mut("Metadata").and_then(Value::as_object_mut);
        metadata.filter(|_| image).and_then(|metadata| metadata.remove("ImageConfig"));
        let findings = read(&document, image).map_err(|problem| unreadable("trivy", &problem))?;
        Ok(Self { findings, document })
    }
}

/// Trivy's version and its database, from the output of `trivy version --format json`.
pub(super) fn database(text: &[u8], now: Timestamp) -> Result<(String, Database), Failure> {
    let wrong = |problem: &str| unreadable("trivy version", problem);
    let version: Value = parse("trivy version", text)?;
    let updated = version["VulnerabilityDB"]["UpdatedAt"].as_str();
    let updated = updated.ok_or_else(|| wrong("trivy has none after it was told to fetch it"))?;
    let updated: Timestamp =
        updated.parse().map_err(|_| wrong("trivy names no time at which it was made"))?;
    let number = version["Version"].as_str().unwrap_or("(unknown version)").to_owned();
    Ok((number, Database { updated: updated.to_string(), hours: now.duration_since(updated).as_hours() }))
}

fn read(report: &Value, image: bool) -> Result<ScanFindings, String> {
    if report["SchemaVersion"] != SCHEMA {
        return Err(format!("its schema version is {}, expected {SCHEMA}", report["SchemaVersion"]));
    }
    let mut findings = ScanFindings::default();
    for part in list(&report["Results"])? {
        if !part.is_object() {
            return Err("a part of its results is not a map".to_owned());
        }
        let source = source(part["Target"].as_str().unwrap_or_default(), image);
        let mut lines = HashMap::new();
        for package in list(&part["Packages"])?.iter().filter(|_| !image) {
            lines.extend(package["ID"].as_str().zip(package["Locations"][0]["StartLine"].as_u64()));
        }
        for found in list(&part["Vulnerabilities"])? {
            let line = found["PkgID"].as_str().and_then(|id| lines.get(id)).copied();
            findings.vulnerabilities.push(vulnerability(found, source, line));
        }
        let licenses = list(&part["Licenses"])?.iter().map(|found| license(found, source));
        // Forbidden licences are critical, and restricted ones high.
        findings.licenses.extend(licenses.filter(|license| license.severity <= Severity::High));
    }
    Ok(findings)
}

/// The items of a list that may be missing.
fn list(value: &Value) -> Result<&[Value], &'static str> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err("a list is expected and something else is there"),
    }
}

/// For an image, `app (debian 12.5)` becomes `debian 12.5`.
fn source(target: &str, image: bool) -> &str {
    let inner = target.strip_suffix(')').and_then(|target| target.split_once('(')).map(|(_, inner)| inner);
    let named = inner.filter(|inner| image && !inner.is_empty()).unwrap_or(target);
    if named.is_empty() { "-" } else { named }
}

fn vulnerability(found: &Value, source: &str, line: Option<u64>) -> Vulnerability {
    let id = text(found, "VulnerabilityID").unwrap_or("UNKNOWN");
    let dash = |name: &str| text(found, name).unwrap_or("-").to_owned();
    Vulnerability {
        id: id.to_owned(),
        package: dash("PkgName"),
        installed: dash("InstalledVersion"),
        fixed: dash("FixedVersion"),
        severity: Severity::named(&dash("Severity")),
        url: url(id, text(found, "PrimaryURL")),
        source: source.to_owned(),
        line,
        ..Vulnerability::default()
    }
}

fn license(found: &Value, source: &str) -> License {
    let dash = |name: &str| text(found, name).unwrap_or("-").to_owned();
    License {
        package: dash("PkgName"),
        license: dash("Name"),
        classification: dash("Category"),
        severity: Severity::named(&dash("Severity")),
        source: text(found, "FilePath").unwrap_or(source).to_owned(),
        blocking: false,
    }
}

fn text<'a>(found: &'a Value, name: &str) -> Option<&'a str> {
    found[name].as_str().filter(|text| !text.trim().is_empty())
}

/// The page about a vulnerability, in its own database or else as the scanner names it.
fn url(id: &str, named: Option<&str>) -> String {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match id.split_once('-') {
        Some(("CVE", _)) if plain => format!("https://nvd.nist.gov/vuln/detail/{id}"),
        Some(("GHSA", _)) if plain => format!("https://github.com/advisories/{id}"),
        _ => web_page(named),
    }
}
