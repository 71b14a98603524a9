//! Runs one make target, with its private files, its environment and its output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::colours::hint_colours;
use super::copied::Copied;
use super::heartbeat::while_running;
use super::log_file::LogFile;
use super::private::Private;
use super::run_context::inside;
use super::{Execution, Progress, STOPPED};
use crate::domain::cause::Cause;
use crate::domain::environment::{BUILD, Stage, runtime};
use crate::domain::results::TestResults;
use crate::gate::outcome::{Event, Status, StepResult};
use crate::gate::plan::{BUILDER, Job, Place, Step, Target};
use crate::report::Reporter;
use sys::error::{Failure, FileError};
use sys::process::{Ended, How, RunOptions, Spec, run_group};
use sys::sync::Mutex;
use tokio::time::Instant;
use workflow_commands::{Findings, Options, Stream, neutralize, stripped};

/// Whether a target runs at the same time as another one and shares its group of the log.
#[derive(Clone, Copy)]
pub(super) enum Beside<'a> {
    /// It runs alone, in the workspace.
    Nothing,
    /// It runs in the workspace.
    InPlace,
    /// It runs in the copy of the workspace.
    InCopy(&'a Copied),
}

impl<'a> Beside<'a> {
    fn copy(self) -> Option<&'a Copied> {
        match self {
            Self::Nothing | Self::InPlace => None,
            Self::InCopy(copy) => Some(copy),
        }
    }
}

/// The result of a target before it is reported.
pub(super) struct Ran {
    ended: Ended,
    limit: Option<Duration>,
    findings: Findings,
    log: PathBuf,
    summary: Option<String>,
    /// The root of the copy that it ran in, and the root of the workspace.
    moved: Option<(PathBuf, PathBuf)>,
    repeat: String,
    /// Whether it requested GitHub's build cache without having the token for it.
    dead_cache: bool,
    pub(super) directory: PathBuf,
    /// Why it failed, masked.
    pub(super) cause: Option<Cause>,
    /// The results of its tests, masked.
    pub(super) tests: Option<TestResults>,
    /// The diagnostics of its namespace if it failed there, masked.
    pub(super) cluster: Vec<String>,
}

impl Ran {
    /// Whether it failed by itself or exceeded its time limit.
    pub(super) fn failed(&self) -> bool {
        !matches!(self.ended.how, How::Exited(0) | How::Interrupted(_))
    }

    /// The log of a target that failed by itself. A target that exceeded its limit may have printed errors that it
    /// recovered from.
    pub(super) fn log_of_failure(&self) -> Option<&Path> {
        (self.failed() && self.ended.how != How::TimedOut).then_some(&self.log)
    }

    /// The last lines that it printed, masked.
    pub(super) fn tail(&self) -> &[String] {
        &self.findings.tail
    }

    /// The root of the workspace or of the copy that it ran in.
    pub(super) fn workspace<'a>(&'a self, own: &'a Path) -> &'a Path {
        self.moved.as_ref().map_or(own, |(copy, _)| copy)
    }
}

/// The text in a recipe that requests GitHub's build cache. make prints recipes as it runs them.
const GITHUB_CACHE: &[u8] = b"type=gha";

/// The variable that names the builder of `docker buildx`.
const BUILDX_BUILDER: &str = "BUILDX_BUILDER";

/// The longest summary that is read from a target, in bytes. It is GitHub's limit for a step.
const SUMMARY: u64 = 1 << 20;

/// Passes the output of a target to the listeners and to its log.
struct Printer {
    stream: Stream,
    reporter: Reporter,
    log: LogFile,
    /// The empty buffer that the log file returned.
    spare: Vec<u8>,
    /// Whether the output contains [`GITHUB_CACHE`]. `None` if it does not matter.
    cache: Option<bool>,
    /// When the target last printed something.
    printed: Instant,
    step: String,
    /// The last line that it printed or drew.
    last: String,
}

/// The longest last line that is kept, in bytes.
const LAST: usize = 300;

impl Printer {
    fn take(&mut self, bytes: Option<&[u8]>) {
        self.printed = Instant::now();
        let printed = match bytes {
            Some(bytes) => self.stream.push(bytes),
            None => self.stream.finish(),
        };
        for secret in &printed.masks {
            self.reporter.emit(&Event::Mask(secret));
        }
        if !printed.console.is_empty() {
            self.reporter.emit(&Event::Printed(printed.console));
        }
        if let Some(drawing) = printed.drawing {
            self.reporter.emit(&Event::Drawing { step: &self.step, text: drawing });
        }
        if let Some(last) = printed.drawing.or_else(|| last_line(printed.log)) {
            self.last = String::from_utf8_lossy(&last[..last.len().min(LAST)]).into_owned();
        }
        if self.cache == Some(false) {
            self.cache = Some(memchr::memmem::find(printed.log, GITHUB_CACHE).is_some());
        }
        let log = self.stream.take_log(std::mem::take(&mut self.spare));
        self.spare = self.log.write(log);
    }
}

/// The last non-empty line of a text of whole lines.
fn last_line(lines: &[u8]) -> Option<&[u8]> {
    let lines = lines.strip_suffix(b"\n")?;
    let line = memchr::memrchr(b'\n', lines).map_or(lines, |end| &lines[end + 1..]);
    (!line.trim_ascii().is_empty()).then_some(line)
}

impl Execution<'_> {
    /// The directory that make runs in.
    pub(super) fn directory(&self, beside: Beside<'_>) -> PathBuf {
        let paths = &self.run_context.paths;
        inside(beside.copy().map_or(&paths.workspace, |copy| copy.root()), paths)
    }

    /// Runs a target and returns its result, or `None` if a signal prevented it from starting.
    pub(super) async fn target(
        &self,
        step: &Step,
        target: &Target,
        beside: Beside<'_>,
    ) -> Result<Option<Ran>, Failure> {
        let run_context = self.run_context;
        let prefix = (!matches!(beside, Beside::Nothing)).then(|| prefix(&step.name));
        let copy = beside.copy();
        let promotes = matches!(step.job, Job::Promote(_));
        let workspace = copy.map_or(&run_context.paths.workspace, Copied::root);
        let directory = self.directory(beside);
        let mut stopped = self.stop.clone();
        // It may need new tokens.
        let private = tokio::select! {
            private = Private::make(self, target, promotes) => private?,
            _ = stopped.wait() => return Ok(None),
        };
        let log = run_context.log_of(&target.target);
        let printer = Arc::new(Mutex::new(self.printer((step, target), &log, prefix)?));
        let mut spec = self.spec(target, &private, &directory, workspace);
        // On GitHub, recipes keep the behaviour that they always had there.
        if run_context.colours && run_context.place == Place::Local {
            hint_colours(&mut spec.env);
        }
        let options = RunOptions {
            time_limit: target.time_limit,
            mark: Some(private.path().to_owned()),
            ..RunOptions::default()
        };
        let sink = Arc::clone(&printer);
        let running = run_group(&spec, options, self.stop.clone(), move |bytes| {
            sink.lock().take(Some(bytes));
        });
        let silent = || printer.lock().printed.elapsed();
        let alive = |running, silent| {
            let last = printer.lock().last.clone();
            self.reporter.emit(&Event::Alive { step: &step.name, running, silent, last: &last });
        };
        let ended = while_running(running, silent, alive).await?;
        let mut printer = printer.lock();
        printer.take(None);
        printer.log.finish();
        let summary = private.summary(SUMMARY).map(|text| self.masker.mask(&stripped(&text)).into_owned());
        Ok(Some(Ran {
            ended,
            limit: target.time_limit,
            findings: printer.stream.findings(),
            log,
            summary,
            moved: copy.map(|copy| (copy.root().clone(), run_context.paths.workspace.clone())),
            repeat: run_context.repeat(&target.target),
            dead_cache: printer.cache == Some(true),
            directory,
            cause: None,
            tests: None,
            cluster: Vec::new(),
        }))
    }

    fn printer(
        &self,
        (step, target): (&Step, &Target),
        log: &Path,
        prefix: Option<String>,
    ) -> Result<Printer, Failure> {
        Ok(Printer {
            stream: Stream::new(self.masker.clone(), options(target, prefix)),
            reporter: self.reporter.clone(),
            log: LogFile::create(log).map_err(FileError::at("write", log))?,
            spare: Vec::new(),
            cache: self.cache_is_dead(target).then_some(false),
            printed: Instant::now(),
            step: step.name.clone(),
            last: String::new(),
        })
    }

    /// Whether a build that requests GitHub's cache gets none, and nobody has warned of it yet. GitHub gives the
    /// cache's token to actions, but not to `run` steps.
    fn cache_is_dead(&self, target: &Target) -> bool {
        let run_context = self.run_context;
        target.target == BUILD
            && run_context.place == Place::Github
            && run_context.env.get("ACTIONS_RUNTIME_TOKEN").is_none()
            && run_context.cache.warning.is_none()
    }

    pub(super) fn spec(
        &self,
        target: &Target,
        private: &Private,
        directory: &Path,
        workspace: &Path,
    ) -> Spec {
        let run_context = self.run_context;
        let mut env = target.variables.over(&run_context.env);
        // With the variables of a make that started p2p, this make would be its child.
        for name in ["MAKELEVEL", "MFLAGS"] {
            env.remove(name);
        }
        if env.get("MAKEFLAGS").is_some_and(|flags| flags.contains("--jobserver")) {
            env.remove("MAKEFLAGS");
        }
        for (name, value) in private.variables() {
            env.set(name, value);
        }
        if run_context.cache.builder && env.get(BUILDX_BUILDER).is_none() {
            env.set(BUILDX_BUILDER, BUILDER);
        }
        env.set(runtime::PWD, directory);
        env.set(runtime::P2P_BIN, &run_context.binary);
        if let Some(names) = &run_context.insecure_registries {
            env.set(runtime::P2P_INSECURE_REGISTRIES, names);
        }
        if let Some(path) = findable(&run_context.binary, env.path("PATH")) {
            env.set("PATH", path);
        }
        if run_context.place == Place::Github {
            env.set(runtime::GITHUB_WORKSPACE, workspace);
        }
        let assignments = target.assignments();
        let arguments =
            [target.target.as_str()].into_iter().chain(run_context.cache.assignment).map(OsString::from);
        Spec::new("make", arguments.chain(assignments.map(OsString::from)), directory, env)
    }

    /// Reports the annotations and the summary of a target, and makes its result.
    pub(super) fn passed_on(
        &self,
        name: &str,
        ran: Result<Option<Ran>, Failure>,
        progress: &mut Progress,
    ) -> StepResult {
        let ran = match ran {
            Ok(Some(ran)) => ran,
            Ok(None) => {
                progress.cancelled = true;
                return StepResult::skipped(name, STOPPED);
            }
            Err(failure) => return StepResult::failed(name, 0.0, failure),
        };
        for annotation in &ran.findings.annotations {
            let mut annotation = annotation.clone();
            if let (Some((from, to)), Some(file)) = (&ran.moved, &annotation.file) {
                annotation.file = Some(moved(file, from, to));
            }
            self.reporter.emit(&Event::Annotated(&annotation));
        }
        if ran.findings.refused_masks > 0 {
            let refused = ran.findings.refused_masks;
            self.warn(progress, &format!("{name}: {refused} `add-mask` commands were refused: too short, too many, or they would hide what the gate itself prints"));
        }
        if ran.dead_cache {
            // p2p replaces the Makefile's `p2p_image_cache` only if there is a cache that works.
            let remedy = if self.run_context.cache.assignment.is_some() {
                "give `$(p2p_image_cache)` to docker buildx in its place"
            } else {
                "where the job has docker buildx and a running Docker, p2p sets `p2p_image_cache` to a cache in the \
                 registry (`docker/setup-buildx-action` installs it)"
            };
            self.warn(progress, &format!(
                "{name} asks for a build cache of `type=gha`, which does nothing here, because GitHub gives its token to \
                 actions and not to `run` steps; {remedy}"
            ));
        }
        if let Some(summary) = &ran.summary {
            self.reporter.emit(&Event::Summarised(name, summary));
        }
        result(name, ran, |text| neutralize(&self.masker.clean(text)).into_owned())
    }
}

/// The search path with the directory of `binary` at its end, so that it hides no other program. `p2p image push`
/// then works in the action as on a laptop. `None` if the program is not called `p2p`, or if there is no search
/// path: setting one would hide the system's own.
fn findable(binary: &Path, path: Option<PathBuf>) -> Option<OsString> {
    let directory = binary.parent().filter(|_| binary.file_name().is_some_and(|name| name == "p2p"))?;
    let mut directories: Vec<_> = std::env::split_paths(&path?).collect();
    if directories.iter().any(|known| known == directory) {
        return None;
    }
    directories.push(directory.to_owned());
    // A directory with a colon in its name cannot be in it.
    std::env::join_paths(directories).ok()
}

/// `p2p-functional` prints as `functional | …`.
fn prefix(name: &str) -> String {
    format!("{} | ", name.strip_prefix("p2p-").unwrap_or(name))
}

/// What p2p prints in every run, besides names of targets.
const OWN_WORDS: &str = "success failure cancelled passed failed skipped interrupted error warning notice caused by because \
                         make ended with exit code time limit whole log repeat it recorded promoted commit version sha256: \
                         fast-feedback PASSED FAILED true false found risk critical high medium low unclassified \
                         vulnerabilities secrets images digests registry targets scans report-path";

/// How to print the output. A target must not mask what the gate itself prints.
fn options(target: &Target, prefix: Option<String>) -> Options {
    let plain = target.variables.set.iter().filter(|(_, variable)| !variable.is_secret());
    let names = Stage::ALL.into_iter().flat_map(|stage| stage.targets().chain(stage.promotion()));
    let words = names.chain([OWN_WORDS]).map(str::to_owned).chain([target.target.clone()]);
    let refused = plain.map(|(_, variable)| variable.expose().to_owned()).chain(words).collect();
    Options { prefix, refused, ..Options::default() }
}

/// Makes the result of a target. `clean` masks texts of others and makes them printable.
fn result(name: &str, ran: Ran, clean: impl Fn(&str) -> String) -> StepResult {
    let (status, reason) = match ran.ended.how {
        How::Exited(0) => (Status::Passed, None),
        How::Exited(code) => (Status::Failed, Some(format!("make ended with exit code {code}"))),
        How::Signalled(signal) => (Status::Failed, Some(format!("make was ended by signal {signal}"))),
        How::TimedOut => (
            Status::TimedOut,
            Some(format!(
                "it was ended after {} s; the input `timeout` sets the limit",
                ran.limit.unwrap_or_default().as_secs()
            )),
        ),
        How::Interrupted(signal) => (Status::Interrupted, Some(format!("by {}", signal.name()))),
    };
    let passed = status == Status::Passed;
    StepResult {
        reason,
        exit_code: match ran.ended.how {
            How::Exited(code) => u8::try_from(code).ok(),
            How::Signalled(signal) => u8::try_from(128 + signal).ok(),
            How::TimedOut | How::Interrupted(_) => None,
        },
        log: Some(ran.log.display().to_string()),
        tail: if passed { Vec::new() } else { ran.findings.tail },
        repeat: (!passed).then_some(ran.repeat),
        cause: ran.cause,
        tests: ran.tests,
        cluster: ran.cluster,
        leftovers: ran.ended.leftovers.iter().map(|text| clean(text)).collect(),
        ..StepResult::new(name, status, ran.ended.seconds)
    }
}

/// The path of a file in the copy, as a path in the workspace.
fn moved(file: &str, from: &Path, to: &Path) -> String {
    match Path::new(file).strip_prefix(from) {
        Ok(inside) => to.join(inside).display().to_string(),
        Err(_) => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_last_and_only_as_p2p() {
        let found = |binary: &str, path: Option<&str>| {
            findable(Path::new(binary), path.map(PathBuf::from)).and_then(|path| path.into_string().ok())
        };
        assert_eq!(found("/tools/p2p", Some("/usr/bin:/bin")).as_deref(), Some("/usr/bin:/bin:/tools"));
        assert_eq!(found("/bin/p2p", Some("/usr/bin:/bin")), None, "it is there already");
        assert_eq!(found("/tools/p2p-linux-x64", Some("/bin")), None);
        assert_eq!(found("/tools/p2p", None), None);
        assert_eq!(found("/a:b/p2p", Some("/bin")), None);
    }
}
