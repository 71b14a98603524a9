//! The product's binary in a made-up job of GitHub Actions, or on a made-up laptop.
//!
//! ```ignore
//! let gate = Gate::new(MAKEFILE).tag("v1.2.3").commit("more").input("app-name", "shop");
//! let run = gate.run(&["fast-feedback"]);
//! assert_eq!(run.passed().output("version"), "1.2.4");
//! ```
//!
//! Nothing of the environment of the tests gets in but `PATH`.

mod registry;
mod run;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::git::{Bare, Checkout};
use super::github::{Github, REPOSITORY};
use super::terminal::Terminal;
pub(crate) use registry::{Registry, digest_in};
pub(crate) use run::{Run, Running};

/// A tenant's Makefile with every target of the gate: the build packs and pushes an image.
pub(crate) const MAKEFILE: &str = "\
P2P_TENANT_NAME ?= acme
P2P_APP_NAME ?= shop
.PHONY: p2p-build p2p-functional p2p-nft p2p-integration
p2p-build:
\t@mkdir -p .rootfs && echo '$(P2P_VERSION)' > .rootfs/version
\t@'$(P2P_BIN)' image push .rootfs '$(P2P_REGISTRY_FAST_FEEDBACK)/$(P2P_APP_NAME):$(P2P_VERSION)'
p2p-functional p2p-nft p2p-integration:
\t@echo '$@ of $(P2P_VERSION)'
";

/// A job, or a laptop, being described; it can be run more than once.
#[must_use]
pub(crate) struct Gate {
    /// The repository at GitHub.
    pub(crate) remote: Bare,
    /// GitHub itself.
    pub(crate) github: Github,
    /// The registry, given as the input `registry` with the path `acme`.
    pub(crate) registry: Registry,
    checkout: Checkout,
    home: TempDir,
    temporary: TempDir,
    files: TempDir,
    runs: Cell<usize>,
    on_github: bool,
    event: String,
    payload: Value,
    git_ref: String,
    sha: Option<String>,
    variables: BTreeMap<String, OsString>,
}

impl Gate {
    /// A push to `main` of one commit that holds this Makefile.
    pub(crate) fn new(makefile: &str) -> Self {
        let remote = Bare::new();
        let github = Github::start(remote.path());
        let registry = Registry::start(None);
        let gate = Self {
            github,
            registry,
            remote,
            checkout: Checkout::new(),
            home: tempfile::tempdir().unwrap(),
            temporary: tempfile::tempdir().unwrap(),
            files: tempfile::tempdir().unwrap(),
            runs: Cell::new(0),
            on_github: true,
            event: "push".to_owned(),
            payload: json!({"repository": {"full_name": REPOSITORY}}),
            git_ref: "refs/heads/main".to_owned(),
            sha: None,
            variables: BTreeMap::new(),
        };
        let (token, registry) = (gate.github.token, gate.registry.path());
        gate.input("github-token", token)
            .input("registry", &registry)
            .file("Makefile", makefile)
            .file(".gitignore", ".rootfs\n")
            .commit("first")
    }

    /// A laptop with a checkout of one commit that holds this Makefile.
    pub(crate) fn local(makefile: &str) -> Self {
        let gate = Self { on_github: false, ..Self::new(makefile) };
        gate.input("github-token", "").input("registry", "")
    }

    /// With a registry that wants this user and password.
    pub(crate) fn registry_login(mut self, user: &str, password: &str) -> Self {
        self.registry = Registry::start(Some((user, password)));
        let path = self.registry.path();
        self.input("registry", &path).input("registry-username", user).input("registry-password", password)
    }

    /// Writes a file of the checkout; committed only by [`Gate::commit`].
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.checkout.file(path, text);
        self
    }

    /// Commits everything and pushes it to `main`.
    pub(crate) fn commit(self, message: &str) -> Self {
        self.checkout.commit(message);
        self.push("refs/heads/main")
    }

    /// Commits everything and pushes it to this ref of the remote.
    pub(crate) fn commit_to(self, git_ref: &str) -> Self {
        self.checkout.commit("more");
        self.push(git_ref)
    }

    /// Pushes HEAD to this ref of the remote.
    pub(crate) fn push(self, git_ref: &str) -> Self {
        let remote = self.remote.path().to_str().unwrap().to_owned();
        self.git(&["push", "--quiet", "--force", &remote, &format!("HEAD:{git_ref}")]);
        self
    }

    /// Puts a lightweight tag on HEAD, at the remote.
    pub(crate) fn tag(self, name: &str) -> Self {
        self.push(&format!("refs/tags/{name}"))
    }

    /// Runs git in the checkout and returns what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.checkout.git(arguments)
    }

    /// The commit that is checked out.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// From here on the checkout is as deep as `actions/checkout` makes it: one commit, no tags.
    pub(crate) fn shallow(mut self) -> Self {
        self.checkout = self.remote.shallow();
        self
    }

    /// Another event than a push; `payload` is added to what every payload holds.
    pub(crate) fn event(mut self, name: &str, payload: Value) -> Self {
        name.clone_into(&mut self.event);
        if let (Value::Object(all), Value::Object(more)) = (&mut self.payload, payload) {
            all.extend(more);
        }
        self
    }

    /// A pull request from `full_name` whose head is `head`; the job is about a merge commit of it,
    /// which is checked out.
    pub(crate) fn pull_request(self, full_name: &str, head: &str) -> Self {
        let pull_request = json!({"number": 7, "head": {"sha": head, "repo": {"full_name": full_name}}});
        self.event("pull_request", json!({"pull_request": pull_request})).git_ref("refs/pull/7/merge")
    }

    /// `GITHUB_REF`.
    pub(crate) fn git_ref(mut self, git_ref: &str) -> Self {
        git_ref.clone_into(&mut self.git_ref);
        self
    }

    /// `GITHUB_SHA`, where it is not HEAD.
    pub(crate) fn sha(mut self, sha: &str) -> Self {
        self.sha = Some(sha.to_owned());
        self
    }

    /// An input; empty for none.
    pub(crate) fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase().replace('-', "_"));
        self.env(&name, value)
    }

    /// A variable of the process; empty text is a variable that is set and empty.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The checkout, without symbolic links.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.checkout.path()
    }

    /// The home directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// `RUNNER_TEMP`; on a laptop `TMPDIR`.
    pub(crate) fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Whether a file of this name is in the checkout: targets leave such to show that they ran.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.workspace().join(path).exists()
    }

    /// Runs `p2p` with these arguments to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.start(arguments).end()
    }

    /// Runs `p2p` with these arguments and further inputs to its end.
    pub(crate) fn run_with_inputs(&self, arguments: &[&str], inputs: &[(&str, &str)]) -> Run {
        let mut command = Command::new("/usr/bin/env");
        let name = |name: &str| name.to_uppercase().replace('-', "_");
        command.args(inputs.iter().map(|(input, value)| format!("INPUT_{}={value}", name(input))));
        self.start_by(
            {
                command.arg(env!("CARGO_BIN_EXE_p2p"));
                command
            },
            arguments,
        )
        .end()
    }

    /// Runs `p2p` with these arguments and this umask to its end.
    pub(crate) fn run_with_umask(&self, arguments: &[&str], umask: u32) -> Run {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("umask {umask:o}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_p2p")]);
        self.start_by(shell, arguments).end()
    }

    /// Starts `p2p` with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_by(Command::new(env!("CARGO_BIN_EXE_p2p")), arguments)
    }

    /// Runs `p2p` with these arguments on a terminal of this many columns and rows.
    pub(crate) fn on_terminal(&self, arguments: &[&str], size: (u16, u16)) -> Terminal {
        Terminal::start(self.described(Command::new(env!("CARGO_BIN_EXE_p2p")), arguments).0, size)
    }

    /// Starts a command that is `p2p`, or becomes it.
    fn start_by(&self, command: Command, arguments: &[&str]) -> Running {
        let (command, files) = self.described(command, arguments);
        Running::start(command, files, self.home.path())
    }

    /// A command in this job or on this laptop, and where the runner's files are.
    fn described(&self, mut command: Command, arguments: &[&str]) -> (Command, PathBuf) {
        self.runs.set(self.runs.get() + 1);
        let files = self.files.path().join(self.runs.get().to_string());
        std::fs::create_dir(&files).unwrap();
        command
            .args(arguments)
            .current_dir(self.workspace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("TMPDIR", self.temporary.path())
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .stdin(Stdio::null());
        if self.on_github {
            self.job(&mut command, &files);
        }
        command.envs(&self.variables);
        (command, files)
    }

    /// What the runner sets for a step.
    fn job(&self, command: &mut Command, files: &Path) {
        let event = files.join("event.json");
        std::fs::write(&event, self.payload.to_string()).unwrap();
        command
            .envs([("GITHUB_ACTIONS", "true"), ("CI", "true"), ("GITHUB_REPOSITORY", REPOSITORY)])
            .envs([("GITHUB_RUN_ID", "41"), ("GITHUB_RUN_ATTEMPT", "1"), ("RUNNER_OS", "Linux")])
            .envs([("GITHUB_EVENT_NAME", &self.event), ("GITHUB_REF", &self.git_ref)])
            .env("GITHUB_SHA", self.sha.clone().unwrap_or_else(|| self.head()))
            .env("GITHUB_EVENT_PATH", event)
            .env("GITHUB_WORKSPACE", self.workspace())
            .envs([("GITHUB_SERVER_URL", &self.github.server_url), ("GITHUB_API_URL", &self.github.api_url)])
            .env("RUNNER_TEMP", self.temporary.path());
        for name in run::FILES {
            let file = files.join(name);
            std::fs::write(&file, "").unwrap();
            command.env(name, file);
        }
    }
}
