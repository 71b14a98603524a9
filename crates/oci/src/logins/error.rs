//! What can go wrong with login files.

use std::io;
use std::path::PathBuf;

use crate::login_file::LoginFileError;
use sys::error::{Exit, Help};

/// Names the file; never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// A login file is wrong.
    #[error(transparent)]
    File(#[from] LoginFileError),
    /// Docker's directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
            Self::File(error) => error.help(),
            Self::Read { .. } => {
                Some("let this user read it, or point DOCKER_CONFIG at another directory".to_owned())
            }
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
