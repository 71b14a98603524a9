//! Runs the scanners on the source and on images, and judges their findings. Each scan is a task of its own, so that
//! targets run at the same time. Prints nothing.

mod archive;
mod files;
mod images;
mod kept;
mod platforms;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::image::Tested;
use crate::domain::scan::{FINDINGS, IgnoreRules, LeakedSecret, Scan, ScanGroup, ScanKind};
use crate::edges::git::Git;
use crate::edges::scanners::{Scanners, TrivyReport, secret_lines};
use crate::gate::plan::{ScanJob, ScanSubject};
use crate::gate::record::{Ledger, Rule};
use crate::inputs::History;
use oci::Client;
use sys::error::Failure;
use sys::removals::Directory;

/// Everything that a scan needs.
pub struct ScanRun {
    /// What to scan, and how.
    pub job: ScanJob,
    /// The images that the run recorded.
    pub recorded: Vec<Tested>,
    pub scanners: Scanners,
    pub client: Client,
    /// The records of images.
    pub ledger: Arc<Ledger>,
    /// The rule for the records that count.
    pub rule: Rule,
    pub git: Git,
    /// The root of the repository.
    pub root: PathBuf,
    pub directory: PathBuf,
    /// The directory for reports.
    pub reports: PathBuf,
    /// The directory for the scanners' files. It is removed when the scan has ended.
    pub scratch: Directory,
    /// The URL for files of the repository: `https://github.com/acme/shop/blob`.
    pub page: Option<String>,
    /// When the scan begins.
    pub now: Timestamp,
}

/// A scan in progress, and its findings before they are judged.
pub struct Scanned {
    run: ScanRun,
    rules: IgnoreRules,
    scan: Scan,
}

/// What a scanner found, or why it failed. `None` if it did not run.
type Found<T> = Option<Result<T, Failure>>;

impl ScanRun {
    /// Scans. A failure is kept, so that the findings of the other scanners are not lost.
    ///
    /// # Errors
    /// If an ignore file is invalid, because the findings could not be judged.
    pub async fn scan(self) -> Result<Scanned, Failure> {
        let rules = self.ignore_rules().await?;
        let scan = Scan {
            kind: self.job.kind(),
            range: String::new(),
            threshold: self.job.options.blocking_severity,
            scanners: Vec::new(),
            database: None,
            groups: Vec::new(),
            has_rules: !rules.files.is_empty(),
            images: Vec::new(),
            failures: Vec::new(),
            directory: self.reports.display().to_string(),
        };
        let what = self.job.what.clone();
        let mut scanned = Scanned { run: self, rules, scan };
        match what {
            ScanSubject::Source { secrets, dependencies } => scanned.source(secrets, dependencies).await,
            ScanSubject::Reports(directory) => scanned.reports(&directory),
            ScanSubject::Recorded(stage) => {
                stage.word().clone_into(&mut scanned.scan.range);
                for image in scanned.run.recorded.clone() {
                    scanned.image(&image).await;
                }
            }
            ScanSubject::Images(images) => {
                "by hand".clone_into(&mut scanned.scan.range);
                for reference in images {
                    scanned.reference(&reference).await;
                }
            }
        }
        (scanned.scan.scanners, scanned.scan.database) = scanned.run.scanners.ran().await;
        Ok(scanned)
    }
}

impl Scanned {
    /// Adds the findings in SARIF files, judges all findings, and writes the reports.
    ///
    /// # Errors
    /// If a report cannot be written.
    pub fn judge(mut self) -> Result<Scan, Failure> {
        // The targets have written their files by now. Jobs that scan a part have no targets.
        if let ScanSubject::Source { secrets: true, dependencies: true } = self.run.job.what {
            for glob in self.run.job.options.sarif.clone() {
                let what = format!("`sarif`: {glob}");
                for file in self.keep(self.run.sarif_files(&glob), &what).unwrap_or_default() {
                    let found = self.keep(self.run.sarif(&file), &what).unwrap_or_default();
                    if let Some(source) = self.scan.groups.first_mut() {
                        source.active.vulnerabilities.extend(found);
                    }
                }
            }
        }
        let full = self.run.job.options.history == History::Full;
        let (packages, secrets) = match self.run.job.what {
            _ if !self.scan.failures.is_empty() => (false, false),
            ScanSubject::Source { secrets, dependencies } => (dependencies, secrets && full),
            ScanSubject::Reports(_) => (true, false),
            ScanSubject::Recorded(_) | ScanSubject::Images(_) => (true, true),
        };
        let (mut scan, reports) = (self.scan, &self.run.reports);
        for group in &mut scan.groups {
            self.rules.judge(group, scan.threshold, packages, secrets);
        }
        files::write(reports, &scan.file(FINDINGS), &scan.document())?;
        files::write(reports, &scan.file(".sarif"), &scan.sarif())?;
        if scan.kind == ScanKind::Images {
            files::write(reports, "manifest.json", &scan.manifest())?;
        }
        Ok(scan)
    }

    /// Adds the findings of Trivy and TruffleHog in `what` to a group, and writes them to the reports `files`.
    fn add(
        &mut self,
        group: &mut ScanGroup,
        what: &str,
        (reported, searched): (Found<TrivyReport>, Found<Vec<LeakedSecret>>),
        files: [&str; 2],
    ) {
        let failed = |scanner: &str| format!("{scanner} did not scan {what}");
        if let Some(report) = reported.and_then(|reported| self.keep(reported, &failed("Trivy"))) {
            let text = report.document.to_string();
            let written = files::write_bytes(&self.run.reports, files[0], text.as_bytes());
            self.keep(written, "the report of Trivy is not in the reports");
            group.active.vulnerabilities.extend(report.findings.vulnerabilities);
            group.active.licenses.extend(report.findings.licenses);
        }
        if let Some(found) = searched.and_then(|searched| self.keep(searched, &failed("TruffleHog"))) {
            let written = files::write_bytes(&self.run.reports, files[1], &secret_lines(&found));
            self.keep(written, "the secrets that were found are not in the reports");
            group.active.secrets.extend(found);
        }
    }

    /// Returns the result of a scanner, or keeps the failure.
    fn keep<T>(&mut self, result: Result<T, impl Into<Failure>>, what: &str) -> Option<T> {
        result.map_err(|error| self.scan.failures.push(error.into().context(what))).ok()
    }
}

/// Returns the result, or adds a notice. The scan is complete all the same.
fn or_notice<T>(result: Result<T, Failure>, group: &mut ScanGroup, what: &str) -> Option<T> {
    result.map_err(|failure| group.notices.push(format!("{what}: {}", failure.sentence()))).ok()
}
