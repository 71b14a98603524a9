//! Runs the scanners on the source and on images, and judges what they found. Each scan is a task of its own, so that
//! targets run meanwhile. Prints nothing.

mod files;
mod images;
mod rules;
mod source;

use std::path::PathBuf;

use jiff::Timestamp;

use self::rules::Ignores;
use crate::domain::image::Tested;
use crate::domain::scan::{Database, Scan, ScanFindings, ScanGroup, ScanKind, ScannedImage, Scope, manifest};
use crate::edges::git::Git;
use crate::edges::scanners::{Scanners, read_sarif};
use crate::gate::plan::{ScanJob, ScanSubject};
use oci::Client;
use sys::error::Failure;
use sys::private::{self, Links};
use sys::removals::Directory;

/// The most bytes of a SARIF file.
const SARIF: u64 = 256 << 20;

/// Everything that a scan needs.
pub struct ScanRun {
    /// What is scanned, and how.
    pub job: ScanJob,
    /// The images that the run recorded.
    pub recorded: Vec<Tested>,
    /// The scanners.
    pub scanners: Scanners,
    /// Registries.
    pub client: Client,
    /// The git program.
    pub git: Git,
    /// The root of the repository.
    pub root: PathBuf,
    /// The directory make runs in.
    pub directory: PathBuf,
    /// Where reports are written.
    pub reports: PathBuf,
    /// What scanners write; gone when the scan has ended.
    pub scratch: Directory,
    /// Where files of the repository can be looked at: `https://github.com/acme/shop/blob`.
    pub page: Option<String>,
    /// When it begins.
    pub now: Timestamp,
}

/// What scanners found, before it is judged.
pub struct Scanned {
    run: ScanRun,
    ignores: Result<Ignores, Failure>,
    parts: Vec<Part>,
    images: Vec<ScannedImage>,
    range: String,
    /// Whether everything was searched for secrets.
    complete: bool,
    database: Option<Database>,
    scanners: Vec<String>,
    failures: Vec<Failure>,
}

/// The source, or one image.
#[derive(Default)]
struct Part {
    image: String,
    reference: String,
    platforms: Vec<String>,
    findings: ScanFindings,
    /// What the reader should know about them.
    notices: Vec<String>,
}

impl ScanRun {
    /// Scans. What fails is kept, so that the findings of the others are seen.
    pub async fn scan(self) -> Scanned {
        let ignores = match self.job.kind() {
            ScanKind::Source => Ignores::of_source(&self.git, &self.root).await,
            ScanKind::Images => Ignores::of_images(&self.root, &self.directory),
        };
        let wrong = ignores.is_err();
        let mut scanned = Scanned {
            run: self,
            ignores,
            parts: Vec::new(),
            images: Vec::new(),
            range: String::new(),
            complete: false,
            database: None,
            scanners: Vec::new(),
            failures: Vec::new(),
        };
        // Nothing that is found could be judged.
        if wrong {
            return scanned;
        }
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
        scanned.scanners = scanned.run.scanners.versions().await;
        scanned
    }
}

impl Scanned {
    /// Adds the findings of SARIF files, judges all of them, and writes the reports. Also gives what failed.
    ///
    /// # Errors
    /// When an ignore file is wrong or a report cannot be written.
    pub fn judge(mut self) -> Result<(Scan, Vec<Failure>), Failure> {
        let ignores = match &mut self.ignores {
            Ok(ignores) => std::mem::take(ignores),
            Err(failure) => return Err(failure.clone()),
        };
        let kind = self.run.job.kind();
        if kind == ScanKind::Source {
            self.sarif();
        }
        let options = &self.run.job.options;
        let rules = ignores.rules(self.run.now);
        let judged = self.parts.into_iter().map(|part| {
            let scope = if part.image.is_empty() { Scope::Source } else { Scope::Image(&part.image) };
            let mut judged = rules.judge(part.findings, scope, options.blocking_severity, self.complete);
            judged.notices.extend(part.notices);
            let Part { image, reference, platforms, .. } = part;
            ScanGroup { image, reference, platforms, judged }
        });
        let scan = Scan {
            kind,
            threshold: options.blocking_severity,
            scanners: self.scanners,
            database: self.database,
            groups: judged.collect(),
            images: self.images,
            failures: self.failures.iter().map(sentence).collect(),
            directory: self.run.reports.display().to_string(),
            range: self.range,
        };
        files::write(&self.run.reports, scan.file(), &scan.document())?;
        files::write(&self.run.reports, scan.sarif_file(), &scan.sarif())?;
        if kind == ScanKind::Images {
            files::write(&self.run.reports, "manifest.json", &manifest(&scan.range, &scan.images))?;
        }
        Ok((scan, self.failures))
    }

    /// Reads the SARIF files that the environment names: by now targets have written theirs.
    fn sarif(&mut self) {
        let (root, directory) = (self.run.root.clone(), self.run.directory.clone());
        let inside = directory.strip_prefix(&root).unwrap_or(&directory).to_owned();
        let mut found = ScanFindings::default();
        for glob in self.run.job.options.sarif.clone() {
            let files = files::matching(&glob, &directory);
            let files = match files {
                Ok(files) if files.is_empty() => {
                    self.failures.push(Failure {
                        what: format!("no SARIF file matches {glob:?}"),
                        causes: Vec::new(),
                        help: Some(
                            "let a target write it, or correct the key `sarif` of the environment".to_owned(),
                        ),
                        exit: sys::error::Exit::Failed,
                    });
                    continue;
                }
                Ok(files) => files,
                Err(failure) => {
                    self.failures.push(failure);
                    continue;
                }
            };
            for file in files {
                let name = file.display().to_string();
                let read = private::read(&directory.join(&file), Links::Refuse, SARIF)
                    .map_err(sys::error::FileError::at("read", &directory.join(&file)))
                    .map_err(Failure::from)
                    .and_then(|text| Ok(read_sarif(&name, &text, &root, &inside)?));
                match read {
                    Ok(findings) => found.vulnerabilities.extend(findings),
                    Err(failure) => self.failures.push(failure),
                }
            }
        }
        match self.parts.first_mut() {
            Some(part) => part.findings.add(found),
            None => self.parts.push(Part { findings: found, ..Part::default() }),
        }
    }

    /// Keeps what a scanner gave, or why it gave nothing.
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
