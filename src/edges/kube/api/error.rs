//! Why a cluster could not be asked, or refused.

use std::time::Duration;

use super::permission::Permission;

/// How far a request came that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The server takes connections, and does not answer.
    Stalled,
    /// Nothing answers at all, as behind a firewall.
    Silent,
    /// Nothing listens there.
    Refused,
    /// The server's name is not known.
    NoHost,
    /// It broke off.
    Broken,
}

/// One variant for each class; `answer` is the answer of the cluster. `help` says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The kubeconfig reaches no cluster.
    #[error("the kubeconfig names no cluster")]
    NoCluster,
    /// The kubeconfig's server is no URL.
    #[error("the server of the kubeconfig's cluster is not an http or https URL")]
    Server,
    /// A part of a kubeconfig that only kubectl understands.
    #[error("the kubeconfig has `{what}`, which is not supported here")]
    Unsupported {
        /// The key.
        what: &'static str,
    },
    /// A certificate, key or token cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Material {
        /// What it is.
        what: &'static str,
        /// Why, without quoting it.
        reason: String,
    },
    /// The program that makes credentials failed.
    #[error("the credential program `{command}` of the kubeconfig failed: {reason}")]
    Exec {
        /// The program.
        command: String,
        /// Why.
        reason: String,
        /// How to install it, in the kubeconfig's words.
        hint: Option<String>,
    },
    /// No answer.
    #[error("the cluster at {server} {}: {reason}{}", failed(*reach), tried(*attempts))]
    Unreachable {
        /// Its URL.
        server: String,
        /// Why.
        reason: String,
        /// How far it came.
        reach: Reach,
        /// Whether it is an address inside a private network.
        private: bool,
        /// Whether somebody gave the kubeconfig; else the cluster was looked up.
        given: bool,
        /// How often it was tried.
        attempts: u32,
    },
    /// The two sides do not trust each other's certificates.
    #[error("the certificate of the cluster at {server} is not trusted: {reason}")]
    Certificate {
        /// Its URL.
        server: String,
        /// Whether somebody gave the kubeconfig; else the cluster was looked up.
        given: bool,
        /// Why.
        reason: String,
    },
    /// 401.
    #[error("the cluster at {server} does not accept {login} (401 {answer})")]
    Unauthorized {
        /// Its URL.
        server: String,
        /// How we logged in.
        login: String,
        /// Whether somebody gave the kubeconfig; else the account's token was refused.
        given: bool,
        /// The cluster's answer.
        answer: String,
    },
    /// The access review says no.
    #[error("the cluster at {server} does not let us {action}{}", reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    NotAllowed {
        /// Its URL.
        server: String,
        /// What we need to do.
        action: Permission,
        /// Why, if it says so.
        reason: Option<String>,
    },
    /// The subnamespace is ready, and its parent's roles are not in it.
    #[error("the subnamespace {} is ready, but the cluster at {server} does not let us {action}, {} s later", action.namespace, waited.as_secs())]
    NotPropagated {
        /// Its URL.
        server: String,
        /// The parent.
        parent: String,
        /// What we need to do.
        action: Box<Permission>,
        /// How long we waited.
        waited: Duration,
    },
    /// 403 by the cluster's own rules.
    #[error("could not {what} at {server} (403 {answer})")]
    Forbidden {
        /// What was asked.
        what: String,
        /// Its URL.
        server: String,
        /// The cluster's answer.
        answer: String,
    },
    /// The parent namespace is not there.
    #[error("the cluster at {server} has no namespace {namespace}")]
    NoNamespace {
        /// Its URL.
        server: String,
        /// The parent.
        namespace: String,
    },
    /// The cluster does not know subnamespaces.
    #[error(
        "the cluster at {server} has no Hierarchical Namespace Controller: it does not know hnc.x-k8s.io/v1alpha2"
    )]
    NoController {
        /// Its URL.
        server: String,
    },
    /// The controller's webhook does not answer.
    #[error(
        "could not create the subnamespace {name}: the Hierarchical Namespace Controller does not answer (500 {answer})"
    )]
    ControllerDown {
        /// The subnamespace.
        name: String,
        /// The cluster's answer.
        answer: String,
    },
    /// There is a namespace of that name which is not ours.
    #[error("the name {name} of a subnamespace of {parent} is taken ({answer})")]
    Taken {
        /// The subnamespace.
        name: String,
        /// Its parent.
        parent: String,
        /// The cluster's answer.
        answer: String,
    },
    /// The parent may have no subnamespaces.
    #[error("the namespace {parent} may not have the subnamespace {name} ({answer})")]
    NoChildren {
        /// The subnamespace.
        name: String,
        /// Its parent.
        parent: String,
        /// The cluster's answer.
        answer: String,
    },
    /// 422.
    #[error("{name} cannot be a subnamespace (422 {answer})")]
    Invalid {
        /// The subnamespace.
        name: String,
        /// The cluster's answer.
        answer: String,
    },
    /// It did not become ready.
    #[error("the subnamespace {name} of {parent} was not ready after {} s ({})", limit.as_secs(), state.as_deref().map_or_else(|| "the controller has reported no state".to_owned(), |state| format!("its state is {state}")))]
    TimedOut {
        /// The subnamespace.
        name: String,
        /// Its parent.
        parent: String,
        /// How long we waited.
        limit: Duration,
        /// The last state that the controller reported.
        state: Option<String>,
    },
    /// 408, 429 or 5xx until the tries were used up.
    #[error(
        "could not {what}: the cluster at {server} is not available ({status} {answer}; tried {attempts} times)"
    )]
    Unavailable {
        /// What was asked.
        what: String,
        /// Its URL.
        server: String,
        /// The last status.
        status: u16,
        /// What was answered.
        answer: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A refusal of no known class.
    #[error("could not {what} at {server} ({status} {answer})")]
    Refused {
        /// What was asked.
        what: String,
        /// Its URL.
        server: String,
        /// The status.
        status: u16,
        /// What was answered.
        answer: String,
    },
}

fn failed(reach: Reach) -> &'static str {
    if reach == Reach::Stalled { "takes connections but does not answer" } else { "cannot be reached" }
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() }
}
