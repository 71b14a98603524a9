use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::GitError;
use super::pinned::{GLOBAL, Pinned};
use super::trust::Trust;
use sys::process::{Captured, Spec, capture_any};
use sys::retry::{Policy, Retrying, Watcher};
use sys::world::Env;

/// Variables that make git use another repository than that of its directory, or print secrets.
const REMOVED: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CURL_VERBOSE",
];

/// The `git` program with its environment.
#[derive(Debug, Clone)]
pub struct Git {
    pub(super) env: Env,
    limit: Duration,
    pub(super) retrying: Retrying,
    /// The workspace of the job. Its checkouts are trusted even if they belong to another user.
    pub(super) workspace: Option<PathBuf>,
    /// Set if git refused a checkout of another user.
    pub(super) trust: Arc<OnceLock<Trust>>,
    /// The user's configuration, for calls with a token.
    pinned: Option<Arc<Pinned>>,
}

/// One call of git. `arguments` holds nothing secret.
#[derive(Clone)]
pub(super) struct Call<'a> {
    /// The command in messages.
    pub(super) shown: String,
    pub(super) directory: &'a Path,
    pub(super) arguments: Vec<OsString>,
    /// Configuration for this call only. The values may be secret, so they are passed in the environment.
    pub(super) configuration: Vec<(String, String)>,
    /// Further variables of the environment.
    pub(super) variables: Vec<(&'static str, OsString)>,
}

impl Git {
    /// The git on the `PATH` of `env`. The user's own configuration (proxy, certificate authorities, credential
    /// helpers) applies.
    pub fn new(env: &Env) -> Self {
        let mut env = env.clone();
        let traces =
            env.iter().filter_map(|(name, _)| name.to_str()).filter(|name| name.starts_with("GIT_TRACE"));
        let traces: Vec<String> = traces.map(str::to_owned).collect();
        for name in REMOVED.into_iter().chain(traces.iter().map(String::as_str)) {
            env.remove(name);
        }
        // p2p reads the messages and cannot answer questions.
        env.set("LC_ALL", "C");
        env.set("GIT_TERMINAL_PROMPT", "0");
        env.set("GIT_ASKPASS", "");
        env.set("GCM_INTERACTIVE", "never");
        // A reading git must not block a target by locking the index.
        env.set("GIT_OPTIONAL_LOCKS", "0");
        Self {
            env,
            limit: Duration::from_mins(2),
            retrying: Retrying::default(),
            workspace: None,
            trust: Arc::default(),
            pinned: None,
        }
    }

    pub(super) fn with_pinned(self, pinned: Pinned) -> Self {
        Self { pinned: Some(Arc::new(pinned)), ..self }
    }

    /// The variable with the path of the pinned configuration.
    pub(super) fn pin(&self) -> Option<(&'static str, OsString)> {
        self.pinned.as_ref().map(|pinned| (GLOBAL, pinned.file.clone().into()))
    }

    /// Repeats requests to a remote repository according to `policy`, and reports each retry to `watcher`.
    #[must_use]
    pub fn retrying(self, policy: Policy, watcher: Watcher) -> Self {
        Self { retrying: Retrying { policy, watcher }, ..self }
    }

    /// Trusts the checkouts in this workspace, even if they belong to another user.
    #[must_use]
    pub fn in_workspace(self, workspace: Option<&Path>) -> Self {
        Self { workspace: workspace.map(Path::to_owned), ..self }
    }

    /// Gets each retry.
    pub fn watcher(&self) -> &Watcher {
        &self.retrying.watcher
    }

    /// Sets the time limit of each command. The default is two minutes.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Runs git until it ends or exceeds its time limit.
    pub(super) async fn run(&self, call: Call<'_>) -> Result<Captured, GitError> {
        let mut env = self.env.clone();
        for (name, value) in configuration(&self.env, &call.configuration) {
            env.set(name, value);
        }
        for (name, value) in call.variables {
            env.set(name, value);
        }
        let spec = Spec { shown: Some(call.shown), ..Spec::new("git", call.arguments, call.directory, env) };
        Ok(capture_any(&spec, self.limit).await?)
    }
}

/// The variables `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_n` and `GIT_CONFIG_VALUE_n` (git-config(1)). Continues the
/// numbers that `env` already uses.
fn configuration(env: &Env, entries: &[(String, String)]) -> Vec<(String, String)> {
    let first: usize = env.get("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    let count = ("GIT_CONFIG_COUNT".to_owned(), (first + entries.len()).to_string());
    let pairs = entries.iter().zip(first..).flat_map(|((key, value), number)| {
        [
            (format!("GIT_CONFIG_KEY_{number}"), key.clone()),
            (format!("GIT_CONFIG_VALUE_{number}"), value.clone()),
        ]
    });
    std::iter::once(count).chain(pairs).collect()
}
