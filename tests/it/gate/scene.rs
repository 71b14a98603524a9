//! A tenant's repository on GitHub, its registry, and gates that run there as workflows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::act::{Act, Run, product};
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};
use crate::support::git::Bare;
use crate::support::github::Github;
use crate::support::repository::Repository;

/// A repository whose `main` is at GitHub, one commit after `v1.2.3`, and a registry with a login.
pub(super) struct Scene {
    pub(super) repository: Repository,
    pub(super) bare: Bare,
    pub(super) github: Github,
    pub(super) registry: DockerRegistry,
    /// The commit at the tip of `main`.
    pub(super) head: String,
    /// Variables of the job besides those of GitHub.
    pub(super) variables: Vec<(&'static str, String)>,
    product: TempDir,
}

impl Scene {
    /// With these files on `main`.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let (repository, bare) = (Repository::new(), Bare::new());
        repository.commit("before");
        repository.git(&["push", "--quiet", text(bare.path()), "HEAD:refs/tags/v1.2.3"]);
        for (path, content) in files {
            repository.file(path, content);
        }
        let head = repository.commit("under test");
        repository.git(&["push", "--quiet", text(bare.path()), "main"]);
        let github = Github::start(bare.path());
        let registry = DockerRegistry::start_with_login();
        let product = product(Path::new(env!("CARGO_MANIFEST_DIR")));
        Self { repository, bare, github, registry, head, variables: Vec::new(), product }
    }

    /// A push of `main`, with these jobs.
    pub(super) fn push(&self, jobs: &[Job]) -> Ended {
        self.event("push", json!({"ref": "refs/heads/main"}), jobs)
    }

    /// An event, with these jobs.
    pub(super) fn event(&self, name: &str, payload: Value, jobs: &[Job]) -> Ended {
        let kept = tempfile::tempdir().unwrap();
        let mut workflow = format!("on: {name}\npermissions: {{ contents: write }}\njobs:\n");
        for job in jobs {
            workflow.push_str(&job.yaml(&format!("{}/shop", self.registry.host())));
        }
        let act = Act::new(self.repository.path());
        let act = self.variables.iter().fold(act, |act, (name, value)| act.env(name, value));
        let run = act
            .action(self.product.path())
            .env("GITHUB_SERVER_URL", &self.github.server_url)
            .env("GITHUB_API_URL", &self.github.api_url)
            .env("KEPT", text(kept.path()))
            .env("GITHUB_ARTIFACTS", text(&kept.path().join("subjects")))
            .secret("GITHUB_TOKEN", self.github.token)
            .secret("REGISTRY_PASSWORD", PASSWORD)
            .workflow(&workflow)
            .event(name, payload)
            .run();
        Ended { run, kept }
    }

    /// A reference in the registry.
    pub(super) fn at(&self, image: &str) -> String {
        format!("{}/{image}", self.registry.host())
    }
}

/// A job that checks out, runs the action as the step `p2p`, and keeps what came of it.
#[derive(Debug, Clone)]
#[must_use]
pub(super) struct Job {
    name: String,
    needs: Option<String>,
    path: String,
    with: BTreeMap<String, String>,
}

impl Job {
    /// A job with the inputs of a registry of any make.
    pub(super) fn new(name: &str) -> Self {
        Self::bare(name)
            .with("registry-username", USER)
            .with("registry-password", "${{ secrets.REGISTRY_PASSWORD }}")
            .with("tenant-name", "acme")
    }

    /// A job with no input but the binary.
    pub(super) fn bare(name: &str) -> Self {
        let job = Self { name: name.to_owned(), needs: None, path: String::new(), with: BTreeMap::new() };
        job.with("binary-path", env!("CARGO_BIN_EXE_p2p"))
    }

    /// With this input.
    pub(super) fn with(mut self, input: &str, value: &str) -> Self {
        self.with.insert(input.to_owned(), value.to_owned());
        self
    }

    /// After another job, whose outputs it may use.
    pub(super) fn needs(mut self, job: &str) -> Self {
        self.needs = Some(job.to_owned());
        self
    }

    /// In the directory of the job's name, with version tags and images of its own.
    pub(super) fn apart(mut self) -> Self {
        self.path = format!("/{}", self.name);
        let (directory, prefix) = (self.name.clone(), format!("{}-v", self.name));
        self.with("working-directory", &directory).with("version-prefix", &prefix)
    }

    fn yaml(&self, registry: &str) -> String {
        let mut yaml = format!("  {}:\n    runs-on: ubuntu-24.04\n", self.name);
        if let Some(job) = &self.needs {
            writeln!(yaml, "    needs: {job}").unwrap();
        }
        yaml.push_str("    outputs:\n");
        for output in ["version", "images", "environment", "environments", "matrix"] {
            writeln!(yaml, "      {output}: ${{{{ steps.p2p.outputs.{output} }}}}").unwrap();
        }
        yaml.push_str(
            "    steps:\n      \
             - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2\n      \
             - id: p2p\n        uses: coreeng/p2p-action@v1\n        with:\n",
        );
        if !self.with.contains_key("registry") {
            writeln!(yaml, "          registry: {registry}{}", self.path).unwrap();
        }
        for (input, value) in &self.with {
            writeln!(yaml, "          {input}: {}", json!(value)).unwrap();
        }
        yaml + KEEP
    }
}

/// Keeps outputs, logs, report and workspace for the test; with the job they would be gone.
const KEEP: &str = r#"      - if: always()
        env:
          OUTPUTS: ${{ toJSON(steps.p2p.outputs) }}
          LOGS: ${{ steps.p2p.outputs.logs-path }}
          REPORT: ${{ steps.p2p.outputs.report-path }}
        run: |
          mkdir -p "$KEPT/$GITHUB_JOB/logs"
          cd "$KEPT/$GITHUB_JOB"
          printf '%s' "$OUTPUTS" > outputs.json
          ls "$RUNNER_TEMP" > temporary
          if [ -n "$LOGS" ]; then cp -R "$LOGS/." logs/; fi
          if [ -n "$REPORT" ]; then cp "$REPORT" report.json; fi
          cp -R "$GITHUB_WORKSPACE" workspace
"#;

/// What came of a run.
pub(super) struct Ended {
    pub(super) run: Run,
    kept: TempDir,
}

/// The log of two targets at the same time, as if the first one had ended first and printed first.
fn in_order(lines: &[String]) -> Vec<String> {
    let of_target = |line: &&String| line.starts_with("functional | ") || line.starts_with("nft | ");
    let (mut printed, others): (Vec<_>, Vec<_>) = lines.iter().partition(of_target);
    printed.sort_by_key(|line| line.split_once(" | ").unwrap().0.to_owned());
    let results: Vec<_> = others.into_iter().filter(|line| !line.starts_with(['>', '<'])).collect();
    let second = results.iter().rposition(|line| line.starts_with(['✓', '✗'])).unwrap();
    let mut results = [&results[..second], &results[second..]];
    results.sort_by_key(|result| !result.iter().any(|line| line.contains("p2p-functional")));
    let results = results.concat().into_iter().cloned();
    let printed = printed.into_iter().cloned().chain(["<\n".to_owned()]);
    std::iter::once(lines[0].clone()).chain(printed).chain(results).collect()
}

impl Ended {
    /// An output of the action, as a later step gets it.
    pub(super) fn output(&self, job: &str, name: &str) -> String {
        self.outputs(job).remove(name).unwrap_or_else(|| panic!("{job} has no output {name}"))
    }

    /// All outputs of the action, as a later step gets them.
    pub(super) fn outputs(&self, job: &str) -> BTreeMap<String, String> {
        serde_json::from_str(&self.file(job, "outputs.json")).unwrap()
    }

    /// An output that is JSON.
    pub(super) fn json(&self, job: &str, name: &str) -> Value {
        let text = self.output(job, name);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text:?}"))
    }

    /// The steps and how they ended, `p2p-build passed` say.
    pub(super) fn steps(&self, job: &str) -> Vec<String> {
        let steps = self.json(job, "steps");
        let word = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
        let steps = steps.as_array().unwrap().iter();
        steps.map(|step| format!("{} {}", word(step, "name"), word(step, "status"))).collect()
    }

    /// A file that was kept of a job: `logs/…`, `report.json`, `workspace/…`.
    pub(super) fn file(&self, job: &str, path: &str) -> String {
        let path = self.path(job, path);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.run.log()))
    }

    /// The names of the files in a directory that was kept.
    pub(super) fn files(&self, job: &str, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(job, directory)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Where that file is.
    pub(super) fn path(&self, job: &str, path: &str) -> PathBuf {
        self.kept.path().join(job).join(path)
    }

    /// The step's log as GitHub shows it; of lines that were printed at the same time, those of
    /// functional come first.
    pub(super) fn log(&self, job: &str) -> String {
        let mut lines = Vec::new();
        for line in self.run.lines.iter().filter(|line| line.is_of(job, "p2p")) {
            let (mark, text) = match line.command.as_str() {
                "error" => ("Error: ", &line.arg),
                "warning" => ("Warning: ", &line.arg),
                "notice" => ("Notice: ", &line.arg),
                "group" => ("> ", &line.arg),
                "endgroup" => ("<", &line.arg),
                "" if line.printed => ("", &line.text),
                _ => continue,
            };
            lines.push(format!("{mark}{}\n", text.trim_end_matches(['\r', '\n'])));
        }
        let pair = lines.iter().position(|line| line.starts_with("> ") && line.contains(" and "));
        if let Some(pair) = pair {
            let reopened =
                lines[pair + 1..].iter().position(|line| line.starts_with("> p2p-")).unwrap() + pair + 1;
            let end = lines[reopened..].iter().position(|line| line == "<\n").unwrap() + reopened;
            let after =
                lines[end + 1..].iter().take_while(|line| !line.starts_with(['-', '>', 'r', '\n'])).count();
            let end = end + 1 + after;
            lines.splice(pair..end, in_order(&lines[pair..end]));
        }
        lines.concat()
    }

    /// The exit code of the action's step.
    pub(super) fn exit_code(&self, job: &str) -> i32 {
        let lines = self.run.lines.iter().filter(|line| line.is_of(job, "p2p"));
        let mut codes = lines.filter_map(|line| line.text.split_once("exit status ")?.1.trim().parse().ok());
        codes.next_back().unwrap_or(0)
    }

    /// The annotations of one level of a job.
    pub(super) fn annotations(&self, job: &str, level: &str) -> Vec<&str> {
        let lines = self.run.lines.iter().filter(|line| line.is_of(job, "p2p") && line.command == level);
        lines.map(|line| line.arg.as_str()).collect()
    }
}

/// Text in which everything that differs from run to run has a name.
pub(super) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(true);
    for (pattern, name) in [
        (r"sha256:[0-9a-f]{64}", "[digest]"),
        (r"\b[0-9a-f]{40}\b", "[commit]"),
        (r"\[`[0-9a-f]{12}`\]", "[`[commit]`]"),
        (r"\b\d{13}\b", "[when]"),
        (r":(active|done), s", ":[tag], s"),
        (r"(Critical path: .*\n\n)?\| step", "| step"),
        (r"127\.0\.0\.1:\d+", "[registry]"),
        (r"/[^ ]*/p2p-logs-[A-Za-z0-9]+", "[logs]"),
        (r"\b\d+(\.\d)? s\b", "[time]"),
        (r"\b\d+ B\b", "[bytes]"),
        (r"\(\d+ files, \d+ \w+(, cloned by the file system)?\)", "([size])"),
    ] {
        settings.add_filter(pattern, name);
    }
    settings
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
