//! Failures as people read them, and exit codes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// The exit code of the process: part of the interface, listed in `docs/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything passed, or there was nothing to do.
    Passed,
    /// 1: the gate failed for a reason that is not a target's own exit code.
    Failed,
    /// A make target failed. p2p keeps its exit code (GNU make returns 2).
    Target(u8),
    /// 64: an input, a flag, the Makefile or the configuration is wrong. Nothing was changed.
    Usage,
    /// 69: an outside system refused or could not be reached.
    Unavailable,
    /// 124: a target reached its time limit.
    TimedOut,
    /// 128 + n: the run was interrupted by signal n.
    Interrupted(u8),
}

impl Exit {
    /// The code that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Target(code) => code,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::TimedOut => 124,
            Self::Interrupted(signal) => 128_u8.saturating_add(signal),
        }
    }
}

/// What an error offers besides its message.
pub trait Help: Error {
    /// What the user can do about it, in the imperative. It may have several lines (YAML to paste).
    fn help(&self) -> Option<String>;

    /// The exit code of this error.
    fn exit(&self) -> Exit;
}

/// An error for the reader: what failed, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// What failed: lowercase, no trailing period.
    pub what: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// The exit code.
    #[serde(skip)]
    pub exit: Exit,
}

impl Failure {
    /// A failure without a cause.
    pub fn new(exit: Exit, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), causes: Vec::new(), help: Some(help.into()), exit }
    }

    /// Bad input. The message names the input and says what was expected. Nothing has been changed.
    pub fn usage(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, help)
    }

    /// What failed, and why, in one line.
    pub fn sentence(&self) -> String {
        let words = std::iter::once(&self.what).chain(&self.causes);
        words.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// Combines failures into one, with a line for each. `noun` says what they are.
    pub fn together(mut failures: Vec<Self>, noun: &str) -> Option<Self> {
        if failures.len() < 2 {
            return failures.pop();
        }
        let exit = failures.first()?.exit;
        let what = format!("{} {noun}", failures.len());
        let causes = failures.iter().map(Self::sentence).collect();
        let mut helps: Vec<String> = Vec::new();
        for help in failures.into_iter().filter_map(|failure| failure.help) {
            if !helps.contains(&help) {
                helps.push(help);
            }
        }
        let help = Some(helps.join("\n\n")).filter(|help| !help.is_empty());
        Some(Self { what, causes, help, exit })
    }

    /// The same for wrong inputs. The line of each says what was expected, if that fits.
    pub fn wrong_inputs(mut failures: Vec<Self>) -> Option<Self> {
        if failures.len() < 2 {
            return failures.pop();
        }
        for failure in &mut failures {
            let help = failure.help.take().unwrap_or_default();
            let message = help.trim_end_matches("; nothing was run");
            if message.lines().count() > 1 {
                failure.help = Some(help);
            } else if !message.is_empty() {
                failure.what = format!("{} ({message})", failure.what);
            }
        }
        let mut all = Self::together(failures, "inputs are wrong")?;
        let helps = all.help.iter().map(String::as_str).chain(["correct all of them; nothing was run"]);
        all.help = Some(helps.collect::<Vec<_>>().join("\n\n"));
        Some(all)
    }

    /// Adds what p2p was doing when this failed. The old message becomes a cause.
    #[must_use]
    pub fn context(mut self, what: impl Into<String>) -> Self {
        let cause = std::mem::replace(&mut self.what, what.into());
        self.causes.insert(0, cause);
        self
    }
}

impl<E: Help> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { what: error.to_string(), causes, help: error.help(), exit: error.exit() }
    }
}

/// A file or directory that the system refused. Its help names the directory and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// The operation: `read`, `write`, `create a directory in`.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: adds the operation and the path.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

impl Help for FileError {
    fn help(&self) -> Option<String> {
        let is_directory = self.action.ends_with(" in") || self.path.is_dir();
        let directory = if is_directory { Some(self.path.as_path()) } else { self.path.parent() };
        Some(directory_help(directory.unwrap_or(&self.path), &self.source))
    }

    fn exit(&self) -> Exit {
        Exit::Unavailable
    }
}

/// What to do about a directory for which the system returned this error.
fn directory_help(directory: &Path, answer: &io::Error) -> String {
    let at = directory.display();
    let what = match answer.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("free some space in {at}"),
        io::ErrorKind::NotFound => format!("create the directory {at}"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("let this user write to {at}")
        }
        _ => format!("look into the directory {at}"),
    };
    format!(
        "{what}, or name another directory: `TMPDIR` for temporary files (GitHub's runner sets `RUNNER_TEMP`), \
         `XDG_CACHE_HOME` for what local runs keep"
    )
}

/// The system refused something that p2p needs.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            what: "the system refused what every run needs".to_owned(),
            causes: vec![error.to_string()],
            help: None,
            exit: Exit::Unavailable,
        }
    }
}

/// Renders `error: …`, `caused by: …`, `help: …`. Every error is rendered here.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for cause in &self.causes {
            write!(f, "\ncaused by: {cause}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {}", help.replace('\n', "\n      "))?;
        }
        Ok(())
    }
}

impl Help for workflow_commands::NoRandomness {
    fn help(&self) -> Option<String> {
        None
    }

    fn exit(&self) -> Exit {
        Exit::Unavailable
    }
}

impl Help for workflow_commands::FileCommandError {
    fn help(&self) -> Option<String> {
        None
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Name(_) | Self::Delimiter(_) => Exit::Failed,
            Self::Random(error) => error.exit(),
        }
    }
}
