//! Lists a directory tree before it is copied.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use walkdir::WalkDir;

use super::error::WorkspaceError;
use sys::private::{self, Links};

/// The entries of a tree. Each directory comes before its content. The root is the first one.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directories: Vec<Entry>,
    pub(super) files: Vec<Entry>,
    pub(super) links: Vec<Entry>,
    /// Cache directories that are not listed, relative to the root.
    pub(super) caches: Vec<PathBuf>,
    /// The number of fifos, sockets and devices.
    pub(super) others: u64,
    /// The total size of all files.
    pub(super) bytes: u64,
}

/// A file, directory or symbolic link.
#[derive(Debug)]
pub(super) struct Entry {
    /// The path relative to the root.
    pub(super) path: PathBuf,
    /// The permission bits.
    pub(super) mode: u32,
    /// The length in bytes.
    pub(super) length: u64,
    /// When it was last modified.
    pub(super) modified: Modified,
}

/// A modification time with the full precision of the file system, because make compares times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modified {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

impl Modified {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() }
    }

    /// Sets this time on `path` itself, even if it is a link.
    pub(super) fn set(self, path: &Path) -> Result<(), WorkspaceError> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: self.seconds, tv_nsec: self.nanoseconds },
        };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| WorkspaceError::io("set the time of", path)(error.into()))
    }
}

/// Lists `root` without following links. Cache directories appear without their content, except those in `whole` and
/// those that contain it.
pub(super) fn read_tree(root: &Path, whole: &Path) -> Result<Tree, WorkspaceError> {
    let mut tree = Tree::default();
    let mut walk = WalkDir::new(root).follow_links(false).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|error| walk_error(root, error))?;
        let path = entry.path();
        let apart = !path.starts_with(whole) && !whole.starts_with(path);
        if apart && entry.file_type().is_dir() && is_cache(path) {
            tree.caches.push(path.strip_prefix(root).unwrap_or(path).to_owned());
            walk.skip_current_dir();
            continue;
        }
        let metadata = entry.metadata().map_err(|error| walk_error(root, error))?;
        let item = Entry {
            path: entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned(),
            mode: metadata.mode() & 0o7777,
            length: metadata.len(),
            modified: Modified::of(&metadata),
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            tree.directories.push(item);
        } else if kind.is_symlink() {
            tree.links.push(item);
        } else if kind.is_file() {
            tree.bytes = tree.bytes.saturating_add(item.length);
            tree.files.push(item);
        } else {
            tree.others += 1;
        }
    }
    Ok(tree)
}

/// Whether a directory declares itself a cache (<https://bford.info/cachedir/>), like those of cargo and many other
/// tools.
fn is_cache(directory: &Path) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let mut start = [0; SIGNATURE.len()];
    let tag = private::open(&directory.join("CACHEDIR.TAG"), Links::Refuse);
    let read = tag.and_then(|mut tag| tag.read_exact(&mut start));
    read.is_ok() && start == SIGNATURE
}

/// Names the entry at which a walk below `root` failed.
pub(super) fn walk_error(root: &Path, error: walkdir::Error) -> WorkspaceError {
    let path = error.path().unwrap_or(root).to_owned();
    WorkspaceError::io("read", &path)(error.into())
}
