//! A file outside the workspace that targets may change and each finds as the job had it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::WorkspaceError;

/// A file as it was, or that there was none.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    was: Option<(Vec<u8>, fs::Permissions)>,
}

impl KeptFile {
    /// Remembers a file of at most a few kilobytes, or its absence.
    ///
    /// # Errors
    ///
    /// Where it is there and cannot be read.
    pub fn of(path: PathBuf) -> Result<Self, WorkspaceError> {
        let was = read(&path)?;
        Ok(Self { path, was })
    }

    /// Makes it as it was. Does nothing where it is.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, written or removed.
    pub fn restore(&self) -> Result<(), WorkspaceError> {
        let now = read(&self.path)?;
        match (&self.was, now) {
            (None, None) => Ok(()),
            (Some((was, _)), Some((now, _))) if *was == now => Ok(()),
            (None, Some(_)) => fs::remove_file(&self.path).map_err(WorkspaceError::io("remove", &self.path)),
            (Some((text, permissions)), _) => {
                let write = || {
                    if let Some(parent) = self.path.parent() {
                        fs::create_dir_all(parent)?;
                    }
                    // Written from empty: what a target appended goes, and the file's own mode stays.
                    fs::write(&self.path, text)?;
                    fs::set_permissions(&self.path, permissions.clone())
                };
                write().map_err(WorkspaceError::io("restore", &self.path))
            }
        }
    }
}

fn read(path: &Path) -> Result<Option<(Vec<u8>, fs::Permissions)>, WorkspaceError> {
    match fs::read(path).and_then(|text| Ok((text, fs::metadata(path)?.permissions()))) {
        Ok(was) => Ok(Some(was)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(WorkspaceError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_appended_goes_and_what_was_made_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".config/gcloud/credentials.json");
        let absent = KeptFile::of(path.clone()).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "theirs").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let there = KeptFile::of(path.clone()).unwrap();
        fs::write(&path, "theirs and more").unwrap();
        there.restore().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        fs::remove_file(&path).unwrap();
        there.restore().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        absent.restore().unwrap();
        assert!(!path.exists());
    }
}
