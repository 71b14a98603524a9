//! Errors in login files.

use std::io;
use std::path::PathBuf;

use super::key::host;
use sys::error::{Exit, Help};

/// The errors name the file and the registry, never the content of the file.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// A login file cannot be read.
    #[error("cannot read the registry logins in {}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A login file is not a JSON object with logins.
    #[error("{} holds no logins in JSON (line {line})", path.display())]
    NotLogins {
        path: PathBuf,
        /// The line, starting at 1.
        line: usize,
    },
    /// The entry that is needed is invalid.
    #[error("the login for {key} in {} cannot be read: {reason}", path.display())]
    Entry {
        path: PathBuf,
        /// The key of the entry: a host, or a host with a path.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Docker's directory cannot be read.
    #[error("cannot read {}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// A private file cannot be written.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The name of a registry is invalid.
    #[error("{registry:?} is not a registry")]
    Registry { registry: String },
    /// No login can have this user name.
    #[error("the user name for the registry {registry} is empty or holds a `:`")]
    Username { registry: String },
}

impl Help for LoginsError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::File { .. } | Self::NotLogins { .. } => {
                "correct the file, or point DOCKER_CONFIG or REGISTRY_AUTH_FILE at another one".to_owned()
            }
            Self::Entry { key, path, .. } => {
                format!("log in again (docker login {}), or correct {}", host(key), path.display())
            }
            Self::Directory { .. } => {
                "let this user read it, or point DOCKER_CONFIG at another directory".to_owned()
            }
            Self::Write { .. } => return None,
            Self::Registry { .. } => "write host[:port][/path], without a scheme".to_owned(),
            Self::Username { .. } => "give the user name and the password as two inputs".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}
