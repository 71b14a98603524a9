//! What can go wrong with a child process.

use std::io;
use std::time::Duration;

use crate::error::{Exit, Help};

/// A command that could not be run, or that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started. The remedy: install it, or correct `PATH` or the directory.
    #[error("cannot start `{command}` in {directory}")]
    Start {
        /// The command line.
        command: String,
        /// Where it was to run.
        directory: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with a status other than 0.
    #[error("`{command}` {ended}{}", said(stderr))]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code; `None` where a signal ended it.
        code: Option<i32>,
        /// `failed with exit code 2`, `was ended by a signal`.
        ended: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It took too long and was ended.
    #[error("`{command}` took longer than {} s and was ended", limit.as_secs_f64())]
    TimedOut {
        /// The command line.
        command: String,
        /// The time it had.
        limit: Duration,
    },
    /// Its output could not be read, or it could not be waited for.
    #[error("lost touch with `{command}`")]
    Lost {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Help for ProcessError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Start { command, source, .. } if source.kind() == io::ErrorKind::NotFound => {
                let program = command.split(' ').next().unwrap_or(command);
                Some(format!("install `{program}`, or see that PATH and the directory are right"))
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Start { .. } | Self::Lost { .. } => Exit::Unavailable,
            Self::Failed { .. } => Exit::Failed,
            Self::TimedOut { .. } => Exit::TimedOut,
        }
    }
}
