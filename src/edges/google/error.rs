//! Why Google, or GitHub on the way to it, did not do what it was asked.

use std::path::PathBuf;

use super::claims::Claims;
use super::cluster::ClusterName;
use super::identity::{Identity, Role};
use crate::inputs::ClusterEndpoint;
use sys::http::Class;

/// One variant for each class of failure; `answer` is what was answered. What can be done about each
/// is in `help`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GoogleError {
    /// A base URL that no token may be sent to.
    #[error("'{url}' is no URL that a token may be sent to: only HTTPS, or this machine")]
    Endpoint {
        /// As it was given, without its query.
        url: String,
    },
    /// The provider's name cannot be one.
    #[error("'{provider}' is not the name of a workload identity provider of the {role} identity: {problem}")]
    Provider {
        /// Whose.
        role: Role,
        /// As it was given.
        provider: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The service account's name cannot be one.
    #[error("'{account}' is not the address of a service account of the {role} identity")]
    Account {
        /// Whose.
        role: Role,
        /// As it was given.
        account: String,
    },
    /// The cluster's name cannot be one.
    #[error("the cluster {name} cannot be looked up: its name, location or project is empty or no name")]
    ClusterName {
        /// As it was given.
        name: ClusterName,
    },
    /// GitHub gave the job no way to ask for a token.
    #[error("the {identity} needs an id token of GitHub, and this job cannot have one")]
    NoIdToken {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Whether it is a pull request from a fork.
        fork: bool,
    },
    /// GitHub refused the token.
    #[error("GitHub gave this job no id token for the {identity} ({status}: {answer})")]
    IdToken {
        /// Who we want to be.
        identity: Box<Identity>,
        /// The status.
        status: u16,
        /// GitHub's answer.
        answer: String,
    },
    /// `invalid_target`: no such provider.
    #[error("the provider {} of the {identity} does not exist or is disabled ({answer})", identity.provider())]
    UnknownProvider {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Who we are.
        claims: Claims,
        /// Google's answer.
        answer: String,
    },
    /// `unauthorized_client`: the provider's condition does not hold.
    #[error("the provider {} of the {identity} does not trust this job ({answer})", identity.provider())]
    Rejected {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Who we are.
        claims: Claims,
        /// Google's answer.
        answer: String,
    },
    /// A claim is longer than Google takes.
    #[error("the provider {} of the {identity} cannot take this job's id token: a claim is longer than 127 bytes ({answer})", identity.provider())]
    ClaimTooLong {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Who we are.
        claims: Claims,
        /// Google's answer.
        answer: String,
    },
    /// The exchange was refused for another reason.
    #[error("the provider {} of the {identity} refuses this job's id token ({status} {answer})", identity.provider())]
    ExchangeRefused {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Who we are.
        claims: Claims,
        /// The status.
        status: u16,
        /// Google's answer.
        answer: String,
    },
    /// 403 `iam.serviceAccounts.getAccessToken`.
    #[error("the provider trusts this job, but it may not act as the {identity} (403 {answer})")]
    NotImpersonable {
        /// Who we want to be.
        identity: Box<Identity>,
        /// The repository, as its token says.
        repository: Option<String>,
        /// Google's answer.
        answer: String,
    },
    /// 404: no such service account.
    #[error("there is no service account for the {identity} (404 {answer})")]
    NoAccount {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Google's answer.
        answer: String,
    },
    /// The account's tokens may not live for as long as we ask, not even for a little less.
    #[error(
        "Google gives no token of the {identity} that lives for an hour, nor for 55 minutes (400 {answer})"
    )]
    Lifetime {
        /// Who we want to be.
        identity: Box<Identity>,
        /// Google's answer.
        answer: String,
    },
    /// An API that is not enabled.
    #[error("the API {service}.googleapis.com is not enabled for the {identity} (403 {answer})")]
    Disabled {
        /// Who we are.
        identity: Box<Identity>,
        /// The service.
        service: &'static str,
        /// The project to enable it in.
        project: String,
        /// Google's answer.
        answer: String,
    },
    /// The cluster may not be looked at.
    #[error("the {identity} may not look up the cluster {name} ({answer})")]
    ClusterForbidden {
        /// Who we are.
        identity: Box<Identity>,
        /// Which cluster.
        name: ClusterName,
        /// Google's answer.
        answer: String,
    },
    /// No such cluster.
    #[error("there is no cluster {name} ({answer})")]
    NoCluster {
        /// Which cluster.
        name: ClusterName,
        /// Google's answer.
        answer: String,
    },
    /// The cluster has no endpoint of the kind.
    #[error("the cluster {name} has no {} endpoint", wanted.map_or("usable", ClusterEndpoint::word))]
    NoEndpoint {
        /// Which cluster.
        name: ClusterName,
        /// What was asked for.
        wanted: Option<ClusterEndpoint>,
        /// What there is.
        there: Vec<ClusterEndpoint>,
    },
    /// A refusal of no known class.
    #[error("could not {what} ({status} {answer})")]
    Refused {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// What was answered.
        answer: String,
    },
    /// 408, 429 or 5xx until the tries were used up.
    #[error("could not {what}: {host} is not available ({status} {answer}; tried {attempts} times)")]
    Unavailable {
        /// What was asked.
        what: String,
        /// Of whom.
        host: String,
        /// The last status.
        status: u16,
        /// What was answered.
        answer: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// No answer at all.
    #[error("could not {what}: {host} cannot be reached: {reason} (tried {attempts} times)")]
    Unreachable {
        /// What was asked.
        what: String,
        /// Of whom.
        host: String,
        /// Why.
        reason: String,
        /// What kind of failure it was.
        class: Class,
        /// How often it was tried.
        attempts: u32,
    },
    /// An answer that makes no sense.
    #[error("could not {what}: {reason}")]
    Nonsense {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A credential file cannot be written.
    #[error("cannot write the credential file {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl From<&Identity> for Box<Identity> {
    fn from(identity: &Identity) -> Self {
        Self::new(identity.clone())
    }
}
