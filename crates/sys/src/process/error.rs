//! What can go wrong with a child process.

use std::io;
use std::time::Duration;

use crate::error::{Exit, Help};

/// A command that could not run, or that failed. Every message names the command.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program does not exist. Remedy: install it, or correct `PATH`.
    #[error("the program `{program}` is not installed, or not on the PATH")]
    Missing { program: String },
    /// The program could not be started. Remedy: correct the directory, or the permissions of the file.
    #[error("cannot start `{command}` in {directory}")]
    Start { command: String, directory: String, source: io::Error },
    /// The command ended with a status other than 0.
    #[error("`{command}` {ended}{}", last_lines(stderr))]
    Failed {
        command: String,
        /// `failed with exit code 2`, `was ended by signal 9`.
        ended: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// The command took too long and was ended.
    #[error("`{command}` took longer than {} s and was ended", limit.as_secs_f64())]
    TimedOut {
        command: String,
        /// Its time limit.
        limit: Duration,
    },
    /// The command printed too much and was ended.
    #[error("`{command}` printed more than {limit} bytes and was ended")]
    TooLong {
        command: String,
        /// The limit of each of its streams, in bytes.
        limit: usize,
    },
    /// p2p could not read its output or wait for it.
    #[error("cannot read what `{command}` prints, or how it ends")]
    Lost { command: String, source: io::Error },
}

fn last_lines(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Help for ProcessError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Missing { program } => {
                Some(format!("install `{program}`, or add its directory to the PATH"))
            }
            Self::Start { .. } => {
                Some("check that the directory exists and that the program may be executed".to_owned())
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } | Self::Start { .. } | Self::Lost { .. } => Exit::Unavailable,
            Self::Failed { .. } | Self::TooLong { .. } => Exit::Failed,
            Self::TimedOut { .. } => Exit::TimedOut,
        }
    }
}
