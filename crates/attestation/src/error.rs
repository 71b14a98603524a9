//! Why a statement was not signed, or a bundle is not accepted.

use sys::error::{Exit, Help};

/// A statement was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A service could not be reached, or did not answer in time.
    #[error("{service} cannot be reached: {reason}")]
    Unreachable {
        /// `Fulcio`, `Rekor` or `the timestamp authority`, with its URL.
        service: String,
        /// The system's reason.
        reason: String,
    },
    /// A service refused the request.
    #[error("{service} answered {status}: {message}")]
    Refused {
        service: String,
        status: u16,
        /// The message of the service, without secrets.
        message: String,
    },
    /// A service returned an unusable answer.
    #[error("{service} answered with something that is not a {expected}: {reason}")]
    Answer {
        service: String,
        /// What was expected.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The key could not sign.
    #[error("the key cannot sign: {0}")]
    Key(String),
    /// The statement cannot be signed.
    #[error("the statement cannot be signed: {0}")]
    Statement(String),
}

impl Help for SignError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "check the status of the service and that the runner may reach it; `sigstore-fulcio-url`, \
                 `sigstore-rekor-url` and `sigstore-timestamp-url` name another instance"
                    .to_owned(),
            ),
            Self::Refused { status: 400 | 401 | 403, .. } => Some(
                "Fulcio takes id tokens of GitHub for the audience `sigstore`: give the job `id-token: write`".to_owned(),
            ),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Statement(_) => Exit::Failed,
            _ => Exit::Unavailable,
        }
    }
}

/// Why a bundle is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The bundle cannot be read.
    #[error("the bundle is malformed: {0}")]
    Bundle(String),
    /// The statement in it cannot be read, or has too few or too many parts.
    #[error("the statement is malformed: {0}")]
    Statement(String),
    /// The statement is about another image.
    #[error("the statement is about {found}, not about {expected}")]
    Subject {
        /// The digest in the statement.
        found: String,
        /// The expected digest.
        expected: String,
    },
    /// The signature, the certificate, the log entry or the time is invalid.
    #[error("the signature is not valid: {0}")]
    Signature(String),
    /// The trust root cannot be used.
    #[error("the trust root cannot be used: {0}")]
    TrustRoot(String),
}
