//! The embedded registry on a runtime of its own, for tests that have none.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::registry::{Account, Auth, Entry, Options, Server};
use ::registry::Store;
use ::workflow_commands::Secret;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A running registry; it stops when dropped.
pub(crate) struct Registry {
    server: Option<Server>,
    runtime: Option<Runtime>,
    root: TempDir,
}

impl Registry {
    /// One that is open to everybody, or only to this user with this password.
    pub(crate) fn start(login: Option<(&str, &str)>) -> Self {
        let account = |(user, password)| Account::of_all(user, Secret::new(password));
        Self::with(|options| options.auth = login.map(|login| Auth::Basic(vec![account(login)])))
    }

    /// One with other options.
    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let root = tempfile::tempdir().unwrap();
        let mut options = Options::at(root.path());
        change(&mut options);
        let server = runtime.block_on(Server::start(options)).unwrap();
        Self { server: Some(server), runtime: Some(runtime), root }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> String {
        self.server.as_ref().unwrap().address().to_string()
    }

    /// What the input `registry` is: the address and the path `acme`.
    pub(crate) fn path(&self) -> String {
        format!("{}/acme", self.address())
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        self.server.as_ref().unwrap().log()
    }

    /// The requests so far that change something.
    pub(crate) fn writes(&self) -> Vec<Entry> {
        let reads = ["GET", "HEAD"];
        self.requests().into_iter().filter(|entry| !reads.contains(&entry.method.as_str())).collect()
    }

    /// The digest of `<path>:<tag>` below `acme`.
    pub(crate) fn digest(&self, path: &str, tag: &str) -> Option<String> {
        tags(self.root.path()).get(&format!("acme/{path}:{tag}")).cloned()
    }
}

/// The digest of `<name>:<tag>` in the registry that keeps its images under `root`.
pub(crate) fn digest_in(root: &Path, name: &str, tag: &str) -> Option<String> {
    tags(root).get(&format!("{name}:{tag}")).cloned()
}

/// The digest of each `<name>:<tag>`.
fn tags(root: &Path) -> BTreeMap<String, String> {
    let store = Store::open(root).unwrap();
    let mut tags = BTreeMap::new();
    for repository in store.repositories().unwrap() {
        for tag in store.tags(&repository).unwrap().unwrap_or_default() {
            let digest = store.tagged(&repository, &tag).unwrap().unwrap();
            tags.insert(format!("{repository}:{}", tag.as_str()), digest.to_string());
        }
    }
    tags
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.server.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
