//! Errors of registries, and what to do about them.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::digest::Digest;
use super::origin::CredentialsOrigin;
use super::reference::{Reference, Repository};
use super::reference_error::ReferenceError;
use crate::logins::LoginsError;
use sys::error::{Exit, Help};
use sys::http::Class;
pub(super) use sys::retry::Again;
use sys::retry::Failed;

/// A request in words, without secrets: `HEAD /v2/acme/shop/manifests/1.2.3 at ghcr.io`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub repository: Repository,
    pub text: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An unexpected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryAnswer {
    pub asked: Asked,
    pub status: u16,
    /// The registry's error codes, such as `MANIFEST_UNKNOWN`.
    pub codes: Vec<String>,
    /// The registry's message on one line, shortened. May be empty.
    pub says: String,
}

impl fmt::Display for RegistryAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was answered {}", self.asked, self.status)?;
        if self.says.is_empty() { Ok(()) } else { write!(f, ": {}", self.says) }
    }
}

/// A failure of the edge to registries.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A name is invalid.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// 401 or 403, from the registry or from the server that issues its tokens.
    #[error("{answer} (asked with {origin})")]
    Denied {
        answer: Box<RegistryAnswer>,
        /// The source of the credentials that were not enough.
        origin: CredentialsOrigin,
    },
    /// The registry does not have it.
    #[error("{what} is not in {repository}")]
    NotFound {
        repository: Repository,
        /// `manifest 1.2.3`, `blob sha256:…`.
        what: String,
    },
    /// Another unsuccessful answer.
    #[error("{0}")]
    Refused(Box<RegistryAnswer>),
    /// There was no answer: the connection, TLS, a broken connection, silence.
    #[error("{asked} got no answer: {reason}")]
    Unreachable {
        asked: Box<Asked>,
        /// The chain of causes.
        reason: String,
        /// What kind of failure it was.
        class: Class,
    },
    /// An answer that violates the protocol.
    #[error("{asked} got an invalid answer: {reason}")]
    Nonsense {
        asked: Box<Asked>,
        /// What is wrong with it.
        reason: String,
    },
    /// The content does not match its digest or size.
    #[error("{what} of {repository} should be {expected} but is {found}")]
    Mismatch {
        /// The repository that it came from or went to.
        repository: Box<Repository>,
        /// `blob sha256:…`, `manifest sha256:…`.
        what: String,
        /// The expected digest or number of bytes.
        expected: String,
        /// The actual one.
        found: String,
    },
    /// A manifest that cannot be copied completely.
    #[error("manifest {digest} of {repository} cannot be copied: {reason}")]
    Unsupported { repository: Repository, digest: Digest, reason: String },
    /// The destination tag names another image and must not move.
    #[error("{reference} already is {holds}, not {wanted}")]
    Taken {
        reference: Box<Reference>,
        /// Its current digest.
        holds: Digest,
        /// The wanted digest.
        wanted: Digest,
    },
    /// After writing, the tag names something else.
    #[error("{reference} should be {expected} after the copy, but is {}", found.as_ref().map_or("missing", Digest::as_str))]
    Moved {
        reference: Box<Reference>,
        /// The written digest.
        expected: Digest,
        /// The digest that was read back.
        found: Option<Digest>,
    },
    /// A login file is invalid.
    #[error(transparent)]
    Logins(#[from] LoginsError),
    /// A credential helper failed.
    #[error("{program} gave no credentials for {registry}: {reason}")]
    Helper {
        program: String,
        registry: String,
        /// Its message, shortened.
        reason: String,
    },
    /// Sending the credentials there would reveal them to everyone on the way.
    #[error("{registry} wants credentials sent to {to} without TLS")]
    Insecure {
        registry: String,
        /// Scheme and host.
        to: String,
    },
    /// `insecure-registries` names something that is not a host.
    #[error("`insecure-registries` names {text:?}, which is not a host")]
    NotAHost { text: String },
    /// The registry names a private address as its token server.
    #[error("{registry} wants credentials sent to {to}, which is not public as the registry is")]
    Inward {
        registry: String,
        /// Scheme and host.
        to: String,
    },
    /// The registry does not allow the tag to move.
    #[error("{reference} is {holds}, and the registry does not move it to {wanted}")]
    Immutable {
        reference: Box<Reference>,
        /// Its current digest.
        holds: Digest,
        /// The wanted digest.
        wanted: Digest,
        /// The registry's answer.
        #[source]
        refusal: Box<OciError>,
    },
    /// A local file to push could not be read.
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The HTTP client could not be set up.
    #[error("cannot set up HTTPS: {0}")]
    Setup(String),
}

impl OciError {
    /// Whether the registry says that we lack the rights.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether this answer leaves the question open. If the question could only save work, that is not a failure.
    pub fn leaves_open(&self) -> bool {
        matches!(
            self,
            Self::Denied { .. }
                | Self::Refused(_)
                | Self::Nonsense { .. }
                | Self::Mismatch { .. }
                | Self::Unsupported { .. }
        )
    }

    /// Whether this is an answer with a 5xx status.
    pub(super) fn is_failure_of_registry(&self) -> bool {
        matches!(self, Self::Refused(answer) if answer.status >= 500)
    }

    /// Whether a refused write of an existing tag may mean that tags are immutable. Codes about the manifest or its
    /// content mean something else.
    pub(super) fn may_keep_tag(&self) -> bool {
        let (Self::Denied { answer, .. } | Self::Refused(answer)) = self else { return false };
        let blames_content = |code: &String| {
            code.ends_with("_UNKNOWN") || ["DIGEST_INVALID", "SIZE_INVALID"].contains(&&**code)
        };
        matches!(answer.status, 400 | 403 | 409 | 412) && !answer.codes.iter().any(blames_content)
    }

    /// Whether an object cannot be read from this repository.
    pub(super) fn is_unreadable_at(&self, place: &Repository) -> bool {
        match self {
            Self::Denied { answer, .. } | Self::Refused(answer) => answer.asked.repository == *place,
            Self::Nonsense { asked, .. } => asked.repository == *place,
            Self::Mismatch { repository, .. } => **repository == *place,
            Self::Unsupported { repository, .. } | Self::NotFound { repository, .. } => repository == place,
            _ => false,
        }
    }

    /// Whether this is about content that does not match its digest.
    pub(super) fn is_mismatch(&self) -> bool {
        match self {
            Self::Mismatch { .. } => true,
            Self::Refused(answer) => answer.codes.iter().any(|code| code == "DIGEST_INVALID"),
            _ => false,
        }
    }
}

/// Whether the request is a write, or for a token to write.
fn wants_to_push(asked: &Asked) -> bool {
    let reads = asked.text.starts_with("GET") || asked.text.starts_with("HEAD");
    !reads || asked.text.contains("pull,push")
}

fn denied(answer: &RegistryAnswer, origin: &CredentialsOrigin) -> String {
    let repository = &answer.asked.repository;
    let registry = repository.registry();
    match origin {
        CredentialsOrigin::Anonymous => format!(
            "no credentials for {repository} were found: give registry-username and registry-password, \
             or log in before (docker login {registry})"
        ),
        CredentialsOrigin::Given => format!(
            "the user or token that was given may not do this in {repository}: check the user name and \
             password, and grant it {}",
            if wants_to_push(&answer.asked) { "the right to push" } else { "the right to pull" }
        ),
        CredentialsOrigin::File(path) => format!(
            "the login for {repository} in {} is not valid (any more) or may not do this: log in again \
             (docker login {registry}), or grant that user the right",
            path.display()
        ),
        CredentialsOrigin::Failed { program, .. } => format!(
            "install {program}, or remove it from Docker's config.json and log in again (docker login {registry}); \
             or give registry-username and registry-password"
        ),
        CredentialsOrigin::Helper(program) => format!(
            "the credentials of {program} may not do this in {repository}: see which account it uses, and \
             grant that account the right"
        ),
    }
}

/// What to do about a TLS error, based on the words of rustls.
fn certificate(registry: &str, reason: &str) -> String {
    if reason.contains("expired") || reason.contains("not valid yet") {
        return format!("have the certificate of {registry} renewed, or set the clock of this machine right");
    }
    if reason.contains("not valid for") || reason.contains("NotValidForName") {
        return format!(
            "call the registry by the name that its certificate is for, or have {registry} added to it"
        );
    }
    format!(
        "check the certificate of {registry}: its authority must be one that this machine trusts \
         (NODE_EXTRA_CA_CERTS names a file with more, a company's own for example); if the registry has no TLS and its \
         network is trusted, add {registry} to insecure-registries"
    )
}

fn refused(answer: &RegistryAnswer) -> Option<String> {
    Some(match answer.status {
        404 => format!("check that the repository {} exists", answer.asked.repository),
        413 => "the registry, or a proxy before it, refuses uploads of this size: raise its limit".to_owned(),
        429 => "the registry limits how often it may be asked: try again later, or log in for a higher limit"
            .to_owned(),
        500.. => "the registry failed; what was copied so far stays: run this again".to_owned(),
        _ => return None,
    })
}

impl Help for OciError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Reference(error) => return error.help(),
            Self::Logins(error) => return error.help(),
            Self::Denied { answer, origin } => denied(answer, origin),
            Self::NotFound { repository, .. } => format!(
                "check the name and that it was pushed to {repository}; some registries also answer \
                 \"not found\" where the rights to read are missing"
            ),
            Self::Refused(answer) => return refused(answer),
            Self::Unreachable { asked, class: Class::Certificate | Class::Handshake, reason } => {
                certificate(asked.repository.registry(), reason)
            }
            Self::Unreachable { asked, .. } => format!(
                "check that {} can be reached from here (name, port, HTTPS_PROXY, NO_PROXY), then run this again",
                asked.repository.registry()
            ),
            Self::Nonsense { asked, .. } => format!(
                "check that {} is a registry that speaks the OCI distribution API",
                asked.repository.registry()
            ),
            Self::Mismatch { repository, .. } => format!(
                "the content is damaged in {repository} or on the way: push the image again, or run this again"
            ),
            Self::Taken { .. } => "a tag that was promoted does not move: use a new version, or say \
                                   on-existing: overwrite"
                .to_owned(),
            Self::Immutable { reference, .. } => format!(
                "the tags of {} are immutable, or this account may not overwrite them: use a new version, or \
                 allow that at the registry",
                reference.repository
            ),
            Self::Moved { .. } => {
                "somebody else wrote this tag at the same time: find out who, then run this again".to_owned()
            }
            Self::Helper { program, registry, .. } => {
                format!("check that `{program} get` works for {registry}, or give the credentials as inputs")
            }
            Self::Insecure { to, .. } => {
                let host = to.trim_start_matches("http://");
                format!("use a registry with TLS, or add {host} to insecure-registries if its network is trusted")
            }
            Self::NotAHost { .. } => {
                "write host or host:port, without a scheme and a path; *.svc.cluster.local covers all names below"
                    .to_owned()
            }
            Self::Inward { registry, to } => format!(
                "find out why {registry} names {to}; if that is right, use the registry by its own private name"
            ),
            Self::Setup(_) => "install the system's CA certificates (ca-certificates)".to_owned(),
            Self::Unsupported { .. } | Self::File { .. } => return None,
        };
        Some(help)
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Reference(_)
            | Self::Logins(_)
            | Self::Insecure { .. }
            | Self::Inward { .. }
            | Self::NotAHost { .. } => Exit::Usage,
            Self::Denied { .. }
            | Self::Refused(_)
            | Self::Unreachable { .. }
            | Self::Nonsense { .. }
            | Self::Helper { .. }
            | Self::Setup(_) => Exit::Unavailable,
            Self::NotFound { .. }
            | Self::Mismatch { .. }
            | Self::Unsupported { .. }
            | Self::Taken { .. }
            | Self::Immutable { .. }
            | Self::Moved { .. }
            | Self::File { .. } => Exit::Failed,
        }
    }
}

/// A failed try, and whether to try again.
pub(super) type Trouble = Failed<OciError>;

impl From<OciError> for Trouble {
    fn from(error: OciError) -> Self {
        let again = if error.is_mismatch() { Again::Once } else { Again::No };
        Self { error, again }
    }
}

impl From<ReferenceError> for Trouble {
    fn from(error: ReferenceError) -> Self {
        OciError::from(error).into()
    }
}
