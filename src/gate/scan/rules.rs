//! Finds the ignore files that count.

use std::path::Path;

use jiff::tz::TimeZone;

use super::ScanRun;
use crate::domain::scan::{FILE_NAME, IgnoreFile, IgnoreRules, ScanKind};
use sys::error::Failure;
use sys::private::{self, Links};

/// The longest ignore file, in bytes.
const LONGEST: u64 = 1 << 20;

/// The rules on the day of the scan. For the source, every ignore file in the repository counts. For images, the one
/// at the root and the one in make's directory.
pub(super) async fn find(run: &ScanRun) -> Result<IgnoreRules, Failure> {
    let ScanRun { job, git, root, directory, now, .. } = run;
    let mut names = match job.kind() {
        ScanKind::Source => git.files_named(root, FILE_NAME).await?,
        ScanKind::Images => {
            let inside = directory.strip_prefix(root).unwrap_or(Path::new("")).join(FILE_NAME);
            vec![FILE_NAME.to_owned(), inside.display().to_string()]
        }
    };
    names.dedup();
    let mut files = Vec::new();
    for name in names {
        files.extend(read(root, &name)?);
    }
    Ok(IgnoreRules::new(files, now.to_zoned(TimeZone::UTC).date()))
}

fn read(root: &Path, name: &str) -> Result<Option<IgnoreFile>, Failure> {
    let file = root.join(name);
    let text = match private::read(&file, Links::Refuse, LONGEST) {
        Ok(text) => text,
        // git may list a file that was deleted.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let what = format!("{name} cannot be read: {error}");
            return Err(Failure::usage(what, "make it a regular file of text; nothing was ignored"));
        }
    };
    let text = String::from_utf8(text).map_err(|_| {
        Failure::usage(format!("{name} is no UTF-8 text"), "write it as UTF-8; nothing was ignored")
    })?;
    Ok(Some(IgnoreFile::parse(name, &text)?))
}
