//! What to start.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use crate::world::Env;

/// A command. It gets exactly this environment, nothing on its standard input, and a process
/// group of its own.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program: a path, or a name to look up in `PATH` of `env`.
    pub program: OsString,
    /// Its arguments. They appear in errors, so they hold no secrets.
    pub args: Vec<OsString>,
    /// The directory it runs in.
    pub cwd: PathBuf,
    /// Its whole environment. Never printed.
    pub env: Env,
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
        }
    }

    pub(super) fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.env.program(&self.program));
        command
            .arg0(&self.program)
            .args(&self.args)
            .current_dir(&self.cwd)
            .env_clear()
            .envs(self.env.iter())
            .stdin(Stdio::null())
            .process_group(0);
        command
    }
}

/// The command line, for people to read: `git ls-remote --tags`.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
