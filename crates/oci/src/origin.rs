//! Where credentials come from.

use std::fmt;
use std::path::PathBuf;

use crate::logins::Credentials;

/// The source of credentials, for errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsOrigin {
    /// There are none.
    Anonymous,
    /// Inputs of this run.
    Given,
    /// A file in Docker's or podman's format.
    File(PathBuf),
    /// A credential helper, `docker-credential-gcloud`.
    Helper(String),
    /// There are none, and Docker's store for all registries failed.
    Failed { program: String, reason: String },
}

impl fmt::Display for CredentialsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("no credentials"),
            Self::Given => f.write_str("the given credentials"),
            Self::File(path) => write!(f, "the login in {}", path.display()),
            Self::Helper(program) => write!(f, "the credentials of {program}"),
            Self::Failed { program, reason } => write!(f, "no credentials: {program} failed: {reason}"),
        }
    }
}

/// Credentials and their source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) credentials: Option<Credentials>,
    pub(super) origin: CredentialsOrigin,
}

impl Found {
    pub(super) fn nothing() -> Self {
        Self { credentials: None, origin: CredentialsOrigin::Anonymous }
    }
}
