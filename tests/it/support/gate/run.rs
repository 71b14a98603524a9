//! A run of the binary, while it lasts and afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::runner_reader::{self, Reading};

/// The files that the runner reads when a step has ended.
pub(super) const FILES: [&str; 6] =
    ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_ARTIFACTS"];

/// Longer than anything here takes, so that a run that hangs fails.
const LONG: Duration = Duration::from_mins(1);

/// A run under way; killed when dropped.
pub(crate) struct Running {
    child: Child,
    started: Instant,
    files: PathBuf,
    home: PathBuf,
}

impl Running {
    pub(super) fn start(mut command: Command, files: PathBuf, home: &Path) -> Self {
        let out = File::create(files.join("stdout")).unwrap();
        let err = File::create(files.join("stderr")).unwrap();
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        Self { child, started: Instant::now(), files, home: home.to_owned() }
    }

    /// What it has printed so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.files.join("stdout")).unwrap()).into_owned()
    }

    /// Waits until something is so.
    pub(crate) fn until(&mut self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            assert!(start.elapsed() < LONG, "waited in vain until {what}:\n{}", self.stdout());
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || is(self), "it ended before {what}: {ended:?}\n{}", self.stdout());
            pause();
        }
    }

    /// Sends it a signal, and to nobody else.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Run {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(self.started.elapsed() < LONG, "it does not end:\n{}", self.stdout());
            pause();
        };
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap());
        Run::read(code, self.started.elapsed(), &self.files, &self.home)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A moment between two looks.
fn pause() {
    let (_sender, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(Duration::from_millis(3));
}

/// What a run did and said.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code; negative for a signal that ended the process itself.
    pub(crate) code: i32,
    /// How long it took.
    pub(crate) took: Duration,
    /// Standard output, as it came.
    pub(crate) stdout: String,
    /// Standard error, as it came.
    pub(crate) stderr: String,
    /// The report; null where there is none.
    pub(crate) report: Value,
    /// The targets' logs by their file's name.
    pub(crate) logs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    files: BTreeMap<&'static str, String>,
}

impl Run {
    fn read(code: i32, took: Duration, files: &Path, home: &Path) -> Self {
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let of_runner: BTreeMap<_, _> = FILES.map(|name| (name, text(&files.join(name)))).into();
        let outputs = outputs(&of_runner["GITHUB_OUTPUT"]);
        let logs_path = match outputs.get("logs-path") {
            Some(path) => Some(PathBuf::from(path)),
            None => newest(&home.join(".cache/p2p/runs")),
        };
        let mut logs = BTreeMap::new();
        for entry in logs_path.iter().flat_map(fs::read_dir).flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                logs.insert(entry.file_name().into_string().unwrap(), text(&entry.path()));
            }
        }
        let report = logs.remove("report.json");
        logs.remove("report.html");
        Self {
            code,
            took,
            stdout: text(&files.join("stdout")),
            stderr: text(&files.join("stderr")),
            report: report.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()),
            logs,
            outputs,
            files: of_runner,
        }
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn passed(&self) -> &Self {
        self.ended(0)
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// An output of the step; empty where there is none.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// An output that is JSON.
    #[track_caller]
    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.output(name)).unwrap()
    }

    /// The names of all outputs.
    pub(crate) fn outputs(&self) -> Vec<&str> {
        self.outputs.keys().map(String::as_str).collect()
    }

    /// How a step ended: `passed`, `skipped` …; empty where there is no such step.
    pub(crate) fn step(&self, name: &str) -> &str {
        let steps = self.report["steps"].as_array().map_or(&[][..], Vec::as_slice);
        steps.iter().find(|step| step["name"] == name).and_then(|step| step["status"].as_str()).unwrap_or("")
    }

    /// What the run left in one of the files that the runner reads.
    pub(crate) fn file(&self, name: &str) -> &str {
        &self.files[name]
    }

    /// The step summary.
    pub(crate) fn summary(&self) -> &str {
        self.file("GITHUB_STEP_SUMMARY")
    }

    /// What GitHub's runner makes of standard output.
    pub(crate) fn reading(&self) -> Reading {
        runner_reader::read(self.stdout.as_bytes())
    }

    /// All text that leaves the run, each with where it stands.
    pub(crate) fn texts(&self) -> Vec<(&str, String)> {
        let files = self.files.iter().map(|(name, text)| (*name, text.clone()));
        let logs = self.logs.iter().map(|(name, text)| (name.as_str(), text.clone()));
        files
            .chain(logs)
            .chain([
                ("stdout", self.stdout.clone()),
                ("stderr", self.stderr.clone()),
                ("report", self.report.to_string()),
            ])
            .collect()
    }
}

/// `GITHUB_OUTPUT` as the runner reads it (`FileCommandManager.cs` of actions/runner).
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        let (name, value) = match (equals, heredoc) {
            (equals, Some(at)) if equals.is_none_or(|equals| at < equals) => {
                let delimiter = &line[at + 2..];
                let value: Vec<_> = lines.by_ref().take_while(|line| *line != delimiter).collect();
                (&line[..at], value.join("\n"))
            }
            (Some(at), _) => (&line[..at], line[at + 1..].to_owned()),
            (None, _) => panic!("the runner would refuse the line {line:?}"),
        };
        outputs.insert(name.to_owned(), value);
    }
    outputs
}

/// The last of the directories below `parent` by name.
fn newest(parent: &Path) -> Option<PathBuf> {
    fs::read_dir(parent).ok()?.map(|entry| entry.unwrap().path()).max()
}
