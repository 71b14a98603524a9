//! The description of a command to start.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Child;

use super::error::ProcessError;
use super::members::Group;
use crate::world::Env;
use workflow_commands::Secret;

/// The longest input of a command, in bytes: a pipe takes this much before anybody reads it (pipe(7)).
const INPUT: usize = 4096;

/// How much a command may print on each stream when its output is captured, in bytes.
const OUTPUT: usize = 256 << 20;

/// A command. It gets exactly this environment and a process group of its own.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program: a path, or a name to look up in `PATH` of `env`.
    pub program: OsString,
    /// Its arguments. They appear in errors unless `shown` is set, so they must hold no secrets.
    pub args: Vec<OsString>,
    /// The directory it runs in.
    pub cwd: PathBuf,
    /// Its whole environment. Never printed.
    pub env: Env,
    /// The command as shown in messages; by default the program and its arguments.
    pub shown: Option<String>,
    /// Its standard input, at most 4096 bytes; empty by default. Never printed.
    pub input: Secret,
    /// How many bytes of each stream are captured before the command is ended; 256 MiB by default.
    pub output_limit: usize,
}

impl Spec {
    /// A command with arguments.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
        cwd: impl Into<PathBuf>,
        env: Env,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            cwd: cwd.into(),
            env,
            shown: None,
            input: Secret::new(""),
            output_limit: OUTPUT,
        }
    }

    /// Starts the command with these output streams. Dropping the [`Group`] kills the rest of its group.
    pub(super) fn start(
        &self,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
        mark: Option<PathBuf>,
    ) -> Result<(Child, Group), ProcessError> {
        let failed = |source| self.not_started(source);
        let file = self.env.program(&self.program);
        #[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
        let mut command = tokio::process::Command::new(file);
        let child = command
            .arg0(&self.program)
            .args(&self.args)
            .current_dir(&self.cwd)
            .env_clear()
            .envs(self.env.iter())
            .stdin(self.stdin().map_err(failed)?)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let group =
            Group::of(&child, mark).ok_or_else(|| failed(io::Error::other("it has no process id")))?;
        Ok((child, group))
    }

    fn stdin(&self) -> io::Result<Stdio> {
        let input = self.input.expose().as_bytes();
        if input.is_empty() {
            return Ok(Stdio::null());
        }
        if input.len() > INPUT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("its input is longer than {INPUT} bytes"),
            ));
        }
        let (reader, mut writer) = io::pipe()?;
        writer.write_all(input)?;
        Ok(reader.into())
    }

    fn not_started(&self, source: io::Error) -> ProcessError {
        if source.kind() == io::ErrorKind::NotFound && self.cwd.is_dir() {
            return ProcessError::Missing { program: self.program.to_string_lossy().into_owned() };
        }
        ProcessError::Start { command: self.to_string(), directory: self.cwd.display().to_string(), source }
    }

    pub(super) fn lost(&self, source: io::Error) -> ProcessError {
        ProcessError::Lost { command: self.to_string(), source }
    }
}

/// The command line for messages: `git ls-remote --tags`.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shown) = &self.shown {
            return f.write_str(shown);
        }
        write!(f, "{}", self.program.to_string_lossy())?;
        for arg in &self.args {
            let arg = arg.to_string_lossy();
            if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || c == '\'' || c == '"') {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            } else {
                write!(f, " {arg}")?;
            }
        }
        Ok(())
    }
}
