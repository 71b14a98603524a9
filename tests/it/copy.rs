//! Promotion as a whole: `p2p copy`, `latest` and `verify` with the real binary, copies under
//! faults and kills, over TLS and proxies, records, memory.

mod commands;
mod faults;
mod gates;
mod graphs;
mod kill;
mod memory;
pub(crate) mod records;
mod resume;
mod tls;

use std::path::Path;
use std::process::{Command, Output};

use crate::support::registry::{Faults, Options, Server};
use ::oci::{Client, Digest, Manifest, Repository, TagOrDigest};

/// The binary with these arguments, in an environment of its own.
pub(crate) fn p2p(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_p2p"));
    command.env_clear().env("HOME", home).current_dir(home).args(arguments);
    command
}

/// Runs the binary away from the threads that serve it.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    run_with(arguments, &[]).await
}

/// The same with these variables.
async fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let variables: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let run = move || {
        let home = tempfile::tempdir().unwrap();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        p2p(home.path(), &words).envs(variables).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A registry with the referrers API, in this process.
struct Embedded {
    server: Server,
    _root: tempfile::TempDir,
}

impl Embedded {
    async fn start(faults: Option<Faults>) -> Self {
        Self::with(|options| Options { faults, ..options }).await
    }

    async fn with(change: impl FnOnce(Options) -> Options) -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = Server::start(change(Options::at(root.path()))).await.unwrap();
        Self { server, _root: root }
    }

    fn host(&self) -> String {
        self.server.address().to_string()
    }
}

/// Everything that hangs below a manifest is at `at`, with the right bytes.
async fn assert_complete(client: &Client, at: &Repository, digest: &Digest) {
    let mut left = vec![digest.clone()];
    while let Some(digest) = left.pop() {
        let manifest: Manifest = client.manifest(at, &TagOrDigest::Digest(digest)).await.unwrap();
        let contents = manifest.contents().unwrap();
        for blob in contents.blobs.into_iter().filter(|blob| blob.urls.is_empty()) {
            // Its digest is checked on the way.
            client.blob_bytes(at, &blob, u64::MAX).await.unwrap();
        }
        left.extend(contents.manifests.into_iter().map(|child| child.digest));
    }
}
