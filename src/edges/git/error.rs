use std::path::PathBuf;

use sys::error::{Exit, FileError, Help};
use sys::process::ProcessError;

/// Why git failed. URLs are shown without user and password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// There is no program `git` on the `PATH`.
    #[error("the program git is not installed, or not on the PATH")]
    Missing,
    /// git could not be started, or did not finish.
    #[error(transparent)]
    Program(ProcessError),
    /// There is no git, and the repository's files do not show the commit.
    #[error("the commit of {} is not known: the program git is not installed, and no .git shows it", directory.display())]
    Headless { directory: PathBuf },
    /// A temporary file or directory could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory is not in a git working tree.
    #[error("{directory} is not in a git repository")]
    NotARepository { directory: PathBuf },
    /// The repository belongs to another user, so git does not read it.
    #[error("git does not trust the repository in {directory}, as it belongs to another user: {answer}")]
    Distrusted {
        directory: PathBuf,
        /// git's message.
        answer: String,
    },
    /// The repository has no commit.
    #[error("the git repository in {directory} has no commit")]
    NoCommit { directory: PathBuf },
    /// git failed for another reason.
    #[error("{command} failed{}: {answer}", code.map(|code| format!(" with exit code {code}")).unwrap_or_default())]
    Failed {
        command: String,
        /// The exit code, or `None` if a signal ended git.
        code: Option<i32>,
        /// Its message.
        answer: String,
    },
    /// git printed something unexpected.
    #[error("{command} printed something unexpected: '{printed}'")]
    Unreadable {
        /// The command.
        command: String,
        /// The output.
        printed: String,
    },
    /// The server requires a token, or refuses this one.
    #[error("the tags of {url} could not be read: {}: {answer}", if *token { "the server refused the token" } else { "the server asks for a token and none was given" })]
    Authentication {
        url: String,
        /// Whether a token was sent.
        token: bool,
        /// git's message.
        answer: String,
    },
    /// The server does not have the repository, or hides it from this token.
    #[error("the tags of {url} could not be read: repository not found: {answer}")]
    NotFound {
        url: String,
        /// git's message.
        answer: String,
    },
    /// The server's certificate is not trusted.
    #[error("the tags of {url} could not be read: its certificate is not trusted: {answer}")]
    Certificate {
        url: String,
        /// git's message.
        answer: String,
    },
    /// The server or the proxy could not be reached, or answered with 5xx.
    #[error("the tags of {url} could not be read: {answer} (tried {attempts} times)")]
    Unreachable {
        url: String,
        /// git's message.
        answer: String,
        /// The number of tries.
        attempts: u32,
    },
    /// The list of tags cannot be parsed.
    #[error("the tags of {url} could not be read")]
    Tags { url: String, source: crate::domain::version::VersionError },
}

impl From<ProcessError> for GitError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Missing { .. } => Self::Missing,
            error => Self::Program(error),
        }
    }
}

impl Help for GitError {
    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Missing => "install git, or add its directory to the PATH of the job",
            Self::Program(ProcessError::TimedOut { .. }) => {
                "check the network and the disk of the runner, then run again"
            }
            Self::Program(error) => return error.help(),
            Self::Headless { .. } => {
                "install git before the step that checks out: without it actions/checkout downloads an archive, which \
                 does not tell its commit"
            }
            Self::NotARepository { .. } => {
                "run in a checkout: put actions/checkout before this step, or set 'working-directory'"
            }
            Self::NoCommit { .. } => "commit something first",
            Self::Distrusted { directory, .. } => {
                return Some(format!(
                    "its configuration can name programs that git runs. If you trust it, run this first: git config \
                     --global --add safe.directory '{}'",
                    directory.display()
                ));
            }
            Self::Authentication { token: true, .. } => {
                "check the 'github-token' input: it must be valid and may read this repository\n\
                 permissions:\n  contents: read"
            }
            Self::Authentication { token: false, .. } => {
                "set the 'github-token' input: ${{ github.token }} reads the workflow's own repository"
            }
            Self::NotFound { .. } => {
                "check the repository's name and GITHUB_SERVER_URL; a server hides private repositories from a token \
                 that may not read them\npermissions:\n  contents: read"
            }
            Self::Certificate { .. } => {
                "make the server's certificate authority known to git: set GIT_SSL_CAINFO to its PEM file"
            }
            Self::Unreachable { .. } => {
                "check the network of the runner, and HTTPS_PROXY and NO_PROXY if it needs a proxy; then run again"
            }
            Self::Tags { source, .. } => return source.help(),
            Self::File(error) => return error.help(),
            Self::Failed { .. } | Self::Unreadable { .. } => return None,
        };
        Some(text.to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Missing
            | Self::Headless { .. }
            | Self::NotARepository { .. }
            | Self::Distrusted { .. }
            | Self::NoCommit { .. } => Exit::Usage,
            Self::Failed { .. } | Self::Unreadable { .. } => Exit::Failed,
            Self::Program(error) => error.exit(),
            Self::Authentication { .. }
            | Self::NotFound { .. }
            | Self::Certificate { .. }
            | Self::Unreachable { .. } => Exit::Unavailable,
            Self::Tags { source, .. } => source.exit(),
            Self::File(error) => error.exit(),
        }
    }
}
