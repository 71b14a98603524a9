//! The files of a scan: its reports, the ignore files that count, and the SARIF files of other scanners.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::ScanRun;
use crate::domain::scan::{FILE_NAME, IgnoreFile, IgnoreRules, ScanKind, Vulnerability};
use crate::edges::scanners::read_sarif;
use crate::edges::workspace::ArtifactGlobs;
use sys::error::{Exit, Failure, FileError};
use sys::private::{self, Links};

/// The largest SARIF file, in bytes.
const SARIF: u64 = 256 << 20;
/// The longest ignore file, in bytes.
const LONGEST: u64 = 1 << 20;

/// Writes a report below `directory`.
pub(super) fn write(directory: &Path, name: &str, document: &Value) -> Result<(), Failure> {
    write_bytes(directory, name, format!("{document:#}\n").as_bytes())
}

/// Writes bytes unchanged.
pub(super) fn write_bytes(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let file = directory.join(name);
    let parent = file.parent().unwrap_or(directory);
    std::fs::create_dir_all(parent).map_err(FileError::at("create a directory in", parent))?;
    Ok(private::write(&file, bytes).map_err(FileError::at("write", &file))?)
}

impl ScanRun {
    /// The SARIF files that a glob matches. There must be at least one.
    pub(super) fn sarif_files(&self, glob: &str) -> Result<Vec<PathBuf>, Failure> {
        let files = ArtifactGlobs::parse([glob])?.find(&self.directory)?;
        if files.is_empty() {
            let help = "let a target write it, or correct the key `sarif` of the environment";
            return Err(Failure::new(Exit::Failed, format!("no SARIF file matches {glob:?}"), help));
        }
        Ok(files)
    }

    /// The findings in a SARIF file.
    pub(super) fn sarif(&self, file: &Path) -> Result<Vec<Vulnerability>, Failure> {
        let (root, directory) = (&self.root, &self.directory);
        let inside = directory.strip_prefix(root).unwrap_or(directory);
        let path = directory.join(file);
        let text = private::read(&path, Links::Refuse, SARIF).map_err(FileError::at("read", &path))?;
        read_sarif(&file.display().to_string(), &text, root, inside)
    }

    /// The rules on the day of the scan. For the source, every ignore file in the repository counts. For images, the
    /// one at the root and the one in make's directory.
    pub(super) async fn ignore_rules(&self) -> Result<IgnoreRules, Failure> {
        let mut names = match self.job.kind() {
            ScanKind::Source => self.git.files_named(&self.root, FILE_NAME).await?,
            ScanKind::Images => {
                let inside = self.directory.strip_prefix(&self.root).unwrap_or(Path::new(""));
                vec![FILE_NAME.to_owned(), inside.join(FILE_NAME).display().to_string()]
            }
        };
        names.dedup();
        let mut files = Vec::new();
        for name in names {
            match private::read(&self.root.join(&name), Links::Refuse, LONGEST) {
                Ok(text) => {
                    let text = String::from_utf8(text).map_err(|_| unusable(&name, "is no UTF-8 text"))?;
                    files.push(IgnoreFile::parse(&name, &text)?);
                }
                // git may list a file that was deleted.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(&name, &format!("cannot be read: {error}"))),
            }
        }
        Ok(IgnoreRules { files, today: self.now.to_zoned(TimeZone::UTC).date() })
    }
}

fn unusable(name: &str, problem: &str) -> Failure {
    let help = "make it a regular file of UTF-8 text; nothing was ignored";
    Failure::usage(format!("{name} {problem}"), help)
}
