//! Copies files from the copy back to the workspace, without losing changes in the workspace.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::error::WorkspaceError;
use super::globs::ArtifactGlobs;
use super::links::Move;
use super::tree::Modified;

/// The files that the globs match, at the time of the copy.
#[derive(Debug, Clone, Default)]
pub struct Snapshot(BTreeMap<PathBuf, Stamp>);

/// Facts about a file. If one differs, the file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Modified,
    /// The change time in seconds and nanoseconds. It changes with each write and cannot be set back.
    changed: (i64, i64),
    inode: u64,
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// The files that were written to the workspace, relative to it.
    pub files: Vec<PathBuf>,
    /// The files that both sides have changed.
    pub conflicts: Vec<Conflict>,
}

/// A file that both sides have changed. The one in the workspace stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its path, relative to the workspace.
    pub path: PathBuf,
    /// The new place of the other file.
    pub other: PathBuf,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: Modified::of(metadata),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// Whether the copy of a file is unchanged, with the same time and length. The length of a link may differ,
    /// because its target may have been rewritten.
    fn untouched(&self, copy: &Metadata) -> bool {
        self.modified == Modified::of(copy) && (copy.is_symlink() || self.length == copy.len())
    }
}

impl Snapshot {
    /// Records the state of the files in `directory`. Call it right before copying.
    ///
    /// # Errors
    /// If a directory or file cannot be read.
    pub fn take(globs: &ArtifactGlobs, directory: &Path) -> Result<Self, WorkspaceError> {
        let mut stamps = BTreeMap::new();
        for path in globs.find(directory)? {
            let full = directory.join(&path);
            let metadata = fs::symlink_metadata(&full).map_err(WorkspaceError::io("read", &full))?;
            stamps.insert(path, Stamp::of(&metadata));
        }
        Ok(Self(stamps))
    }
}

/// Copies the matching files from `copy` to `into`, if they are new or have changed since `snapshot`. If `into` has
/// changed the same file too, its own stays, and the other one goes below `side`, with the same relative path. Files
/// that were deleted in the copy stay. Nothing is written through a link.
///
/// If a file cannot be read or written. Files that were copied before stay.
pub fn bring_back(
    globs: &ArtifactGlobs,
    copy: &Path,
    into: &Path,
    snapshot: &Snapshot,
    side: &Path,
) -> Result<Brought, WorkspaceError> {
    if globs.is_empty() {
        return Ok(Brought::default());
    }
    let root = copy.canonicalize().map_err(WorkspaceError::io("read", copy))?;
    let way = Way { copy, into, motion: Move { from: &[&root, copy], to: into } };
    let mut brought = Brought::default();
    for path in globs.find(copy)? {
        match way.decide(&path, snapshot.0.get(&path))? {
            Decision::Leave => {}
            Decision::Bring => {
                way.place(&path, &into.join(&path))?;
                brought.files.push(path);
            }
            Decision::Aside => {
                let other = side.join(&path);
                way.place(&path, &other)?;
                brought.conflicts.push(Conflict { path, other });
            }
        }
    }
    Ok(brought)
}

enum Decision {
    Leave,
    Bring,
    Aside,
}

/// The copying in progress.
struct Way<'a> {
    copy: &'a Path,
    into: &'a Path,
    motion: Move<'a>,
}

impl Way<'_> {
    fn decide(&self, path: &Path, then: Option<&Stamp>) -> Result<Decision, WorkspaceError> {
        let (theirs, ours) = (self.copy.join(path), self.into.join(path));
        let metadata = fs::symlink_metadata(&theirs).map_err(WorkspaceError::io("read", &theirs))?;
        if then.is_some_and(|then| then.untouched(&metadata)) {
            return Ok(Decision::Leave);
        }
        if !reachable(path, self.into) {
            return Ok(Decision::Aside);
        }
        let now = match fs::symlink_metadata(&ours) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Decision::Bring),
            Err(error) => return Err(WorkspaceError::io("read", &ours)(error)),
        };
        let same = if metadata.is_symlink() && now.is_symlink() {
            fs::read_link(&ours).map_err(WorkspaceError::io("read", &ours))? == self.target(path)?
        } else {
            metadata.is_file()
                && now.is_file()
                && metadata.len() == now.len()
                && same_bytes(&theirs, &ours).map_err(WorkspaceError::io("compare", &theirs))?
        };
        Ok(if same {
            Decision::Leave
        } else if then == Some(&Stamp::of(&now)) {
            Decision::Bring
        } else {
            Decision::Aside
        })
    }

    /// The target of the link `path` of the copy, as seen from the workspace.
    fn target(&self, path: &Path) -> Result<PathBuf, WorkspaceError> {
        let link = self.copy.join(path);
        let target = fs::read_link(&link).map_err(WorkspaceError::io("read", &link))?;
        Ok(self.motion.target(&target, path.parent().unwrap_or(Path::new(""))).unwrap_or(target))
    }

    /// Puts the file or link `path` of the copy at `target`. It is written beside it first and then moved, so that
    /// no reader sees half a file.
    fn place(&self, path: &Path, target: &Path) -> Result<(), WorkspaceError> {
        let source = self.copy.join(path);
        let metadata = fs::symlink_metadata(&source).map_err(WorkspaceError::io("read", &source))?;
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(WorkspaceError::io("create", parent))?;
        let beside = tempfile::Builder::new()
            .prefix(".p2p-")
            .tempdir_in(parent)
            .map_err(WorkspaceError::io("create a directory in", parent))?;
        let new = beside.path().join("new");
        if metadata.is_symlink() {
            symlink(self.target(path)?, &new).map_err(WorkspaceError::io("create", target))?;
        } else {
            fs::copy(&source, &new).map_err(WorkspaceError::io("copy", &source))?;
        }
        Modified::of(&metadata).set(&new)?;
        fs::rename(&new, target).map_err(WorkspaceError::io("write", target))
    }
}

/// Whether every directory above `path` is a directory or does not exist yet, and is neither a link nor a file.
fn reachable(path: &Path, into: &Path) -> bool {
    path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).all(|above| {
        match fs::symlink_metadata(into.join(above)) {
            Ok(metadata) => metadata.is_dir(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    })
}

/// Whether two files have the same content.
fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&mut one).take(1 << 16).read_to_end(&mut left)?;
        (&mut other).take(1 << 16).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}
