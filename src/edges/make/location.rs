//! A line of a Makefile.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file as make names it: absolute, or relative to make's directory.
    pub file: PathBuf,
    /// The line, starting at 1.
    pub line: u64,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Parses `'Makefile', line 12`.
pub(super) fn place(line: &[u8]) -> Option<Location> {
    let comma = memchr::memmem::rfind(line, b", line ")?;
    let number = std::str::from_utf8(&line[comma + b", line ".len()..]).ok()?.parse().ok()?;
    let file = line.get(1..comma.checked_sub(1)?)?;
    Some(Location { file: PathBuf::from(OsStr::from_bytes(file)), line: number })
}
