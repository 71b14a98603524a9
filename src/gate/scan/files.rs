//! The reports of a scan.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::edges::workspace::ArtifactGlobs;
use sys::error::{Exit, Failure, FileError};
use sys::private;

/// Writes a report below `directory`.
pub(super) fn write(directory: &Path, name: &str, document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(document).map_err(|error| Failure {
        what: format!("the report {name} cannot be written as JSON: {error}"),
        causes: Vec::new(),
        help: None,
        exit: Exit::Failed,
    })?;
    write_bytes(directory, name, &text)
}

/// The same with text as it is.
pub(super) fn write_bytes(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let file = directory.join(name);
    let parent = file.parent().unwrap_or(directory);
    std::fs::create_dir_all(parent).map_err(FileError::at("create a directory in", parent))?;
    private::write(&file, bytes).map_err(FileError::at("write", &file))?;
    Ok(())
}

/// The files below `directory` that a glob names, relative to it.
pub(super) fn matching(glob: &str, directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(ArtifactGlobs::parse([glob])?.find(directory)?)
}
