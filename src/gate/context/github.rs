//! What GitHub says about a job: its variables and the payload of its event.

use std::path::PathBuf;

use serde_json::Value;

use crate::domain::version::Commit;
use crate::gate::plan::{Facts, Named};
use crate::inputs::History;
use sys::error::Failure;
use sys::world::Env;

/// The job, from `GITHUB_*` and `RUNNER_*`.
#[derive(Debug, Clone)]
pub(crate) struct GithubJob {
    /// `https://github.com`, or a GitHub Enterprise Server.
    pub server_url: String,
    /// `https://api.github.com`, or the API of a GitHub Enterprise Server.
    pub api_url: String,
    /// `owner/name`.
    pub repository: String,
    /// The checked-out repository.
    pub workspace: PathBuf,
    /// The runner's temporary directory, emptied at the end of the job.
    pub temp: PathBuf,
    /// The id of the run, and its attempt.
    pub run: [u64; 2],
    event: String,
    git_ref: String,
    sha: String,
    payload: Value,
}

impl GithubJob {
    /// Reads the job. The error names the variable that is missing.
    pub(crate) fn read(env: &Env) -> Result<Self, Failure> {
        let need = |name: &str| {
            env.get(name).map(str::to_owned).ok_or_else(|| {
                Failure::usage(
                    format!("the environment variable `{name}` is not set"),
                    "GitHub's runner sets it in every step; outside GitHub Actions unset `GITHUB_ACTIONS` to run \
                     locally",
                )
            })
        };
        let payload = match env.path("GITHUB_EVENT_PATH") {
            None => Value::Null,
            Some(path) => payload(&path)?,
        };
        Ok(Self {
            server_url: env.get("GITHUB_SERVER_URL").unwrap_or("https://github.com").to_owned(),
            api_url: env.get("GITHUB_API_URL").unwrap_or("https://api.github.com").to_owned(),
            repository: need("GITHUB_REPOSITORY")?,
            workspace: need("GITHUB_WORKSPACE")?.into(),
            temp: env.path("RUNNER_TEMP").unwrap_or_else(|| env.path("TMPDIR").unwrap_or("/tmp".into())),
            event: need("GITHUB_EVENT_NAME")?,
            git_ref: need("GITHUB_REF")?,
            sha: need("GITHUB_SHA")?,
            run: ["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"]
                .map(|name| env.get(name).and_then(|number| number.parse().ok()).unwrap_or_default()),
            payload,
        })
    }

    /// The commit or tag object of the event.
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }

    /// Whether the event's ref is `git_ref`.
    pub(super) fn is_on(&self, git_ref: &str) -> bool {
        self.git_ref == git_ref
    }

    /// Whether the event is about a pull request.
    pub(crate) fn is_pull_request(&self) -> bool {
        self.payload.get("pull_request").is_some_and(Value::is_object)
    }

    /// The number of the pull request that the event is about.
    pub(crate) fn pull_request(&self) -> Option<u64> {
        self.payload
            .pointer("/pull_request/number")
            .and_then(Value::as_u64)
            .filter(|_| self.event == "pull_request")
    }

    /// The newest commit of that pull request.
    pub(crate) fn head_of_pull_request(&self) -> Option<&str> {
        self.text("/pull_request/head/sha")
    }

    /// The commit before the first commit of the event: the base of a pull request or of a merge queue, or the tip
    /// of the branch before a push.
    pub(super) fn scan_base(&self) -> Option<String> {
        let bases = ["/pull_request/base/sha", "/merge_group/base_sha", "/before"];
        let base = bases.iter().find_map(|base| self.text(base))?;
        base.bytes().any(|digit| digit != b'0').then(|| base.to_owned())
    }

    /// Which commits a scan searches for secrets: on a schedule, all.
    pub(super) fn history(&self) -> History {
        if self.event == "schedule" { History::Full } else { History::Changes }
    }

    /// Where git reads and writes the repository.
    pub(crate) fn git_url(&self) -> String {
        format!("{}/{}", self.server_url, self.repository)
    }

    /// The facts that decide about tags and promotion. All commits are full ids. The caller still has to set
    /// `of_main` and `given`.
    pub(crate) fn facts(&self, event_sha: Commit, head: Commit, named: Option<Named>) -> Facts {
        Facts {
            event: self.event.clone(),
            git_ref: self.git_ref.clone(),
            event_sha,
            head,
            own_heads: self.own_heads(),
            lacks_secrets: self.lacks_secrets(),
            named,
            of_main: false,
            given: None,
            pull_request_head: self.text("/pull_request/head/sha").and_then(|sha| sha.parse().ok()),
            fork: self.is_fork(),
        }
    }

    /// Commits of this repository that the event names besides `GITHUB_SHA`: the base of a pull request, the head of
    /// a merge queue, and the heads of pull requests and runs from its own branches.
    fn own_heads(&self) -> Vec<Commit> {
        let own = |pointer: &str| self.text(pointer).is_some_and(|name| self.is_own(name));
        let mut heads = vec!["/pull_request/base/sha", "/merge_group/head_sha"];
        if own("/pull_request/head/repo/full_name") {
            heads.extend(["/pull_request/head/sha", "/pull_request/merge_commit_sha"]);
        }
        if own("/workflow_run/head_repository/full_name") {
            heads.push("/workflow_run/head_sha");
        }
        heads.into_iter().filter_map(|head| self.text(head)?.parse().ok()).collect()
    }

    /// Whether the pull request's head is in another repository, or in one that was deleted.
    fn is_fork(&self) -> bool {
        let head = self.text("/pull_request/head/repo/full_name");
        self.is_pull_request() && !head.is_some_and(|head| self.is_own(head))
    }

    /// Whether a repository is this one. GitHub compares their names without case.
    fn is_own(&self, repository: &str) -> bool {
        let own = self.text("/repository/full_name").unwrap_or(&self.repository);
        repository.eq_ignore_ascii_case(own)
    }

    /// Whether GitHub withholds the id token and the secrets from this job. `pull_request_target` runs for the base
    /// repository and gets both.
    pub(crate) fn lacks_secrets(&self) -> bool {
        self.is_fork() && self.event.starts_with("pull_request") && self.event != "pull_request_target"
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.payload.pointer(pointer).and_then(Value::as_str)
    }
}

fn payload(path: &PathBuf) -> Result<Value, Failure> {
    let broken = |why: String| {
        Failure::usage(
            format!("the event payload {} cannot be read: {why}", path.display()),
            "`GITHUB_EVENT_PATH` must name the JSON file that the runner wrote",
        )
    };
    let text = std::fs::read(path).map_err(|error| broken(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))
}
