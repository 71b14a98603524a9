//! A file outside the workspace that targets may change, and that each target finds as the job had it.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::WorkspaceError;
use sys::private::{self, Links};
use sys::remove_tree;

/// The largest file that is kept, in bytes.
const MOST: u64 = 1024 * 1024;

/// The content of a file, or its absence. If the user has a link in its place, both the link and the file.
#[derive(Debug)]
pub struct RestoredFile {
    path: PathBuf,
    link: Option<PathBuf>,
    /// The file that the link points to, or the path itself.
    file: PathBuf,
    was: Was,
}

#[derive(Debug, PartialEq, Eq)]
enum Was {
    Absent,
    Regular {
        text: Vec<u8>,
        mode: u32,
    },
    /// A directory or a device, which p2p does not restore.
    Other,
}

impl RestoredFile {
    /// Remembers a small file, or its absence.
    ///
    /// # Errors
    ///
    /// If it exists but cannot be read.
    pub fn of(path: PathBuf) -> Result<Self, WorkspaceError> {
        let link = fs::read_link(&path).ok();
        let file = match &link {
            None => path.clone(),
            Some(to) => {
                path.canonicalize().unwrap_or_else(|_| path.parent().unwrap_or(Path::new("")).join(to))
            }
        };
        let was = read(&file).map_err(WorkspaceError::io("read", &path))?;
        Ok(Self { path, link, file, was })
    }

    /// Restores the file, if it has changed. Removes whatever a target put in its place. Never writes through a link
    /// of a target.
    ///
    /// # Errors
    ///
    /// If it cannot be read, written or removed.
    pub fn restore(&self) -> Result<(), WorkspaceError> {
        if let Some(to) = self.link.as_ref().filter(|to| fs::read_link(&self.path).ok().as_ref() != Some(to))
        {
            clear(&self.path)?;
            let link = || {
                make_parent(&self.path)?;
                symlink(to, &self.path)
            };
            link().map_err(WorkspaceError::io("restore", &self.path))?;
        }
        // If it cannot be read as the same file, it is another one.
        let now = read(&self.file).unwrap_or(Was::Other);
        match &self.was {
            was if *was == now => Ok(()),
            Was::Other => Ok(()),
            Was::Absent => clear(&self.file),
            Was::Regular { text, mode } => {
                if now == Was::Other {
                    clear(&self.file)?;
                }
                write(&self.file, text, *mode).map_err(WorkspaceError::io("restore", &self.file))
            }
        }
    }
}

/// Reads what exists at the path. A link does not count as a file.
fn read(path: &Path) -> io::Result<Was> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let text = private::read(path, Links::Refuse, MOST)?;
            Ok(Was::Regular { text, mode: metadata.mode() & 0o7777 })
        }
        Ok(_) => Ok(Was::Other),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Was::Absent)
        }
        Err(error) => Err(error),
    }
}

/// Removes whatever is there.
fn clear(path: &Path) -> Result<(), WorkspaceError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(remove_tree(path)?),
        Ok(_) => fs::remove_file(path).map_err(WorkspaceError::io("remove", path)),
        Err(_) => Ok(()),
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Writes in one step, so that readers see either the old text or the new one.
fn write(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    make_parent(path)?;
    let mut new = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    new.write_all(text)?;
    new.as_file().set_permissions(Permissions::from_mode(mode))?;
    new.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use rustix::fs::{CWD, FileType, Mode};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_was_appended_goes_and_what_was_made_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".config/gcloud/credentials.json");
        let absent = RestoredFile::of(path.clone()).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "theirs").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let there = RestoredFile::of(path.clone()).unwrap();
        fs::write(&path, "theirs and more").unwrap();
        there.restore().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        fs::remove_file(&path).unwrap();
        there.restore().unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        there.restore().unwrap();
        assert_eq!(mode(&path), 0o600);
        absent.restore().unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "no temporary file is left");
    }

    #[test]
    fn whatever_a_target_put_in_its_place_goes() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("credentials.json"), home.path().join("other"));
        fs::write(&other, "another's").unwrap();
        let absent = RestoredFile::of(path.clone()).unwrap();
        fs::write(&path, "theirs").unwrap();
        let there = RestoredFile::of(path.clone()).unwrap();
        let put: [&dyn Fn(); 4] = [
            &|| rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            &|| symlink(&other, &path).unwrap(),
            &|| fs::create_dir_all(path.join("below")).unwrap(),
            &|| fs::write(&path, vec![b'x'; 2_000_000]).unwrap(),
        ];
        for put in put {
            clear(&path).unwrap();
            put();
            there.restore().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
            clear(&path).unwrap();
            put();
            absent.restore().unwrap();
            assert!(fs::symlink_metadata(&path).is_err());
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "another's");
    }

    #[test]
    fn a_link_of_the_user_s_stays_one() {
        let home = tempfile::tempdir().unwrap();
        let (path, file) = (home.path().join("credentials.json"), home.path().join("dotfiles.json"));
        symlink("dotfiles.json", &path).unwrap();
        let dangling = RestoredFile::of(path.clone()).unwrap();
        fs::write(&file, "theirs").unwrap();
        let there = RestoredFile::of(path.clone()).unwrap();
        fs::write(&path, "theirs and more").unwrap();
        there.restore().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file now").unwrap();
        there.restore().unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("dotfiles.json"));
        dangling.restore().unwrap();
        assert!(fs::read_link(&path).is_ok() && !file.exists());
    }
}
