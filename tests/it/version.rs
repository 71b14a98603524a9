//! Versions against a real remote: a bare git repository behind a loopback GitHub.

mod api;
mod bump;
mod checkout;
mod contract;
mod fire;
mod first;
mod moved;
mod no_git;
mod race;
mod remote;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::sys::error::{Failure, Help};
use ::sys::retry::{Policy, Retry, Watcher};
use ::sys::world::Env;
use ::workflow_commands::Secret;
use p2p::domain::version::{Commit, Kind, Prefix, VersionTag};
use p2p::edges::git::Git;
use p2p::edges::github::GitHub;
use p2p::gate::allocation::{self, Allocated, Listing, Remote, Subject};
use p2p::inputs::{Bump, ReleaseCommit};
use tokio::time::Instant;

use crate::support::github::{Github, REPOSITORY};

/// Six tries in no time.
const IMPATIENT: Policy = Policy {
    attempts: 6,
    base: Duration::from_millis(1),
    cap: Duration::from_millis(5),
    patience: Duration::from_secs(5),
};

/// As patient as the product, with waits for a server on loopback.
const PATIENT: Policy =
    Policy { base: Duration::from_millis(50), cap: Duration::from_secs(1), ..allocation::PATIENCE };

/// An environment with the `PATH` and no configuration of the machine's.
fn env() -> Env {
    let path = std::env::var_os("PATH").unwrap();
    [("PATH", path), ("GIT_CONFIG_GLOBAL", "/dev/null".into()), ("GIT_CONFIG_NOSYSTEM", "1".into())]
        .into_iter()
        .collect()
}

fn git() -> Git {
    Git::new(&env()).retrying(IMPATIENT, Watcher::default())
}

fn token(github: &Github) -> Secret {
    Secret::new(github.token)
}

/// The product's client for the loopback GitHub.
fn client(github: &Github) -> GitHub {
    let client = GitHub::new(&github.api_url, REPOSITORY, Some(token(github))).unwrap();
    client.retrying(IMPATIENT, Watcher::default())
}

/// A watcher, and what it was told.
fn watcher() -> (Watcher, Arc<Mutex<Vec<Retry>>>) {
    let message: Arc<Mutex<Vec<Retry>>> = Arc::default();
    let tell = Arc::clone(&message);
    (Watcher::new(move |again| tell.lock().unwrap().push(again)), message)
}

/// What the reader of an error sees, the port of the loopback server left out.
fn shown(error: impl Help) -> String {
    let text = Failure::from(error).to_string();
    let mut parts = text.split("127.0.0.1:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("127.0.0.1:PORT");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    shown
}

/// The loopback repository, as a run sees it.
fn remote(github: &Github, prefix: &Prefix, git: Git) -> Remote {
    Remote {
        git,
        github: client(github),
        url: github.git_url(),
        token: Some(token(github)),
        prefix: prefix.clone(),
        release_commit: ReleaseCommit::Own,
    }
}

/// These tags, as of now.
fn just_read(tags: Vec<VersionTag>) -> Listing {
    Listing { tags, at: Instant::now() }
}

/// What a run does: reads the tags, then settles its version.
async fn allocate(
    github: &Github,
    prefix: &str,
    commit: &str,
    kind: &Kind,
) -> Result<Allocated, allocation::AllocationError> {
    let prefix: Prefix = prefix.parse().unwrap();
    let commit: Commit = commit.parse().unwrap();
    let subject = Subject { prefix: &prefix, commit: &commit, kind, bump: Bump::Patch };
    let remote = remote(github, &prefix, git());
    let read = async || remote.tags().await;
    let tags = if kind.needs_tags() { read().await? } else { Vec::new() };
    allocation::allocate(subject, just_read(tags), read, &remote.github, &PATIENT).await
}
