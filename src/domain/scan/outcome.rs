//! The result of a scan.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use super::findings::{LeakedSecret, ScanFindings, Vulnerability};
use super::severity::Severity;
use crate::inputs::BlockingSeverity;
use sys::error::Failure;

/// The end of the file name of the findings.
pub const FINDINGS: &str = "-findings.json";
/// The end of the file name of the text.
pub const REPORT: &str = "-report.md";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanKind {
    /// The source of the repository.
    Source,
    Images,
}

impl ScanKind {
    /// The word for it in outputs and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Images => "images",
        }
    }

    /// The word for it in file names.
    pub fn singular(self) -> &'static str {
        self.word().trim_end_matches('s')
    }
}

/// The vulnerability database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// When it was made (RFC 3339).
    pub updated: String,
    /// Its age in hours.
    pub hours: i64,
}

/// One platform of an image, as `manifest.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScannedImage {
    /// Its reference, with the tag if it has one.
    #[serde(rename = "imageRef")]
    pub reference: String,
    /// `linux/amd64`.
    pub platform: String,
    /// The digest of this platform's manifest.
    pub digest: String,
    /// Trivy's report, below the scan's directory.
    pub vulnerability_report: String,
    /// TruffleHog's report.
    pub secret_report: String,
    /// The image's name, as in `image-names`.
    #[serde(skip)]
    pub name: String,
    /// The digest of the manifest that keeps the findings beside the image, for later scans.
    #[serde(skip)]
    pub kept: Option<String>,
}

/// The findings of the source, or of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanGroup {
    /// The image's name. Empty for the source.
    pub image: String,
    pub reference: String,
    /// The image's platforms.
    pub platforms: Vec<String>,
    /// The findings that count.
    pub active: ScanFindings,
    /// Those that an ignore file covers.
    pub ignored: ScanFindings,
    /// Notices about the findings and the ignore files.
    pub notices: Vec<String>,
}

/// The numbers of findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub vulnerability_total: usize,
    /// Vulnerabilities that block.
    pub vulnerability_blocking: usize,
    /// Restricted and forbidden licences.
    pub license_total: usize,
    pub secret_total: usize,
    /// Secrets that block.
    pub secret_blocking: usize,
    /// Findings that the ignore files cover.
    pub ignored: usize,
}

/// The result of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub kind: ScanKind,
    /// The commits that were searched for secrets, or the stage of the images.
    pub range: String,
    /// The lowest severity that blocks.
    pub threshold: BlockingSeverity,
    /// The scanners that ran, with their versions.
    pub scanners: Vec<String>,
    /// The database, if Trivy ran.
    pub database: Option<Database>,
    /// The findings.
    pub groups: Vec<ScanGroup>,
    /// Whether there is an ignore file at all.
    pub has_rules: bool,
    /// The platforms of the images.
    pub images: Vec<ScannedImage>,
    /// Why the scan is incomplete, if it is.
    pub failures: Vec<Failure>,
    /// The directory with the reports.
    pub directory: String,
}

impl Scan {
    /// The name of one of its files: `source-security-findings.json`.
    pub fn file(&self, end: &str) -> String {
        format!("{}-security{end}", self.kind.singular())
    }

    /// Whether it is about the source or this image.
    pub fn is_about(&self, image: &str) -> bool {
        self.groups.iter().any(|group| group.image.is_empty() || group.image == image)
    }

    /// Only the parts about the source or this image.
    #[must_use]
    pub fn only(&self, image: &str) -> Self {
        let mut part = self.clone();
        part.groups.retain(|group| group.image.is_empty() || group.image == image);
        part
    }

    /// The header of its comment on a pull request, in the form of coreeng/p2p. On a laptop, `environment` is
    /// `local`.
    pub fn comment_header(&self, app: &str, environment: &str) -> String {
        match self.kind {
            ScanKind::Source => format!("security-source-scan-findings-{app}"),
            ScanKind::Images => format!("security-image-scan-findings-{app}-{}-{environment}", self.range),
        }
    }

    /// The greatest risk of the findings, as docs/scans.md lists it.
    pub fn risk(&self) -> String {
        if !self.failures.is_empty() {
            return "unknown".to_owned();
        }
        let vulnerabilities = self.vulnerabilities().map(|found| found.severity);
        let found: BTreeSet<_> = vulnerabilities.chain(self.secrets().map(LeakedSecret::severity)).collect();
        match found.first() {
            None => "ok".to_owned(),
            Some(Severity::Critical) => "critical".to_owned(),
            Some(_) if found.contains(&Severity::Unknown) => "unclassified".to_owned(),
            Some(highest) => highest.word().to_lowercase(),
        }
    }

    /// The vulnerabilities that no ignore file covers.
    pub fn vulnerabilities(&self) -> impl Iterator<Item = &Vulnerability> {
        self.groups.iter().flat_map(|group| &group.active.vulnerabilities)
    }

    fn secrets(&self) -> impl Iterator<Item = &LeakedSecret> {
        self.groups.iter().flat_map(|group| &group.active.secrets)
    }

    /// The numbers of findings.
    pub fn totals(&self) -> Totals {
        let ignored = |group: &ScanGroup| group.ignored.vulnerabilities.len() + group.ignored.secrets.len();
        Totals {
            vulnerability_total: self.vulnerabilities().count(),
            vulnerability_blocking: self.vulnerabilities().filter(|found| found.blocking).count(),
            license_total: self.groups.iter().map(|group| group.active.licenses.len()).sum(),
            secret_total: self.secrets().count(),
            secret_blocking: self.secrets().filter(|found| found.blocking).count(),
            ignored: self.groups.iter().map(ignored).sum(),
        }
    }

    /// The number of vulnerabilities of each severity, the highest first.
    pub fn by_severity(&self) -> [usize; 5] {
        let count = |severity| self.vulnerabilities().filter(|found| found.severity == severity).count();
        Severity::ALL.map(count)
    }

    /// The findings that block, one per line.
    pub fn blocking(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ScanGroup { image, active, .. } in &self.groups {
            let of = if image.is_empty() { String::new() } else { format!(" of {image}") };
            let vulnerabilities = active.vulnerabilities.iter().filter(|found| found.blocking);
            lines.extend(vulnerabilities.map(|found| found.sentence() + &of));
            let secrets = active.secrets.iter().filter(|found| found.blocking);
            lines.extend(secrets.map(|found| found.sentence() + &of));
        }
        lines
    }

    /// The notices about findings and ignore files.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| &group.notices).map(String::as_str)
    }
}

impl Vulnerability {
    /// The file, with the line if it is known.
    pub fn place(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        format!("{}{line}", self.source)
    }

    /// One line about the finding.
    pub fn sentence(&self) -> String {
        let Self { id, package, installed, fixed, .. } = self;
        let version = if installed == "-" { package.clone() } else { format!("{package} {installed}") };
        let fix = if fixed == "-" { String::new() } else { format!(", fixed in {fixed}") };
        let text = format!("{} {id} in {version}{fix} ({})", self.severity.word(), self.place());
        text.replace(['\n', '\r'], " ")
    }
}

impl LeakedSecret {
    /// One line about the finding.
    pub fn sentence(&self) -> String {
        let Self { id, detector, status, .. } = self;
        let file = self.file.as_deref().unwrap_or("an unknown file");
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        format!("{status} secret {id} ({detector}) in {file}{line}")
    }
}

/// The data for later jobs, with the names of coreeng/p2p's outputs.
impl Serialize for Scan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let totals = self.totals();
        let file = |end| format!("{}/{}", self.directory, self.file(end));
        let fields = json!({
            "kind": self.kind,
            "scan-status": if self.failures.is_empty() { "ok" } else { "failed" },
            "security-risk": self.risk(),
            "vulnerability-total": totals.vulnerability_total,
            "vulnerability-blocking": totals.vulnerability_blocking,
            "license-total": totals.license_total,
            "secret-total": totals.secret_total,
            "secret-blocking": totals.secret_blocking,
            "ignored": totals.ignored,
            "blocking-severity": self.threshold,
            "range": self.range,
            "scanners": self.scanners,
            "database": self.database,
            "failures": self.failures.iter().map(Failure::sentence).collect::<Vec<_>>(),
            "directory": self.directory,
            "json-file": file(FINDINGS),
            "report-file": file(REPORT),
        });
        fields.serialize(serializer)
    }
}

/// One line for the log.
impl std::fmt::Display for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let totals = self.totals();
        let counts = Severity::ALL.iter().zip(self.by_severity()).filter(|(_, count)| *count > 0);
        let counts: Vec<_> =
            counts.map(|(severity, count)| format!("{count} {}", severity.word().to_lowercase())).collect();
        let counts = if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
        let blocking = totals.vulnerability_blocking + totals.secret_blocking;
        let some = |count, one, many| format!("{count} {}", if count == 1 { one } else { many });
        let vulnerabilities = some(totals.vulnerability_total, "vulnerability", "vulnerabilities");
        let secrets = some(totals.secret_total, "secret", "secrets");
        let (risk, ignored) = (self.risk(), totals.ignored);
        write!(
            f,
            "risk {risk}: {vulnerabilities}{counts}, {secrets}, {blocking} blocking, {ignored} ignored"
        )?;
        if self.kind == ScanKind::Images {
            return Ok(());
        }
        write!(f, ", {}", some(totals.license_total, "restricted licence", "restricted licences"))
    }
}
