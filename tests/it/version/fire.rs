//! Many processes at once, against a server in trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use p2p::domain::version::Version;
use tempfile::TempDir;

use crate::support::git::{Bare, git};
use crate::support::github::{Fault, Github, REPOSITORY};

const RUNS: usize = 64;

/// Checkouts of commits, and jobs in them.
struct Jobs {
    directory: TempDir,
    bare: Bare,
    github: Github,
}

/// A `p2p version` that has ended.
struct Ended {
    outputs: BTreeMap<String, String>,
}

impl Jobs {
    fn new() -> Self {
        let bare = Bare::new();
        let github = Github::start(bare.path());
        let directory = tempfile::tempdir().unwrap();
        Self { directory, bare, github }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Commits on `main`, each checked out in a directory of its own.
    fn commits(&self, count: usize) -> Vec<String> {
        let commits: Vec<String> = (0..count).map(|number| self.bare.commit(&number.to_string())).collect();
        let (source, clone) = (self.bare.path().to_str().unwrap(), self.path("clone"));
        git(self.directory.path(), &["clone", "--quiet", "--no-tags", "--shared", source, "clone"]);
        for commit in &commits {
            let tree = self.path(commit);
            git(
                &clone,
                &["worktree", "add", "--quiet", "--detach", "--no-checkout", tree.to_str().unwrap(), commit],
            );
        }
        commits
    }

    /// Runs `p2p version` on each of these commits, all at the same time.
    async fn at_once(&self, commits: &[String]) -> Vec<Ended> {
        let runs = commits.iter().enumerate().map(|(number, commit)| self.run(number, commit));
        futures_util::future::join_all(runs).await
    }

    async fn run(&self, number: usize, commit: &str) -> Ended {
        let temporary = self.path(&format!("run-{number}"));
        std::fs::create_dir_all(&temporary).unwrap();
        let output = temporary.join("output");
        std::fs::write(&output, "").unwrap();
        let process = tokio::process::Command::from(self.command(commit, &temporary)).output();
        let ended = tokio::time::timeout(Duration::from_mins(8), process).await.unwrap().unwrap();
        let printed = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{}\n{printed}", ended.status);
        let outputs = std::fs::read_to_string(output).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ended { outputs: outputs.lines().filter_map(pair).collect() }
    }

    fn command(&self, commit: &str, temporary: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_p2p"));
        command
            .arg("version")
            .current_dir(self.path(commit))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GITHUB_ACTIONS", "true"),
            ])
            .envs([
                ("GITHUB_REPOSITORY", REPOSITORY),
                ("GITHUB_REF", "refs/heads/main"),
                ("GITHUB_SHA", commit),
            ])
            .envs([("GITHUB_EVENT_NAME", "push"), ("INPUT_GITHUB_TOKEN", self.github.token)])
            .envs([("GITHUB_SERVER_URL", &self.github.server_url), ("GITHUB_API_URL", &self.github.api_url)])
            .env("GITHUB_WORKSPACE", self.path(commit))
            .env("RUNNER_TEMP", temporary)
            .env("HOME", temporary)
            .env("GITHUB_OUTPUT", temporary.join("output"))
            .stdin(Stdio::null());
        command
    }

    /// Of the creations some fail: before they took effect, after it, by hanging up, by a rate limit.
    fn trouble(&self) {
        let (mut count, mut failed) = (0, BTreeMap::<_, u32>::new());
        self.github.fault(move |seen| {
            // Nobody meets more than three in a row: a request is tried six times.
            if !seen.creates_ref() || failed.get(&seen.body).is_some_and(|failed| *failed >= 3) {
                return None;
            }
            count += 1;
            let secondary =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            if [2, 7, 12, 17].contains(&(count % 20)) {
                *failed.entry(seen.body.clone()).or_default() += 1;
            }
            match count % 20 {
                2 => Some(Fault::error(500, "Server Error")),
                7 => Some(Fault::error(500, "Server Error").after_effect()),
                12 => Some(Fault::hang_up().after_effect()),
                17 => Some(Fault::error(403, secondary).header("retry-after", "1")),
                _ => None,
            }
        });
    }
}

#[tokio::test]
async fn many_processes_on_many_commits_get_consecutive_versions() {
    let jobs = Jobs::new();
    let commits = jobs.commits(RUNS);
    jobs.trouble();
    let ended = jobs.at_once(&commits).await;

    let versions: BTreeSet<Version> =
        ended.iter().map(|run| run.outputs["version"].parse().unwrap()).collect();
    assert_eq!(versions, (1..=RUNS as u64).map(|patch| Version::new(0, 0, patch)).collect());
    let tags = jobs.bare.tags();
    assert_eq!(tags.len(), RUNS);
    for (run, commit) in ended.iter().zip(&commits) {
        assert_eq!(&tags[&run.outputs["version-tag"]], commit);
        assert_eq!(run.outputs["tag-created"], "true");
    }

    // Again, on some of them: what they had.
    jobs.github.fault(|_| None);
    let posts = jobs.github.requests().iter().filter(|seen| seen.creates_ref()).count();
    for (run, again) in ended.iter().zip(jobs.at_once(&commits[..8]).await) {
        for name in ["version", "previous-version", "version-tag"] {
            assert_eq!(again.outputs[name], run.outputs[name]);
        }
        assert_eq!(again.outputs["tag-created"], "false");
    }
    assert_eq!(jobs.github.requests().iter().filter(|seen| seen.creates_ref()).count(), posts);
}

#[tokio::test]
async fn many_processes_on_one_commit_get_one_version() {
    let jobs = Jobs::new();
    let commit = jobs.commits(1).remove(0);
    jobs.trouble();
    let ended = jobs.at_once(&vec![commit.clone(); RUNS]).await;
    assert!(ended.iter().all(|run| run.outputs["version"] == "0.0.1"));
    assert_eq!(jobs.bare.tags(), [("v0.0.1".to_owned(), commit)].into());
}
