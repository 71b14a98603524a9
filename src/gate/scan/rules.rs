//! Finds the ignore files that count.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::scan::{FILE_NAME, IgnoreFile, IgnoreRules};
use crate::edges::git::Git;
use sys::error::{Failure, FileError};
use sys::private::{self, Links};

/// The longest ignore file, in bytes.
const LONGEST: u64 = 1 << 20;

/// The ignore files.
#[derive(Default)]
pub(super) struct Ignores(Vec<IgnoreFile>);

impl Ignores {
    /// Those of the source: every one in the repository.
    pub(super) async fn of_source(git: &Git, root: &Path) -> Result<Self, Failure> {
        let names = git.files_named(root, FILE_NAME).await?;
        let mut files = Vec::new();
        for name in names {
            files.extend(read(root, &name)?);
        }
        Ok(Self(files))
    }

    /// Those of images: the one at the root, and the one where make runs.
    pub(super) fn of_images(root: &Path, directory: &Path) -> Result<Self, Failure> {
        let inside =
            directory.strip_prefix(root).unwrap_or(Path::new("")).join(FILE_NAME).display().to_string();
        let mut names = vec![FILE_NAME.to_owned(), inside];
        names.dedup();
        let mut files = Vec::new();
        for name in names {
            files.extend(read(root, &name)?);
        }
        Ok(Self(files))
    }

    /// The rules on the day of the scan.
    pub(super) fn rules(self, now: Timestamp) -> IgnoreRules {
        IgnoreRules::new(self.0, now.to_zoned(TimeZone::UTC).date())
    }
}

fn read(root: &Path, name: &str) -> Result<Option<IgnoreFile>, Failure> {
    let file = root.join(name);
    let text = match private::read(&file, Links::Refuse, LONGEST) {
        Ok(text) => text,
        // One that git knows of may be deleted.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at("read", &file)(error).into()),
    };
    let text = String::from_utf8(text).map_err(|_| {
        Failure::usage(format!("{name} is no UTF-8 text"), "write it as UTF-8; nothing was ignored")
    })?;
    Ok(Some(IgnoreFile::parse(name, &text)?))
}
