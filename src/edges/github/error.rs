use std::path::PathBuf;
use std::time::Duration;

use super::limit;
use sys::error::{Exit, Help};
use sys::http::{AUTHORITY_HELP, Answer, Class};

/// Why a request to GitHub failed. `what` completes "could not …", with repository and server. `answer` is GitHub's
/// message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitHubError {
    /// The name of the repository is not `owner/name`.
    #[error("'{repository}' is not the name of a GitHub repository")]
    Repository { repository: String },
    /// The URL of the API is invalid.
    #[error("'{url}' is not the address of a GitHub API")]
    Url { url: String },
    /// No token was given. Nothing was sent.
    #[error("could not {what}: no GitHub token was given")]
    NoToken { what: String },
    /// The token contains characters that no token has. Nothing was sent.
    #[error("could not {what}: the GitHub token holds a character that no token has, such as a line break")]
    MalformedToken { what: String },
    /// The HTTP client could not be set up.
    #[error("the HTTP client for {server} could not be set up: {why}")]
    Client { server: String, why: String },
    /// GitHub refused.
    #[error("could not {what}: {} ({status}: {answer})", reason.words())]
    Refused {
        what: String,
        status: u16,
        /// GitHub's message.
        answer: String,
        /// What the refusal means.
        reason: Reason,
    },
    /// 403 or 429: too many requests, for longer than p2p waits.
    #[error("could not {what}: GitHub's rate limit is used up{} ({status}: {answer})", wait.map(|wait| format!(" for another {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited {
        what: String,
        status: u16,
        /// GitHub's message.
        answer: String,
        /// How long GitHub asks to wait.
        wait: Option<Duration>,
    },
    /// Network errors or 5xx answers until the retries were used up.
    #[error("could not {what}: {answer} (tried {attempts} times)")]
    Unavailable {
        what: String,
        /// The last answer, or the reason why there is none.
        answer: String,
        class: Class,
        /// The number of tries.
        attempts: u32,
    },
    /// A file to upload could not be read.
    #[error("could not {what}: {} cannot be read", file.display())]
    File { what: String, file: PathBuf, source: std::io::Error },
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 401: the token is wrong, expired or revoked.
    BadToken,
    /// 403: the job's own token may only read.
    ReadOnlyToken,
    /// The commit has other workflow files than any branch, and the token may not change workflows.
    WorkflowFiles,
    /// 403: a personal access token or an app's token lacks the permission.
    ReadOnlyPersonalToken,
    /// 403: the organisation requires single sign-on for the token.
    SingleSignOn,
    /// 403: the repository is archived.
    Archived,
    /// 403 for any other reason.
    Forbidden,
    /// 404: the repository does not exist, or the token may not see it.
    NotFound,
    /// A published release is immutable, and keeps its tag and files.
    Immutable,
    /// A ruleset or a tag protection forbids it.
    Protected,
    /// 422: GitHub does not have the commit.
    UnknownCommit,
    /// 422: the name is taken, or somebody else is creating it.
    Taken {
        /// An earlier try failed without showing whether it took effect.
        after_failure: bool,
    },
    /// An answer that GitHub does not document.
    Unexpected,
}

impl GitHubError {
    /// The error for an answer that breaks the protocol.
    pub(crate) fn unexpected(what: &str, status: u16, answer: String) -> Self {
        Self::Refused { what: what.to_owned(), status, answer, reason: Reason::Unexpected }
    }

    /// The error for a final answer. `unsure` is whether an earlier try may have taken effect.
    pub(super) fn refused(what: &str, answer: &Answer, unsure: bool) -> Self {
        let (what, status, text) = (what.to_owned(), answer.status, answer.words());
        if limit::limited(answer) {
            return Self::RateLimited { what, status, answer: text, wait: limit::asked(answer) };
        }
        let lowercase = text.to_lowercase();
        let says = |texts: &[&str]| texts.iter().any(|text| lowercase.contains(text));
        let reason = match status {
            401 => Reason::BadToken,
            403 | 409 | 422 if says(&["immutable release"]) => Reason::Immutable,
            403 | 409 | 422 if says(&["rule violations", "tag protection", "protected tag"]) => {
                Reason::Protected
            }
            _ if says(&["`workflows` permission", "`workflow` scope", "workflows permission"]) => {
                Reason::WorkflowFiles
            }
            403 if says(&["not accessible by integration"]) => Reason::ReadOnlyToken,
            403 if says(&["not accessible by personal access token"]) => Reason::ReadOnlyPersonalToken,
            403 if says(&["saml"]) => Reason::SingleSignOn,
            403 if says(&["archived"]) => Reason::Archived,
            403 => Reason::Forbidden,
            404 => Reason::NotFound,
            422 if says(&["object does not exist"]) => Reason::UnknownCommit,
            // GitHub sends the second message whenever an update of a ref fails, most often because another one
            // holds the lock. The third is the code for a file name that is taken.
            422 if says(&["already exists", "reference update failed"])
                || String::from_utf8_lossy(&answer.body).contains("already_exists") =>
            {
                Reason::Taken { after_failure: unsure }
            }
            _ => Reason::Unexpected,
        };
        Self::Refused { what, status, answer: text, reason }
    }

    /// Whether GitHub does not have the object, or hides it.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { reason: Reason::NotFound, .. })
    }
}

const GRANT_WRITE: &str = "let the job write, which tags and releases need:\n\
permissions:\n  contents: write\n\
a caller of a reusable workflow must grant it too; runs of forks and of Dependabot only ever get to read.\n\
Where the job has it: the commit may hold other workflow files than any branch, and ${{ github.token }} may\n\
never put a tag on such a one. Pass a token of an app with 'Contents' and 'Workflows: Read and write'";

impl Reason {
    fn words(self) -> &'static str {
        match self {
            Self::BadToken => "GitHub does not accept the token",
            Self::ReadOnlyToken => "the job's token may not write to the repository",
            Self::WorkflowFiles => "the commit changes workflow files, which this token may not",
            Self::ReadOnlyPersonalToken => "the personal access token may not write to the repository",
            Self::SingleSignOn => "the organization demands single sign-on of the token",
            Self::Archived => "the repository is archived",
            Self::Forbidden => "GitHub forbids it",
            Self::NotFound => "GitHub finds no such repository, or hides it from this token",
            Self::Immutable => "the release is immutable",
            Self::Protected => "a rule of the repository protects its tags",
            Self::UnknownCommit => "GitHub does not have that commit",
            Self::Taken { .. } => "the name is taken",
            Self::Unexpected => "unexpected answer",
        }
    }

    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::BadToken => {
                "check the 'github-token' input: ${{ github.token }} is valid until the job ends, others expire"
            }
            Self::ReadOnlyToken => GRANT_WRITE,
            Self::WorkflowFiles => {
                "pass a token of an app with the repository permissions 'Contents' and 'Workflows: Read and write' as \
                 'github-token'; ${{ github.token }} can never have the second one"
            }
            Self::ReadOnlyPersonalToken => {
                "give the token the repository permission 'Contents: Read and write', or use ${{ github.token }} with\n\
                 permissions:\n  contents: write"
            }
            Self::SingleSignOn => {
                "authorize the token for the organization (Settings, Developer settings, the token, Configure SSO)"
            }
            Self::Archived => "unarchive the repository, or run this workflow elsewhere",
            Self::Forbidden => {
                "check what the token may do; creating a tag needs\npermissions:\n  contents: write"
            }
            Self::NotFound => {
                "check GITHUB_REPOSITORY and GITHUB_API_URL, and that the token may see the repository; a token of \
                 another repository may not\npermissions:\n  contents: write"
            }
            Self::Immutable => {
                "neither the files nor the tag of a published release can change, and a tag that such a release had is \
                 never free again: release the next version"
            }
            Self::Protected => {
                "let the token's owner bypass the rule (Settings, Rules, Rulesets, Bypass list), or pass a token of an \
                 app that may, as 'github-token'. The app of ${{ github.token }} is GitHub Actions"
            }
            Self::UnknownCommit => {
                "push the commit first; a commit that checkout made by itself, such as a merge, exists only in the job"
            }
            Self::Taken { .. } | Self::Unexpected => return None,
        })
    }
}

impl Help for GitHubError {
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
            Self::Refused { reason, .. } => return reason.help().map(str::to_owned),
            Self::RateLimited { .. } => {
                "run again later; the limit counts all requests of the token, so fewer jobs at once, or a token of another app, help"
            }
            Self::Unavailable { class: Class::Certificate, .. } => AUTHORITY_HELP,
            Self::Unavailable { .. } => {
                "see https://www.githubstatus.com, the network of the runner, and HTTPS_PROXY and NO_PROXY if it needs a \
                 proxy; then run again"
            }
            Self::File { .. } => return None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use sys::error::Failure;

    /// The message and the help for each class. The bodies are GitHub's.
    #[test]
    fn each_refusal_has_its_own_message_and_help() {
        let bodies = [
            (
                401,
                r#"{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}"#,
            ),
            (403, r#"{"message":"Resource not accessible by integration","status":"403"}"#),
            (403, r#"{"message":"Resource not accessible by personal access token","status":"403"}"#),
            (
                403,
                r#"{"message":"Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization."}"#,
            ),
            (403, r#"{"message":"Repository was archived so is read-only."}"#),
            (403, r#"{"message":"Must have admin rights to Repository."}"#),
            (
                403,
                r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#,
            ),
            (404, r#"{"message":"Not Found","status":"404"}"#),
            (
                422,
                r#"{"message":"Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n","status":"422"}"#,
            ),
            (422, r#"{"message":"Object does not exist","status":"422"}"#),
            (422, r#"{"message":"Validation Failed","status":"422"}"#),
            (302, "<html>\nlog in"),
            (418, ""),
        ];
        let text: Vec<String> = bodies
            .iter()
            .map(|(status, body)| {
                let (body, headers) = ((*body).to_owned().into(), HeaderMap::new());
                let answer = Answer { status: *status, headers, body, attempts: 1 };
                let error = GitHubError::refused("create the tag v1.2.4 in acme/shop", &answer, false);
                Failure::from(error).to_string()
            })
            .collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }
}
