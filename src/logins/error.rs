//! What can go wrong with login files.

use std::io;
use std::path::PathBuf;

use crate::error::{Exit, Help};

/// Names the file; never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// A file of the user's cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A login file cannot be understood.
    #[error("{} holds no logins in JSON (line {line})", path.display())]
    NotLogins {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A private file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What should be a registry is none.
    #[error("{registry:?} is no registry")]
    Registry {
        /// As it was given.
        registry: String,
    },
    /// A user's name that no login can carry.
    #[error("the user name for the registry {registry} is empty or holds a `:`")]
    Username {
        /// The registry.
        registry: String,
    },
}

impl Help for LoginsError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::NotLogins { .. } => Some(
                "correct the file, or point DOCKER_CONFIG or REGISTRY_AUTH_FILE at another one".to_owned(),
            ),
            Self::Write { .. } => None,
            Self::Registry { .. } => Some("write host[:port][/path], without a scheme".to_owned()),
            Self::Username { .. } => Some("give the user name and the password as two inputs".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}
