//! Private files, which are replaced as a whole, and files that a target may have replaced by anything: opening a pipe
//! without a writer would block for ever.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::{NamedTempFile, TempDir};

use crate::error::FileError;

/// Writes a file of mode 0600. An existing file is replaced in one step: readers see the old text or the new text,
/// never a part. The directory must exist.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // A file that did not exist has no readers yet, so it can be written in place.
        new => return new?.write_all(bytes),
    }
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // The file has mode 0600 before it has any content.
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A directory for short-lived files that only its owner may enter, whatever the umask.
pub fn temporary() -> Result<TempDir, FileError> {
    let private = Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().permissions(private).tempdir();
    made.map_err(FileError::at("create a directory in", &std::env::temp_dir()))
}

/// What to do if the file is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Follow it: it belongs to the user.
    Follow,
    /// Refuse it: files of p2p are never links.
    Refuse,
}

/// Opens a regular file for reading. Anything else is an error at once.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let refuse = if links == Links::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
    regular(OpenOptions::new().read(true), refuse, path)
}

/// Reads a regular file of at most `most` bytes.
pub fn read(path: &Path, links: Links, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, links)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// Opens a regular file for appending, and creates it if it is missing.
pub fn append(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().append(true).create(true), OFlags::empty(), path)
}

/// Creates a new file of mode 0600 and replaces whatever is there.
pub fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().write(true).create_new(true).mode(0o600).open(path),
    }
}

/// Converts the kernel's flags to the type of the standard library.
fn regular(options: &mut OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | flags).bits().cast_signed();
    let file = options.custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// Creates empty command files (`GITHUB_OUTPUT` and the others) for one target in `directory`. Returns the variable and
/// path of each.
pub fn runner_files(directory: &Path) -> Result<Vec<(&'static str, PathBuf)>, FileError> {
    const NAMES: [&str; 6] = [
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_STATE",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_ARTIFACTS",
    ];
    NAMES
        .into_iter()
        .map(|name| {
            let file = directory.join(name);
            write(&file, b"").map_err(FileError::at("write", &file))?;
            Ok((name, file))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;
    use rustix::fs::{CWD, FileType, Mode};

    #[test]
    fn a_file_is_private_and_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "for all to read").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"private").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "private");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn only_regular_files_are_opened_and_nobody_waits() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        for name in ["fifo", "."] {
            read(&at(name), Links::Follow, 9).unwrap_err();
            append(&at(name)).unwrap_err();
        }
        assert_eq!(read(&at("link"), Links::Follow, 5).unwrap(), b"12345");
        read(&at("link"), Links::Refuse, 5).unwrap_err();
        assert_eq!(read(&at("file"), Links::Refuse, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        append(&at("file")).unwrap().write_all(b"6").unwrap();
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "123456");
        for name in ["fifo", "link", "new"] {
            create(&at(name)).unwrap().write_all(b"ours").unwrap();
            assert_eq!(fs::read_to_string(at(name)).unwrap(), "ours");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "123456", "nothing was written through the link");
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        fs::write(&target, "untouched").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"private").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    }
}
