//! Why a request to Google, or to GitHub for Google, failed.

use std::path::PathBuf;

use super::claims::Claims;
use super::cluster_name::ClusterName;
use super::identity::Identity;
use super::key_version::KeyVersion;
use crate::inputs::ClusterEndpoint;
use sys::http::Class;

/// One variant for each class of failure. `answer` is the server's answer. `help` says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GoogleError {
    /// A base URL that is not safe for tokens.
    #[error("'{url}' is not a URL that a token may be sent to: only HTTPS, or this machine")]
    Endpoint {
        /// The URL without its query.
        url: String,
    },
    /// The cluster's name is invalid.
    #[error("the cluster {name} cannot be looked up: its name, location or project is empty or no name")]
    ClusterName { name: ClusterName },
    /// The job cannot request a token from GitHub.
    #[error("the {identity} needs an id token of GitHub, and this job cannot have one")]
    NoIdToken {
        identity: Box<Identity>,
        /// Whether the run is for a pull request from a fork.
        fork: bool,
    },
    /// GitHub refused the token.
    #[error("GitHub gave this job no id token for the {identity} ({status}: {answer})")]
    IdToken { identity: Box<Identity>, status: u16, answer: String },
    /// `invalid_target`: no such provider.
    #[error("the provider {} of the {identity} does not exist or is disabled ({answer})", identity.provider())]
    UnknownProvider {
        identity: Box<Identity>,
        /// The claims of the job.
        claims: Claims,
        answer: String,
    },
    /// `unauthorized_client`: the provider's condition is not met.
    #[error("the provider {} of the {identity} does not trust this job ({answer})", identity.provider())]
    Rejected {
        identity: Box<Identity>,
        /// The claims of the job.
        claims: Claims,
        answer: String,
    },
    /// A claim is longer than Google allows.
    #[error("the provider {} of the {identity} cannot take this job's id token: a claim is longer than 127 bytes ({answer})", identity.provider())]
    ClaimTooLong {
        identity: Box<Identity>,
        /// The claims of the job.
        claims: Claims,
        answer: String,
    },
    /// The exchange was refused for another reason.
    #[error("the provider {} of the {identity} refuses this job's id token ({status} {answer})", identity.provider())]
    ExchangeRefused {
        identity: Box<Identity>,
        /// The claims of the job.
        claims: Claims,
        status: u16,
        answer: String,
    },
    /// 403 `iam.serviceAccounts.getAccessToken`.
    #[error("the provider trusts this job, but it may not act as the {identity} (403 {answer})")]
    NotImpersonable {
        identity: Box<Identity>,
        /// The repository according to the token.
        repository: Option<String>,
        answer: String,
    },
    /// 404: no such service account.
    #[error("there is no service account for the {identity} (404 {answer})")]
    NoAccount { identity: Box<Identity>, answer: String },
    /// The account does not allow tokens with the requested lifetime, nor with a slightly shorter one.
    #[error(
        "Google gives no token of the {identity} that lives for an hour, nor for 55 minutes (400 {answer})"
    )]
    Lifetime { identity: Box<Identity>, answer: String },
    /// An API is not enabled.
    #[error("the API {service}.googleapis.com is not enabled for the {identity} (403 {answer})")]
    Disabled {
        identity: Box<Identity>,
        service: &'static str,
        /// The project to enable it in.
        project: String,
        answer: String,
    },
    /// The account may not see the cluster.
    #[error("the {identity} may not look up the cluster {name} ({answer})")]
    ClusterForbidden { identity: Box<Identity>, name: ClusterName, answer: String },
    /// The cluster does not exist.
    #[error("there is no cluster {name} ({answer})")]
    NoCluster { name: ClusterName, answer: String },
    /// The account cannot use the key.
    #[error("the {identity} cannot use {key} ({status} {answer})")]
    KeyRefused { identity: Box<Identity>, key: KeyVersion, status: u16, answer: String },
    /// The key is of another kind.
    #[error("the key {key} is of the algorithm {algorithm}, not {expected}")]
    KeyAlgorithm { key: KeyVersion, algorithm: String, expected: &'static str },
    /// The cluster has no endpoint of this kind.
    #[error("the cluster {name} has no {} endpoint", wanted.map_or("usable", ClusterEndpoint::word))]
    NoEndpoint {
        name: ClusterName,
        /// The wanted kind.
        wanted: Option<ClusterEndpoint>,
        /// The existing kinds.
        there: Vec<ClusterEndpoint>,
    },
    /// A refusal of another class.
    #[error("could not {what} ({status} {answer})")]
    Refused { what: String, status: u16, answer: String },
    /// 408, 429 or 5xx until the retries were used up.
    #[error("could not {what}: {host} is not available ({status} {answer}; tried {attempts} times)")]
    Unavailable {
        /// The request.
        what: String,
        /// The host.
        host: String,
        status: u16,
        answer: String,
        /// The number of tries.
        attempts: u32,
    },
    /// No answer.
    #[error("could not {what}: {host} cannot be reached: {reason} (tried {attempts} times)")]
    Unreachable {
        /// The request.
        what: String,
        /// The host.
        host: String,
        reason: String,
        /// What kind of failure it was.
        class: Class,
        /// The number of tries.
        attempts: u32,
    },
    /// An invalid answer.
    #[error("could not {what}: {reason}")]
    Nonsense {
        /// The request.
        what: String,
        reason: String,
    },
    /// The credential file cannot be written.
    #[error("cannot write the credential file {}: {reason}", path.display())]
    Write { path: PathBuf, reason: String },
}

impl From<&Identity> for Box<Identity> {
    fn from(identity: &Identity) -> Self {
        Self::new(identity.clone())
    }
}
