//! Files that only their owner can read, replaced whole, and those that a target writes for the runner.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes a file of mode 0600 under its name in one step: whoever reads it meanwhile sees the old
/// text or the new one, never a half. Its directory must exist.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // Created with mode 0600, before there is anything in it.
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// The files that the runner reads what a step says from, as a target gets them: its own and empty.
/// They are made in `directory`; variable and path of each.
pub fn runner_files(directory: &Path) -> io::Result<Vec<(&'static str, PathBuf)>> {
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
            std::fs::write(&file, "").map(|()| (name, file))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
    fn a_link_is_replaced_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        fs::write(&target, "untouched").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"private").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    }
}
