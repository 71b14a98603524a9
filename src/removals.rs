//! Directories that are removed in the background. A large one takes seconds: what a run came to is told
//! meanwhile.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::workspace::remove_tree;

/// What is being removed. Clones know the same.
#[derive(Debug, Clone)]
pub struct Removals(Arc<watch::Sender<usize>>);

/// Nothing.
impl Default for Removals {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Removals {
    /// Waits until nothing is being removed any more.
    pub async fn done(&self) {
        let mut count = self.0.subscribe();
        // We hold a sender ourselves, so it cannot fail.
        let _done = count.wait_for(|count| *count == 0).await;
    }

    /// Something that will remove a directory of its own is under way as long as this lives.
    pub fn begin(&self) -> Removing {
        self.0.send_modify(|count| *count += 1);
        Removing(self.clone())
    }

    /// A directory that is removed when it is dropped.
    pub fn directory(&self, directory: TempDir) -> Temporary {
        Temporary { directory: Some(directory), removals: self.clone() }
    }
}

/// A removal under way.
#[derive(Debug)]
pub struct Removing(Removals);

impl Drop for Removing {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// A directory that is removed in the background when this is dropped. The files right in it, tokens
/// among them, are gone at once.
#[derive(Debug)]
pub struct Temporary {
    directory: Option<TempDir>,
    removals: Removals,
}

impl Temporary {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
            // A directory stays, which is what we want.
            let _kept = fs::remove_file(entry.path());
        }
        let removing = self.removals.begin();
        let remove = move || {
            // The job's temporary directory goes with the job in any case.
            let _gone = remove_tree(directory.path());
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
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_files_go_at_once_and_the_rest_by_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_owned();
        fs::create_dir_all(at.join("below/deep")).unwrap();
        fs::write(at.join("token"), "secret").unwrap();
        let removals = Removals::default();
        let temporary = removals.directory(directory);
        assert_eq!(temporary.path(), at);
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
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_owned();
        drop(Removals::default().directory(directory));
        assert!(!at.exists());
    }
}
