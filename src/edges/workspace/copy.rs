//! A copy of a directory tree that make and git cannot distinguish from the original.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::error::WorkspaceError;
use super::links::{Move, is_git_file};
use super::tree::{Entry, Tree, read_tree};
use sys::remove_tree;
use sys::sync::Mutex;

/// The most threads for copying. They overlap their waiting for the disk.
const MOST_THREADS: usize = 4;

/// The options of a copy.
#[derive(Debug, Clone)]
pub struct WorkspaceCopyOptions {
    /// The most bytes to copy. Files that the file system clones do not count.
    pub limit_bytes: u64,
    /// The directory in `from` that is copied completely. Caches outside it (directories with a `CACHEDIR.TAG`) are
    /// linked instead of copied: they can be large, and programs expect that others write to a cache as well.
    pub whole: PathBuf,
    /// If set, the copying stops between two files with [`WorkspaceError::Stopped`].
    pub stop: Arc<AtomicBool>,
}

/// The result of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The number of regular files.
    pub files: u64,
    /// Their total size.
    pub bytes: u64,
    /// Whether the file system cloned all of them (reflinks), so that no bytes were copied.
    pub cloned: bool,
    /// The number of fifos, sockets and devices, which are not copied.
    pub skipped: u64,
}

/// Copies the tree `from` to `to`. `to` must not exist, but its parent must.
///
/// The copy contains everything (for caches see [`WorkspaceCopyOptions::whole`]), including ignored and untracked
/// files and `.git`. It keeps modes, modification times to the nanosecond (make compares them) and empty
/// directories. Hard links become separate files. Links are not followed. Paths in links and in `.git` files that
/// point into `from` point into the copy afterwards. The files belong to the current user.
///
/// # Errors
/// On an error, nothing is left behind. [`WorkspaceError::TooLarge`] and [`WorkspaceError::NoRoom`] come before the
/// disk is full.
pub fn copy_workspace(
    from: &Path,
    to: &Path,
    options: &WorkspaceCopyOptions,
) -> Result<Copied, WorkspaceError> {
    let root = from.canonicalize().map_err(WorkspaceError::io("read", from))?;
    let given = std::path::absolute(from).map_err(WorkspaceError::io("read", from))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(WorkspaceError::io("read", parent))?;
    let to = parent.join(to.file_name().unwrap_or_default());
    if to.starts_with(&root) {
        return Err(WorkspaceError::Inside { from: root, to });
    }
    let whole = options.whole.canonicalize().map_err(WorkspaceError::io("read", &options.whole))?;
    let tree = read_tree(&root, &whole)?;
    DirBuilder::new().mode(0o700).create(&to).map_err(WorkspaceError::io("create", &to))?;
    let job = Job {
        motion: Move { from: &[&root, &given], to: &to },
        root: &root,
        to: &to,
        options,
        clones: AtomicBool::new(can_clone(&root, &to, &tree.files)),
        copied: AtomicU64::new(0),
        all_cloned: AtomicBool::new(true),
    };
    let copied = job.run(&tree);
    if copied.is_err() {
        // The first error is the one to report.
        let _ = remove_tree(&to);
    }
    copied
}

/// Whether the file system can clone files from `root` to `to`. Tries it with the largest file.
fn can_clone(root: &Path, to: &Path, files: &[Entry]) -> bool {
    let Some(largest) = files.iter().max_by_key(|file| file.length) else { return true };
    let trial = to.join(".clone-trial");
    let cloned = reflink_copy::reflink(root.join(&largest.path), &trial).is_ok();
    cloned && fs::remove_file(trial).is_ok()
}

struct Job<'a> {
    motion: Move<'a>,
    root: &'a Path,
    to: &'a Path,
    options: &'a WorkspaceCopyOptions,
    /// Whether to try cloning.
    clones: AtomicBool,
    /// The bytes copied so far.
    copied: AtomicU64,
    all_cloned: AtomicBool,
}

impl Job<'_> {
    fn run(&self, tree: &Tree) -> Result<Copied, WorkspaceError> {
        if !self.clones.load(Relaxed) {
            self.check_room(tree.bytes)?;
        }
        for directory in tree.directories.iter().skip(1) {
            let path = self.to.join(&directory.path);
            DirBuilder::new().mode(0o700).create(&path).map_err(WorkspaceError::io("create", &path))?;
        }
        self.copy_files(&tree.files)?;
        for link in &tree.links {
            self.copy_link(link)?;
        }
        for cache in &tree.caches {
            let path = self.to.join(cache);
            symlink(self.root.join(cache), &path).map_err(WorkspaceError::io("create", &path))?;
        }
        // Directories come last, the deepest first: a new entry changes the time, and the mode may forbid one.
        for directory in tree.directories.iter().rev() {
            self.finish(directory)?;
        }
        Ok(Copied {
            files: tree.files.len() as u64,
            bytes: tree.bytes,
            cloned: self.all_cloned.load(Relaxed),
            skipped: tree.others,
        })
    }

    fn check_room(&self, bytes: u64) -> Result<(), WorkspaceError> {
        if bytes > self.options.limit_bytes {
            return Err(WorkspaceError::TooLarge { bytes, limit: self.options.limit_bytes });
        }
        let disk = rustix::fs::statvfs(self.to)
            .map_err(|error| WorkspaceError::io("ask for the room at", self.to)(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if bytes > free {
            return Err(WorkspaceError::NoRoom { bytes, free });
        }
        Ok(())
    }

    /// Copies the files with a few threads that share the list.
    fn copy_files(&self, files: &[Entry]) -> Result<(), WorkspaceError> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let over = AtomicBool::new(false);
        let work = || {
            while !over.load(Relaxed) {
                let Some(file) = files.get(next.fetch_add(1, Relaxed)) else { break };
                let result = if self.options.stop.load(Relaxed) {
                    Err(WorkspaceError::Stopped)
                } else {
                    self.copy_file(file)
                };
                if let Err(error) = result {
                    over.store(true, Relaxed);
                    failed.lock().get_or_insert(error);
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn copy_file(&self, file: &Entry) -> Result<(), WorkspaceError> {
        let (source, target) = (self.root.join(&file.path), self.to.join(&file.path));
        let rewritten = if is_git_file(&file.path) { self.git_file(&source, &file.path)? } else { None };
        if let Some(content) = rewritten {
            fs::write(&target, content).map_err(WorkspaceError::io("write", &target))?;
        } else if !(self.clones.load(Relaxed) && reflink_copy::reflink(&source, &target).is_ok()) {
            self.copy_bytes(file, &source, &target)?;
        }
        self.finish(file)
    }

    fn copy_bytes(&self, file: &Entry, source: &Path, target: &Path) -> Result<(), WorkspaceError> {
        if file.length > 0 {
            self.all_cloned.store(false, Relaxed);
        }
        let bytes = self.copied.fetch_add(file.length, Relaxed).saturating_add(file.length);
        if bytes > self.options.limit_bytes {
            return Err(WorkspaceError::TooLarge { bytes, limit: self.options.limit_bytes });
        }
        fs::copy(source, target).map(drop).map_err(WorkspaceError::io("copy", source))
    }

    fn git_file(&self, source: &Path, path: &Path) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let content = fs::read(source).map_err(WorkspaceError::io("read", source))?;
        Ok(self.motion.git_file(path, &content))
    }

    fn copy_link(&self, link: &Entry) -> Result<(), WorkspaceError> {
        let (source, path) = (self.root.join(&link.path), self.to.join(&link.path));
        let target = fs::read_link(&source).map_err(WorkspaceError::io("read", &source))?;
        let within = link.path.parent().unwrap_or(Path::new(""));
        let moved: Option<PathBuf> = self.motion.target(&target, within);
        symlink(moved.unwrap_or(target), &path).map_err(WorkspaceError::io("create", &path))?;
        link.modified.set(&path)
    }

    /// Sets the mode and time of a copied file or directory.
    fn finish(&self, entry: &Entry) -> Result<(), WorkspaceError> {
        let path =
            if entry.path.as_os_str().is_empty() { self.to.to_owned() } else { self.to.join(&entry.path) };
        fs::set_permissions(&path, Permissions::from_mode(entry.mode))
            .map_err(WorkspaceError::io("set the mode of", &path))?;
        entry.modified.set(&path)
    }
}
