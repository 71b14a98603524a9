//! Errors of scanners. No message quotes what a scanner found, because that may be secret.

use std::path::PathBuf;

use sys::error::{Exit, FileError, Help};
use sys::process::ProcessError;

/// Why a scanner is missing, or has no complete result.
#[derive(Debug, thiserror::Error)]
pub enum ScannerError {
    /// The file that an environment names is not a program.
    #[error("`{key}` is {}, which is not the absolute path of an executable file", path.display())]
    NotAProgram { key: &'static str, path: PathBuf },
    /// The scanner is not released for this machine.
    #[error("p2p knows no release of {scanner} for {platform}")]
    NoRelease { scanner: &'static str, platform: String },
    /// The scanner could not be fetched.
    #[error("cannot fetch {file} from {server}: {reason}")]
    Fetch {
        file: String,
        /// The server, without the rest of the URL.
        server: String,
        reason: String,
    },
    /// The file differs from the released one.
    #[error("{file} is not what was released: {problem}")]
    Changed {
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The scanner failed.
    #[error("{scanner} failed: {reason}")]
    Failed {
        scanner: &'static str,
        /// How it ended, and the end of its standard error.
        reason: String,
        /// Whether it exceeded its time limit.
        timed_out: bool,
    },
    /// The vulnerability database is missing.
    #[error("there is no database of vulnerabilities: {reason}")]
    Database {
        reason: String,
        /// Whether fetching it exceeded the time limit.
        timed_out: bool,
    },
    /// The database is too old.
    #[error("the database of vulnerabilities is of {updated}, {hours} h old, and the limit is {limit} h")]
    Old {
        /// When it was made.
        updated: String,
        /// Its age in hours.
        hours: i64,
        /// The limit, in hours.
        limit: u64,
    },
    /// The database is from the future, so its age is not known.
    #[error("the database of vulnerabilities is of {updated}, which is in the future")]
    Future { updated: String },
    /// The output of the scanner is incomplete.
    #[error("the output of {scanner} cannot be read: {problem}")]
    Output {
        scanner: String,
        /// What is wrong, without quoting the text.
        problem: String,
    },
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ScannerError {
    /// The error for a failed process. It shows the end of its standard error without `secrets`.
    pub(super) fn process(scanner: &'static str, error: &ProcessError, secrets: &[String]) -> Self {
        let timed_out = matches!(error, ProcessError::TimedOut { .. });
        Self::Failed { scanner, reason: without(secrets, error.to_string()), timed_out }
    }

    /// The error for a scanner that succeeds although its log contains these errors.
    pub(super) fn unread(scanner: &'static str, errors: &str, secrets: &[String]) -> Self {
        let reason = without(secrets, format!("it could not read all of the image: {errors}"));
        Self::Failed { scanner, reason, timed_out: false }
    }
}

fn without(secrets: &[String], text: String) -> String {
    secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), "***"))
}

impl Help for ScannerError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotAProgram { key, .. } => {
                format!("correct the key `{key}` of the environment, or leave it out")
            }
            Self::NoRelease { scanner, .. } => {
                format!("install {scanner}, and name it by the key `{scanner}-path` of the environment")
            }
            Self::Fetch { .. } => {
                "give the key `scanner-base-url` (a mirror of GitHub's releases), or install the \
                                   scanners on the runner and give `trivy-path` and `trufflehog-path`"
                    .to_owned()
            }
            Self::Changed { .. } => {
                "the mirror or the network changed the file: find out why before you use it".to_owned()
            }
            Self::Database { timed_out: false, .. } => {
                "check the network of the runner, or give the key `scan-db` (an OCI reference of \
                                      a mirror); docs/scans.md says more"
                    .to_owned()
            }
            Self::Old { .. } => {
                "update the mirror that `scan-db` names, or allow more by the key `scan-db-max-age`"
                    .to_owned()
            }
            Self::Future { .. } => {
                "correct the clock of the runner, or update the mirror that `scan-db` names".to_owned()
            }
            Self::Failed { timed_out: true, .. } | Self::Database { timed_out: true, .. } => {
                "give it more time by the input `timeout`".to_owned()
            }
            Self::File(error) => return error.help(),
            Self::Failed { .. } | Self::Output { .. } => {
                "run `p2p scan` by hand to repeat it; nothing is promoted after an incomplete scan".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotAProgram { .. } => Exit::Usage,
            Self::Failed { timed_out: true, .. } | Self::Database { timed_out: true, .. } => Exit::TimedOut,
            Self::Fetch { .. } | Self::Database { .. } | Self::NoRelease { .. } => Exit::Unavailable,
            Self::File(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}
