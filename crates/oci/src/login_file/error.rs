//! What can be wrong with a login file.

use std::io;
use std::path::PathBuf;

use sys::error::{Exit, Help};

/// Names the file and the registry, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum LoginFileError {
    /// A file cannot be read.
    #[error("cannot read the registry logins in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be understood.
    #[error("{} holds no logins in JSON (line {line})", path.display())]
    NotLogins {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The entry that is needed cannot be understood.
    #[error("the login for {key} in {} cannot be read: {reason}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The key of the entry: a host, or a host with a path.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Help for LoginFileError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } | Self::NotLogins { .. } => {
                "correct the file, or point DOCKER_CONFIG or REGISTRY_AUTH_FILE at another one".to_owned()
            }
            Self::Entry { key, path, .. } => {
                format!("log in again (docker login {}), or correct {}", super::host(key), path.display())
            }
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
