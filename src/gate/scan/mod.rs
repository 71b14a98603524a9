//! Runs the scanners on the source and on images, and judges their findings. Each scan is a task of its own, so that
//! targets run at the same time. Prints nothing.

mod archive;
mod files;
mod images;
mod kept;
mod rules;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::image::Tested;
use crate::domain::scan::{
    Database, FINDINGS, IgnoreRules, LeakedSecret, Scan, ScanFindings, ScanGroup, ScanKind, ScannedImage,
    Scope, manifest,
};
use crate::edges::git::Git;
use crate::edges::scanners::{Scanners, read_sarif, secret_lines};
use crate::gate::plan::{ScanJob, ScanSubject};
use crate::gate::record::{Ledger, Rule};
use oci::Client;
use sys::error::{Failure, FileError};
use sys::private::{self, Links};
use sys::removals::Directory;

/// The largest SARIF file, in bytes.
const SARIF: u64 = 256 << 20;

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

/// The findings in Trivy's report, and the report.
type Reported = Result<(ScanFindings, Vec<u8>), Failure>;
/// The secrets that TruffleHog found.
type Searched = Result<Vec<LeakedSecret>, Failure>;

/// The findings before they are judged.
pub struct Scanned {
    run: ScanRun,
    rules: IgnoreRules,
    parts: Vec<Part>,
    images: Vec<ScannedImage>,
    range: String,
    /// Whether everything was searched for secrets.
    complete: bool,
    /// The scanners that ran, with their versions, and the database.
    scanners: (Vec<String>, Option<Database>),
    failures: Vec<Failure>,
}

/// The source, or one image.
#[derive(Default)]
struct Part {
    image: String,
    reference: String,
    platforms: Vec<String>,
    findings: ScanFindings,
    /// Notices about the findings.
    notices: Vec<String>,
}

impl ScanRun {
    /// Scans. A failure is kept, so that the findings of the other scanners are not lost.
    ///
    /// # Errors
    /// If an ignore file is invalid, because the findings could not be judged.
    pub async fn scan(self) -> Result<Scanned, Failure> {
        let mut scanned = Scanned {
            rules: rules::find(&self).await?,
            run: self,
            parts: Vec::new(),
            images: Vec::new(),
            range: String::new(),
            complete: false,
            scanners: (Vec::new(), None),
            failures: Vec::new(),
        };
        match scanned.run.job.what.clone() {
            ScanSubject::Source { secrets, dependencies, base, compare } => {
                let base = base.as_deref();
                scanned.source(secrets, dependencies, base, base.filter(|_| compare)).await;
            }
            ScanSubject::Reports(directory) => scanned.reports(&directory),
            ScanSubject::Recorded(stage) => {
                stage.word().clone_into(&mut scanned.range);
                for image in scanned.run.recorded.clone() {
                    scanned.image(&image).await;
                }
            }
            ScanSubject::Images(images) => {
                "by hand".clone_into(&mut scanned.range);
                for reference in images {
                    scanned.reference(&reference).await;
                }
            }
        }
        scanned.scanners = scanned.run.scanners.ran().await;
        Ok(scanned)
    }
}

impl Scanned {
    /// Adds the findings in SARIF files, judges all findings, and writes the reports. Also returns the failures.
    ///
    /// # Errors
    /// If a report cannot be written.
    pub fn judge(mut self) -> Result<(Scan, Vec<Failure>), Failure> {
        let kind = self.run.job.kind();
        // Jobs that scan a part have no targets that could write the files.
        if matches!(self.run.job.what, ScanSubject::Source { secrets: true, dependencies: true, .. }) {
            self.sarif();
        }
        let threshold = self.run.job.options.blocking_severity;
        let rules = self.rules;
        let judged = self.parts.into_iter().map(|part| {
            let scope = if part.image.is_empty() { Scope::Source } else { Scope::Image(&part.image) };
            let mut judged = rules.judge(part.findings, scope, threshold, self.complete);
            judged.notices.extend(part.notices);
            let Part { image, reference, platforms, .. } = part;
            ScanGroup { image, reference, platforms, judged }
        });
        let (scanners, database) = self.scanners;
        let scan = Scan {
            kind,
            threshold,
            scanners,
            database,
            groups: judged.collect(),
            has_rules: rules.exist(),
            images: self.images,
            failures: self.failures.iter().map(sentence).collect(),
            directory: self.run.reports.display().to_string(),
            range: self.range,
        };
        files::write(&self.run.reports, &scan.file(FINDINGS), &scan.document())?;
        files::write(&self.run.reports, &scan.file(".sarif"), &scan.sarif())?;
        if kind == ScanKind::Images {
            files::write(&self.run.reports, "manifest.json", &manifest(&scan.range, &scan.images))?;
        }
        Ok((scan, self.failures))
    }

    /// Reads the SARIF files that the environment names. The targets have written theirs by now.
    fn sarif(&mut self) {
        let (root, directory) = (self.run.root.clone(), self.run.directory.clone());
        let inside = directory.strip_prefix(&root).unwrap_or(&directory).to_owned();
        let mut found = Vec::new();
        for glob in self.run.job.options.sarif.clone() {
            let what = format!("`sarif`: {glob}");
            for file in self.keep(files::matching(&glob, &directory), &what).unwrap_or_default() {
                let read = private::read(&directory.join(&file), Links::Refuse, SARIF)
                    .map_err(FileError::at("read", &directory.join(&file)))
                    .map_err(Failure::from)
                    .and_then(|text| Ok(read_sarif(&file.display().to_string(), &text, &root, &inside)?));
                found.extend(self.keep(read, &what).unwrap_or_default());
            }
        }
        if let Some(source) = self.parts.first_mut() {
            source.findings.vulnerabilities.extend(found);
        }
    }

    /// Adds the findings of both scanners to a part, and writes them to the reports. `None` for a scanner that did
    /// not run.
    fn add(
        &mut self,
        part: &mut Part,
        (reported, searched): (Option<Reported>, Option<Searched>),
        files: [&str; 2],
        what: [&str; 2],
    ) {
        if let Some((found, report)) = reported.and_then(|reported| self.keep(reported, what[0])) {
            let written = files::write_bytes(&self.run.reports, files[0], &report);
            self.keep(written, "the report of Trivy is not in the reports");
            part.findings.add(found);
        }
        if let Some(found) = searched.and_then(|searched| self.keep(searched, what[1])) {
            let written = files::write_bytes(&self.run.reports, files[1], &secret_lines(&found));
            self.keep(written, "the secrets that were found are not in the reports");
            part.findings.secrets.extend(found);
        }
    }

    /// Returns the result of a scanner, or keeps the failure.
    fn keep<T>(&mut self, result: Result<T, impl Into<Failure>>, what: &str) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let failure: Failure = error.into();
                self.failures.push(failure.context(what.to_owned()));
                None
            }
        }
    }
}

/// A failure in one line.
fn sentence(failure: &Failure) -> String {
    let causes = failure.causes.iter().map(String::as_str);
    std::iter::once(failure.what.as_str()).chain(causes).collect::<Vec<_>>().join(": ")
}
