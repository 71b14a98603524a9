//! The files that make reads: the directory's own, and one of ours after it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::MakeError;
use crate::error::FileError;

/// The names that make looks for, in its order (GNU make manual, "What Name to Give Your Makefile").
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// The name of the directory's Makefile.
///
/// # Errors
/// When there is no directory, or no Makefile in it.
pub(super) fn main(directory: &Path) -> Result<&'static str, MakeError> {
    if !directory.is_dir() {
        return Err(MakeError::NoDirectory { directory: directory.to_owned() });
    }
    NAMES
        .into_iter()
        .find(|name| directory.join(name).is_file())
        .ok_or_else(|| MakeError::NoMakefile { directory: directory.to_owned() })
}

/// A word that nothing in a Makefile can guess.
pub(super) fn marker() -> io::Result<String> {
    let mut marker = String::from("probe-");
    for byte in getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?.to_be_bytes() {
        let _ = write!(marker, "{byte:02x}");
    }
    Ok(marker)
}

/// The file that make reads after the Makefile. Its name fits no pattern rule that anyone writes.
pub(super) fn ours(scratch: &Path, text: &str) -> Result<NamedTempFile, FileError> {
    let made = tempfile::Builder::new().prefix(".probe-").tempfile_in(scratch);
    let mut file = made.map_err(FileError::at("create a file in", scratch))?;
    file.write_all(text.as_bytes()).map_err(FileError::at("write", file.path()))?;
    Ok(file)
}
