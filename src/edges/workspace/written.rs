//! Finds the files that a program wrote: those with new content since a point in time.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::globs::ArtifactGlobs;
use super::tree::Modified;

/// Directories in which programs of the repository write no reports.
const PASSED_OVER: [&str; 2] = [".git", "node_modules"];

/// The matching files of a directory before a program ran.
pub struct FilesBefore {
    globs: Arc<ArtifactGlobs>,
    directory: PathBuf,
    stamps: BTreeMap<PathBuf, Stamp>,
}

/// What changes when a file is written. Its mode may change without that.
type Stamp = (u64, Modified, u64);

impl FilesBefore {
    /// Records the files now. Blocks.
    pub fn new(globs: Arc<ArtifactGlobs>, directory: PathBuf) -> Self {
        let stamps = files(&globs, &directory).collect();
        Self { globs, directory, stamps }
    }

    /// The files that were written since, as sorted relative paths. Links are not followed. Blocks.
    pub fn written(&self) -> Vec<PathBuf> {
        let files = files(&self.globs, &self.directory);
        let written = files.filter(|(path, stamp)| self.stamps.get(path) != Some(stamp));
        let mut written: Vec<_> = written.map(|(path, _)| path).collect();
        written.sort();
        written
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The matching files. Unreadable ones are left out.
fn files(globs: &ArtifactGlobs, directory: &Path) -> impl Iterator<Item = (PathBuf, Stamp)> {
    let walk = WalkDir::new(directory).min_depth(1).follow_links(false).into_iter();
    let walk = walk.filter_entry(|entry| !PASSED_OVER.iter().any(|name| entry.file_name() == *name));
    walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_file()).filter_map(move |entry| {
        let path = entry.path().strip_prefix(directory).ok().filter(|path| globs.is_match(path))?;
        Some((path.to_owned(), stamp(&entry.metadata().ok()?)))
    })
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), Modified::of(metadata), metadata.ino())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn only_files_that_were_written_since_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for file in ["old.xml", "new-rights.xml", "again.xml", "moved.xml"] {
            fs::write(root.join(file), "one").unwrap();
        }
        let globs = Arc::new(ArtifactGlobs::parse(["**/*.xml"]).unwrap());
        let before = FilesBefore::new(globs, root.to_owned());
        fs::set_permissions(root.join("new-rights.xml"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(root.join("again.xml"), "longer").unwrap();
        fs::write(root.join("other"), "one").unwrap();
        fs::rename(root.join("other"), root.join("moved.xml")).unwrap();
        for file in ["a/new.xml", "a/new.txt", "node_modules/a/b.xml", ".git/c.xml"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        symlink("/etc/passwd", root.join("link.xml")).unwrap();
        symlink("/etc", root.join("etc.xml")).unwrap();
        let written: Vec<_> = before.written().iter().map(|path| path.display().to_string()).collect();
        assert_eq!(written, ["a/new.xml", "again.xml", "moved.xml"]);
    }
}
