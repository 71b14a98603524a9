//! Private directories of p2p. Dropping their owner removes them, at once or in the background. The next run removes
//! those of runs that were killed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::FileError;
use crate::remove_tree;

/// How the names of private directories begin.
const PREFIX: &str = "p2p-run-";

/// A directory is locked a moment after it was created, so an empty one that is younger than this is kept.
const YOUNG: Duration = Duration::from_mins(1);

/// The directories that are being removed in the background. Clones share their state.
#[derive(Debug, Clone)]
pub struct Removals(Arc<watch::Sender<usize>>);

/// No removals.
impl Default for Removals {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Removals {
    /// Waits until all removals are done.
    pub async fn done(&self) {
        let mut count = self.0.subscribe();
        // `self` holds a sender, so this cannot fail.
        let _done = count.wait_for(|count| *count == 0).await;
    }

    /// Announces a removal. It counts until the returned value is dropped.
    pub fn begin(&self) -> Removing {
        self.0.send_modify(|count| *count += 1);
        Removing(self.clone())
    }

    /// Removes the private directories in `parent` that runs of this user left when they were killed: nobody
    /// holds their locks any more.
    pub fn sweep(&self, parent: &Path) {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
                && let Some(abandoned) = Directory::take_over(&entry.path())
            {
                drop(self.in_background(abandoned));
            }
        }
    }

    /// The same directory, removed in the background when it is dropped.
    pub fn in_background(&self, directory: Directory) -> Temporary {
        Temporary { directory: Some(directory), removals: self.clone() }
    }
}

/// An announced removal.
#[derive(Debug)]
pub struct Removing(Removals);

impl Drop for Removing {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// A directory that only its owner may enter (mode 0700, whatever the umask). Dropping it removes the directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Locked until the process ends in any way.
    _lock: File,
}

impl Directory {
    /// Creates one in `parent`.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn new(parent: &Path) -> Result<Self, FileError> {
        let private = Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(parent);
        let path = made.map_err(FileError::at("create a directory in", parent))?.keep();
        let lock = open(&path).and_then(|lock| lock.lock().map(|()| lock));
        match lock {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                // It is empty and unused.
                let _gone = fs::remove_dir(&path);
                Err(FileError::at("lock", &path)(error))
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory that a run of this user left behind; `None` if it is in use or may be in a moment.
    fn take_over(path: &Path) -> Option<Self> {
        let lock = open(path).ok()?;
        let data = lock.metadata().ok()?;
        if data.uid() != rustix::process::geteuid().as_raw() || lock.try_lock().is_err() {
            return None;
        }
        let young = data.modified().ok().and_then(|time| time.elapsed().ok()).is_none_or(|age| age < YOUNG);
        let empty = fs::read_dir(path).ok()?.next().is_none();
        (!(young && empty)).then(|| Self { path: path.to_owned(), _lock: lock })
    }

    fn remove(&self) {
        // The job's end or the system's cleanup removes what p2p cannot remove.
        let _gone = remove_tree(&self.path);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Opens a directory, but not through a link.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// A directory that is removed in the background when this value is dropped, because a large one takes seconds. The
/// files at its top, which may be tokens, are removed at once.
#[derive(Debug)]
pub struct Temporary {
    directory: Option<Directory>,
    removals: Removals,
}

impl Temporary {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new(""), Directory::path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
            // Directories stay for now.
            let _kept = fs::remove_file(entry.path());
        }
        let removing = self.removals.begin();
        let remove = move || {
            drop(directory);
            drop(removing);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::error::Help as _;

    fn modified(path: &Path, age: Duration) {
        open(path).unwrap().set_modified(std::time::SystemTime::now() - age).unwrap();
    }

    #[tokio::test]
    async fn the_files_go_at_once_and_the_rest_by_the_end() {
        let parent = tempfile::tempdir().unwrap();
        let removals = Removals::default();
        let temporary = removals.in_background(Directory::new(parent.path()).unwrap());
        let at = temporary.path().to_owned();
        fs::create_dir_all(at.join("below/deep")).unwrap();
        fs::write(at.join("token"), "secret").unwrap();
        let removing = removals.begin();
        drop(temporary);
        assert!(!at.join("token").exists());
        let waited = tokio::time::timeout(Duration::from_millis(50), removals.done()).await;
        assert!(waited.is_err(), "one is under way");
        drop(removing);
        removals.done().await;
        assert!(!at.exists());
    }

    #[test]
    fn without_a_runtime_it_is_removed_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let directory = Directory::new(parent.path()).unwrap();
        let at = directory.path().to_owned();
        drop(Removals::default().in_background(directory));
        assert!(!at.exists());
    }

    #[test]
    fn only_directories_that_nobody_holds_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        let held = Directory::new(parent.path()).unwrap();
        fs::write(held.path().join("token"), "secret").unwrap();
        for name in ["p2p-run-dead", "p2p-run-young", "p2p-run-old", "another"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("p2p-run-dead").join("token"), "secret").unwrap();
        std::os::unix::fs::symlink(at("another"), at("p2p-run-link")).unwrap();
        modified(&at("p2p-run-old"), Duration::from_mins(2));
        Removals::default().sweep(parent.path());
        let there = |name: &str| at(name).symlink_metadata().is_ok();
        assert!(held.path().join("token").exists());
        assert!(!there("p2p-run-dead") && !there("p2p-run-old"));
        assert!(there("p2p-run-young") && there("another") && there("p2p-run-link"));
    }

    #[test]
    fn an_error_names_the_directory_and_what_to_do() {
        let missing = tempfile::tempdir().unwrap().path().join("gone");
        let error = Directory::new(&missing).unwrap_err();
        let help = error.help().unwrap();
        assert!(
            help.starts_with(&format!(
                "create the directory {}, or name another directory: `TMPDIR`",
                missing.display()
            )),
            "{help}"
        );
    }
}
