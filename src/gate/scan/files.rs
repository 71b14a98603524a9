//! Writes and finds the report files of a scan.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::edges::workspace::ArtifactGlobs;
use sys::error::{Exit, Failure, FileError};
use sys::private;

/// Writes a report below `directory`.
pub(super) fn write(directory: &Path, name: &str, document: &Value) -> Result<(), Failure> {
    write_bytes(directory, name, format!("{document:#}\n").as_bytes())
}

/// Writes bytes unchanged.
pub(super) fn write_bytes(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let file = directory.join(name);
    let parent = file.parent().unwrap_or(directory);
    std::fs::create_dir_all(parent).map_err(FileError::at("create a directory in", parent))?;
    private::write(&file, bytes).map_err(FileError::at("write", &file))?;
    Ok(())
}

/// The SARIF files below `directory` that a glob matches, as relative paths. There must be at least one.
pub(super) fn matching(glob: &str, directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = ArtifactGlobs::parse([glob])?.find(directory)?;
    if files.is_empty() {
        return Err(Failure {
            what: format!("no SARIF file matches {glob:?}"),
            causes: Vec::new(),
            help: Some("let a target write it, or correct the key `sarif` of the environment".to_owned()),
            exit: Exit::Failed,
        });
    }
    Ok(files)
}
