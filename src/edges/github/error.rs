use std::path::PathBuf;
use std::time::Duration;

use sys::error::{Exit, Help};
use sys::http::AUTHORITY_HELP;

/// Why GitHub did not do what it was asked. `what` completes "could not …", with repository and
/// server; `answer` is what GitHub said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of the repository is not `owner/name`.
    #[error("'{repository}' is not the name of a GitHub repository")]
    Repository {
        /// The name as it was given.
        repository: String,
    },
    /// The address of the API cannot be used.
    #[error("'{url}' is not the address of a GitHub API")]
    Url {
        /// The address as it was given.
        url: String,
    },
    /// No token was given. Nothing was sent.
    #[error("could not {what}: no GitHub token was given")]
    NoToken {
        /// What was asked.
        what: String,
    },
    /// The token holds characters that no token has. Nothing was sent.
    #[error("could not {what}: the GitHub token holds a character that no token has, such as a line break")]
    MalformedToken {
        /// What was asked.
        what: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client for {server} could not be set up: {why}")]
    Client {
        /// The address of the API.
        server: String,
        /// Why.
        why: String,
    },
    /// 401: the token is wrong, expired or revoked.
    #[error("could not {what}: GitHub does not accept the token (401: {answer})")]
    BadToken {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// 403: the job's own token may only read.
    #[error("could not {what}: the job's token may not write to the repository (403: {answer})")]
    ReadOnlyToken {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// The commit holds other workflow files than any branch, and the token may not change those.
    #[error(
        "could not {what}: the commit changes workflow files, which this token may not ({status}: {answer})"
    )]
    WorkflowFiles {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        answer: String,
    },
    /// 403: a personal access token, or an app's, lacks the permission.
    #[error("could not {what}: the personal access token may not write to the repository (403: {answer})")]
    ReadOnlyPersonalToken {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// 403: the organisation wants the token authorised for single sign-on.
    #[error("could not {what}: the organization demands single sign-on of the token (403: {answer})")]
    SingleSignOn {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// 403: the repository is archived.
    #[error("could not {what}: the repository is archived (403: {answer})")]
    Archived {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// 403 for any other reason.
    #[error("could not {what}: GitHub forbids it (403: {answer})")]
    Forbidden {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// 404: no such repository, or one that the token may not see.
    #[error("could not {what}: GitHub finds no such repository, or hides it from this token (404: {answer})")]
    NotFound {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// A published release of a repository with immutable releases keeps its tag and its files.
    #[error("could not {what}: the release is immutable ({status}: {answer})")]
    Immutable {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        answer: String,
    },
    /// A ruleset or tag protection stands in the way.
    #[error("could not {what}: a rule of the repository protects its tags ({status}: {answer})")]
    Protected {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        answer: String,
    },
    /// 422: GitHub does not have the commit.
    #[error("could not {what}: GitHub does not have that commit (422: {answer})")]
    UnknownCommit {
        /// What was asked.
        what: String,
        /// What GitHub said.
        answer: String,
    },
    /// 403 or 429: too many requests, for longer than we wait.
    #[error("could not {what}: GitHub's rate limit is used up{} ({status}: {answer})", wait.map(|wait| format!(" for another {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        answer: String,
        /// How long GitHub asks us to wait.
        wait: Option<Duration>,
    },
    /// Transport errors or 5xx until the retries were used up.
    #[error("could not {what}: {answer} (tried {attempts} times)")]
    Unavailable {
        /// What was asked.
        what: String,
        /// What came back, or why nothing did.
        answer: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A file to be sent could not be read.
    #[error("could not {what}: {} cannot be read", file.display())]
    File {
        /// What was asked.
        what: String,
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An answer that GitHub's documentation does not know.
    #[error("could not {what}: unexpected answer ({status}: {answer})")]
    Unexpected {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        answer: String,
    },
}

const GRANT_WRITE: &str = "let the job write, which tags and releases need:\n\
permissions:\n  contents: write\n\
a caller of a reusable workflow must grant it too; runs of forks and of Dependabot only ever get to read.\n\
Where the job has it: the commit may hold other workflow files than any branch, and ${{ github.token }} may\n\
never put a tag on such a one. Pass a token of an app with 'Contents' and 'Workflows: Read and write'";

impl Help for Error {
    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Repository { .. } => "GITHUB_REPOSITORY must be of the form owner/name",
            Self::Url { .. } => {
                "GITHUB_API_URL must be a URL, such as https://api.github.com or https://github.example.com/api/v3"
            }
            Self::NoToken { .. } => "set the 'github-token' input: ${{ github.token }}",
            Self::MalformedToken { .. } => "store the token again, without spaces or line breaks around it",
            Self::Client { .. } => {
                "check the certificate store of the runner (SSL_CERT_FILE, NODE_EXTRA_CA_CERTS) and its proxy settings"
            }
            Self::BadToken { .. } => {
                "check the 'github-token' input: ${{ github.token }} is valid until the job ends, others expire"
            }
            Self::ReadOnlyToken { .. } => GRANT_WRITE,
            Self::WorkflowFiles { .. } => {
                "pass a token of an app with the repository permissions 'Contents' and 'Workflows: Read and write' as \
                 'github-token'; ${{ github.token }} can never have the second one"
            }
            Self::ReadOnlyPersonalToken { .. } => {
                "give the token the repository permission 'Contents: Read and write', or use ${{ github.token }} with\n\
                 permissions:\n  contents: write"
            }
            Self::SingleSignOn { .. } => {
                "authorize the token for the organization (Settings, Developer settings, the token, Configure SSO)"
            }
            Self::Archived { .. } => "unarchive the repository, or run this workflow elsewhere",
            Self::Forbidden { .. } => {
                "check what the token may do; creating a tag needs\npermissions:\n  contents: write"
            }
            Self::NotFound { .. } => {
                "check GITHUB_REPOSITORY and GITHUB_API_URL, and that the token may see the repository; a token of \
                 another repository may not\npermissions:\n  contents: write"
            }
            Self::Immutable { .. } => {
                "neither the files nor the tag of a published release can change, and a tag that such a release had is \
                 never free again: release the next version"
            }
            Self::Protected { .. } => {
                "let the token's owner bypass the rule (Settings, Rules, Rulesets, Bypass list), or pass a token of an \
                 app that may, as 'github-token'. The app of ${{ github.token }} is GitHub Actions"
            }
            Self::UnknownCommit { .. } => {
                "push the commit first; a commit that checkout made by itself, such as a merge, exists only in the job"
            }
            Self::RateLimited { .. } => {
                "run again later; the limit counts all requests of the token, so fewer jobs at once, or a token of another app, help"
            }
            Self::Unavailable { answer, .. } if answer.contains("certificate") => AUTHORITY_HELP,
            Self::Unavailable { .. } => {
                "see https://www.githubstatus.com, the network of the runner, and HTTPS_PROXY and NO_PROXY if it needs a \
                 proxy; then run again"
            }
            Self::Unexpected { .. } | Self::File { .. } => return None,
        };
        Some(text.to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Repository { .. }
            | Self::Url { .. }
            | Self::NoToken { .. }
            | Self::MalformedToken { .. } => Exit::Usage,
            Self::File { .. } => Exit::Failed,
            _ => Exit::Unavailable,
        }
    }
}
