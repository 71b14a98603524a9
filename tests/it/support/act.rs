//! Real workflow runs: act in host mode, without Docker and without the network.
//!
//! ```ignore
//! let run = Act::new(repository.path())
//!     .action(&checkout)                       // what `uses: coreeng/p2p-action@v1` resolves to
//!     .env("GITHUB_API_URL", &server.url())    // reaches every step
//!     .workflow(yaml)
//!     .event("push", json!({"ref": "refs/heads/main"}))
//!     .run();
//! run.passed();
//! assert_eq!(run.output("gate", "p2p", "version"), Some("1.2.4"));
//! ```
//!
//! How act 0.2.89 behaves, found by trying:
//!
//! - **No network** is needed as long as every `uses:` of another repository is mapped with
//!   [`Act::local_repository`]. It copies the mapped directory whole, so never map the root of
//!   this repository (with its `target`): [`product`] makes a lean copy.
//! - **`uses: actions/checkout@<version in `CHECKOUTS`>`** runs the stand-in beside this
//!   file (`checkout/action.yml`): a real `git fetch` out of the test's repository with
//!   `fetch-depth`, `ref`, `path`, `token` and `persist-credentials` as GitHub's has them. (act's
//!   own short cut copies the directory, untracked files included, and wants the network as soon
//!   as `ref` is given.) Without the step the workspace is empty.
//! - **`GITHUB_SHA`** is the repository's `HEAD` and cannot be set; for `pull_request_target` it is
//!   `pull_request.base.sha` of the event. **`GITHUB_REPOSITORY`** comes from the remote `origin`,
//!   which has to be on github.com.
//! - **`GITHUB_REF`** is the event's `ref` (`{"ref": "refs/tags/v1.2.3"}` is a tag push, whatever is
//!   checked out), else the checked-out branch, or a tag that points at a detached `HEAD`. For
//!   `pull_request` it is `refs/pull/<number>/merge`, from `number` at the top of the event, and
//!   `GITHUB_HEAD_REF`/`GITHUB_BASE_REF` come from `pull_request.head.ref` and `.base.ref`.
//!   `.env("GITHUB_REF", …)` wins over all of it. `GITHUB_EVENT_NAME` is the event's name and
//!   cannot be set.
//! - **`queue` of `concurrency`** is refused, so it is left out of what runs here.
//! - **`branches:` filters are ignored**, and so are `concurrency`, `permissions`, required
//!   inputs and `timeout-minutes` of jobs.
//! - **`workflow_dispatch` inputs** are `{"inputs": {…}}` in the event (`--input` is ignored then).
//! - **`.env`** reaches every step, and wins over `GITHUB_API_URL`, `GITHUB_SERVER_URL`,
//!   `GITHUB_RUN_ID` and most others; a step's own `env:` wins over it. `.secret("GITHUB_TOKEN", …)`
//!   is `github.token` too.
//! - **Composite actions**: act also sets `INPUT_<NAME>` of every input, with dashes kept
//!   (`INPUT_TENANT-NAME`), which GitHub does not. `GITHUB_ACTION_PATH` is a copy of the mapped directory.
//! - **The step's stdout and stderr are one terminal**, so lines end in CRLF there (trimmed
//!   here) and the order is kept. `PAGER` and `GIT_PAGER` are `cat`.
//! - **Files**: `GITHUB_OUTPUT`, `GITHUB_ENV` and `GITHUB_STEP_SUMMARY` are new for every step and
//!   are gone when act ends, as the workspace and `RUNNER_TEMP` are: look at files in a later step.
//!   Outputs and summaries are in the log ([`Run::output`], [`Run::summary`]). An output of a step in
//!   a composite action appears under that step and, if mapped, under the action's.
//! - **Reusable workflows**: `uses: ./…` in one is looked for in the caller's repository and not found, so name it in
//!   full. A job that calls a workflow which only calls others has no result, so that what needs it is
//!   skipped. Of a matrix the outputs of the last job count, empty ones too (on GitHub those that are not).
//!   Outputs of a skipped job are the text of their expressions, and so are defaults of inputs that are
//!   expressions. A job that failed ends the run after the jobs that run at the same time.
//! - **A failing step** logs `exit status N`; act itself ends with 1. A job skipped because of
//!   `needs` logs nothing: [`Run::job`] is `None`.
//! - **Cancelled steps** get SIGKILL at once: test signals without act.
//! - **The last lines of a step that fails** are lost when act is slow to read them, because act closes the step's
//!   terminal as soon as its shell exits with an error. The stand-in `act/bash` therefore exits only when its last
//!   line is in act's log; see [`Shells`].
//! - **Jobs that run at the same time** now and then crash act ("concurrent map writes"), so one runs after the other unless
//!   a test needs [`Act::jobs_at_once`].

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::tools::tool;

/// The versions of `actions/checkout` that workflows here may name; all run the stand-in.
const CHECKOUTS: [&str; 3] =
    ["11bd71901bbe5b1630ceea73d27597364c9af683", "08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5"];

/// One run of a workflow, being described.
#[must_use]
pub(crate) struct Act {
    repository: PathBuf,
    workflow: String,
    event: String,
    payload: Value,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    home: TempDir,
}

impl Act {
    /// A run on a git repository: its `HEAD` is the commit of the run.
    pub(crate) fn new(repository: &Path) -> Self {
        let act = Self {
            repository: repository.to_path_buf(),
            workflow: String::new(),
            event: "push".to_owned(),
            payload: Value::Object(serde_json::Map::new()),
            arguments: Vec::new(),
            variables: Vec::new(),
            home: tempfile::tempdir().unwrap(),
        };
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/checkout");
        CHECKOUTS
            .iter()
            .fold(act, |act, version| act.local_repository(&format!("actions/checkout@{version}"), &stand_in))
            .env("TEST_REPOSITORY", repository.to_str().unwrap())
            .env("PAGER", "cat")
            .env("GIT_PAGER", "cat")
            .env("NO_COLOR", "1")
    }

    /// What `uses: coreeng/p2p-action@v1` resolves to; reusable workflows of it as well.
    pub(crate) fn action(self, checkout: &Path) -> Self {
        self.local_repository("coreeng/p2p-action@v1", checkout)
    }

    /// What `uses: <owner>/<repository>@<ref>` resolves to.
    pub(crate) fn local_repository(self, name: &str, checkout: &Path) -> Self {
        self.flag("--local-repository", &format!("{name}={}", checkout.display()))
    }

    /// A variable in every step's environment.
    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        self.flag("--env", &format!("{name}={value}"))
    }

    /// A secret: `secrets.<name>`. Its value is masked in the log.
    pub(crate) fn secret(self, name: &str, value: &str) -> Self {
        self.flag("--secret", &format!("{name}={value}"))
    }

    /// A configuration variable: `vars.<name>`.
    pub(crate) fn var(self, name: &str, value: &str) -> Self {
        self.flag("--var", &format!("{name}={value}"))
    }

    /// Runs this many jobs at the same time.
    pub(crate) fn jobs_at_once(self, jobs: u8) -> Self {
        self.flag("--concurrent-jobs", &jobs.to_string())
    }

    /// A variable of act's own process (`PATH`, say), not of the workflow.
    pub(crate) fn process_env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// The workflow's text. It lies outside the repository, which stays as it is.
    pub(crate) fn workflow(mut self, yaml: &str) -> Self {
        self.workflow = known(yaml);
        self
    }

    /// The event that starts the workflow, and its payload.
    pub(crate) fn event(mut self, name: &str, payload: Value) -> Self {
        name.clone_into(&mut self.event);
        self.payload = payload;
        self
    }

    /// Runs it to the end (five minutes at most).
    pub(crate) fn run(self) -> Run {
        let (workflow, payload) =
            (self.home.path().join("workflow.yaml"), self.home.path().join("event.json"));
        std::fs::write(&workflow, &self.workflow).unwrap();
        std::fs::write(&payload, self.payload.to_string()).unwrap();
        let real_home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        let rust_home =
            |name, folder| std::env::var_os(name).unwrap_or_else(|| real_home.join(folder).into());
        let shells = Shells::new(self.home.path());
        let child = Command::new(tool("timeout"))
            .args(["--kill-after=10", "300"])
            .arg(tool("act"))
            .args([
                &self.event,
                "--json",
                "--no-cache-server",
                "--concurrent-jobs=1",
                "--no-skip-checkout",
                "-P",
                "ubuntu-24.04=-self-hosted",
            ])
            .arg("--workflows")
            .arg(&workflow)
            .arg("--eventpath")
            .arg(&payload)
            .args(&self.arguments)
            .current_dir(&self.repository)
            // act hands its own environment on to the steps: nothing of this machine may enter.
            .env_clear()
            .env("PATH", shells.path())
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("CARGO_HOME", rust_home("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", rust_home("RUSTUP_HOME", ".rustup"))
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (code, raw) = shells.follow(child);
        let lines = raw.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Run { code, lines, raw }
    }

    fn flag(mut self, flag: &str, value: &str) -> Self {
        self.arguments.push(flag.into());
        self.arguments.push(value.into());
        self
    }
}

/// The `bash` of the steps, and the directory in which a failing one waits until its last line was read.
struct Shells {
    programs: PathBuf,
    waiting: PathBuf,
}

impl Shells {
    /// The last line of a failing step, without the name of the pipe that its shell waits at.
    const LAST: &str = "the shell failed and waits at ";

    fn new(home: &Path) -> Self {
        let shells = Self { programs: home.join("shells"), waiting: home.join("waiting") };
        std::fs::create_dir(&shells.programs).unwrap();
        std::fs::create_dir(&shells.waiting).unwrap();
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/act/bash");
        std::os::unix::fs::symlink(stand_in, shells.programs.join("bash")).unwrap();
        shells
    }

    fn path(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap();
        std::env::join_paths(std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path)))
            .unwrap()
    }

    /// Reads what act prints until it ends, and lets each failing step exit once its last line is there. Returns
    /// act's exit code and both of its streams.
    fn follow(&self, mut act: Child) -> (i32, String) {
        let mut errors = act.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            errors.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut raw = String::new();
        for line in BufReader::new(act.stdout.take().unwrap()).split(b'\n') {
            let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
            let Some((before, after)) = line.split_once(Self::LAST) else {
                raw += &(line + "\n");
                continue;
            };
            let name: String = after.chars().take_while(char::is_ascii_digit).collect();
            std::fs::write(self.waiting.join(&name), "\n").unwrap();
            // The step's own last line may have had no end.
            if !before.ends_with(r#""msg":""#) {
                raw.extend([before, &after[name.len()..], "\n"]);
            }
        }
        raw += &String::from_utf8_lossy(&errors.join().unwrap());
        (act.wait().unwrap().code().unwrap_or(-1), raw)
    }
}

/// What a run did and said.
#[derive(Debug)]
pub(crate) struct Run {
    /// act's exit code: 0, or 1 when a job failed.
    pub(crate) code: i32,
    /// The log, line by line.
    pub(crate) lines: Vec<Line>,
    /// Everything act printed, as it came.
    pub(crate) raw: String,
}

/// A line of act's log: something a step printed, a command that took effect, or act's own words.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    /// The job's id in the workflow.
    #[serde(rename = "jobID")]
    pub(crate) job: String,
    /// The job's place among the workflows, such as `build-1/p2p-execute-command.yaml/p2p-build (gcp-dev)`: the
    /// job that calls the workflow, the workflow, the job's name.
    #[serde(rename = "job")]
    pub(crate) place: String,
    /// The step's id, preceded by those of the actions it stands in; its index where it has none.
    #[serde(rename = "stepID")]
    pub(crate) step: Vec<String>,
    /// Whether a step printed it.
    #[serde(rename = "raw_output")]
    pub(crate) printed: bool,
    /// The text.
    #[serde(rename = "msg")]
    pub(crate) text: String,
    /// `debug`, `info`, `warning` or `error`.
    pub(crate) level: String,
    /// The workflow command that took effect: `warning`, `add-mask`, `set-output`, `summary` …
    pub(crate) command: String,
    /// The command's message, or the output's value.
    pub(crate) arg: String,
    /// The output's name.
    pub(crate) name: String,
    /// The summary's text.
    pub(crate) content: String,
    /// The command's properties.
    #[serde(rename = "kvPairs")]
    pub(crate) properties: Value,
    /// `success` or `failure`, at the end of a step.
    #[serde(rename = "stepResult")]
    pub(crate) step_result: String,
    /// `success` or `failure`, at the end of a job.
    #[serde(rename = "jobResult")]
    pub(crate) job_result: String,
}

impl Run {
    /// Asserts that all jobs passed.
    pub(crate) fn passed(&self) -> &Self {
        assert_eq!(self.code, 0, "the workflow failed:\n{}", self.log());
        self
    }

    /// Asserts that a job failed.
    pub(crate) fn failed(&self) -> &Self {
        assert_eq!(self.code, 1, "the workflow did not fail (or act itself did):\n{}", self.log());
        self
    }

    /// How a job ended: `success` or `failure`; `None` when it did not run.
    pub(crate) fn job(&self, job: &str) -> Option<&str> {
        self.lines
            .iter()
            .find(|line| line.job == job && !line.job_result.is_empty())
            .map(|line| line.job_result.as_str())
    }

    /// What a step printed on both streams, masked as in the log. `step` is the id at the top
    /// level; the steps inside an action are included.
    pub(crate) fn printed(&self, job: &str, step: &str) -> String {
        let lines = self.lines.iter().filter(|line| line.printed && line.is_of(job, step));
        lines.flat_map(|line| [line.text.trim_end_matches(['\r', '\n']), "\n"]).collect()
    }

    /// An output of a step of a job, as later steps see it.
    pub(crate) fn output(&self, job: &str, step: &str, name: &str) -> Option<&str> {
        let outputs = self.lines.iter().filter(|line| line.command == "set-output" && line.job == job);
        outputs
            .filter(|line| line.step == [step] && line.name == name)
            .map(|line| line.arg.as_str())
            .next_back()
    }

    /// The workflow commands of one kind (`error`, `warning`, `add-mask` …) that took effect.
    pub(crate) fn commands(&self, command: &str) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.command == command).collect()
    }

    /// The step summary of a step.
    pub(crate) fn summary(&self, job: &str, step: &str) -> String {
        let summaries = self.lines.iter().filter(|line| line.command == "summary" && line.job == job);
        summaries.filter(|line| line.step == [step]).map(|line| line.content.as_str()).collect()
    }

    /// The whole log for a person: act's own words and what the steps printed, and at last what is no line of the
    /// log, such as a crash of act.
    pub(crate) fn log(&self) -> String {
        let lines = self.lines.iter().map(|line| line.text.trim_end_matches(['\r', '\n']));
        let rest = self.raw.lines().filter(|line| !line.starts_with('{'));
        lines.chain(rest).flat_map(|text| [text, "\n"]).collect()
    }
}

impl Line {
    pub(crate) fn is_of(&self, job: &str, step: &str) -> bool {
        self.job == job && self.step.first().is_some_and(|first| first == step)
    }
}

/// A checkout of the action as users get it (action.yml, `dist`, reusable workflows), without
/// sources and build results, from the root of a working copy of this repository.
pub(crate) fn product(root: &Path) -> TempDir {
    let checkout = tempfile::tempdir().unwrap();
    for part in ["action.yml", "dist", ".github/workflows"] {
        for entry in walkdir::WalkDir::new(root.join(part)).into_iter().filter_map(Result::ok) {
            let target = checkout.path().join(entry.path().strip_prefix(root).unwrap());
            if entry.file_type().is_file() {
                std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                std::fs::copy(entry.path(), &target).unwrap();
            }
            if entry.path().extension().is_some_and(|kind| kind == "yaml") {
                std::fs::write(&target, known(&std::fs::read_to_string(entry.path()).unwrap())).unwrap();
            }
        }
    }
    checkout
}

/// A workflow without the key `queue` of `concurrency`, which act takes for a mistake.
fn known(workflow: &str) -> String {
    let unknown = |line: &&str| line.trim_start().starts_with("queue: ");
    workflow.split_inclusive('\n').filter(|line| !unknown(line)).collect()
}
