//! Why a request to a cluster failed.

use std::time::Duration;

use super::permission::Permission;

/// How far a request got that received no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The server accepts connections but does not answer.
    Stalled,
    /// There is no reaction at all, as behind a firewall.
    Silent,
    /// The connection was refused.
    Refused,
    /// The server's name cannot be resolved.
    NoHost,
    /// The connection broke.
    Broken,
}

/// One variant for each class of failure. `answer` is the cluster's answer. `help` says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The kubeconfig contains no cluster.
    #[error("the kubeconfig names no cluster")]
    NoCluster,
    /// The kubeconfig's server is not a URL.
    #[error("the server of the kubeconfig's cluster is not an http or https URL")]
    Server,
    /// A part of the kubeconfig that only kubectl supports.
    #[error("the kubeconfig has `{what}`, which is not supported here")]
    Unsupported { what: &'static str },
    /// A certificate, key or token cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Material {
        what: &'static str,
        /// Why, without quoting it.
        reason: String,
    },
    /// The program for credentials failed.
    #[error("the credential program `{command}` of the kubeconfig failed: {reason}")]
    Exec {
        command: String,
        reason: String,
        /// How to install it, according to the kubeconfig.
        hint: Option<String>,
    },
    /// No answer.
    #[error("the cluster at {server} {}: {reason}{}", failed(*reach), tried(*attempts))]
    Unreachable {
        server: String,
        reason: String,
        /// How far the request got.
        reach: Reach,
        /// Whether the address belongs to a private network.
        private: bool,
        /// Whether the user gave the kubeconfig. Otherwise p2p looked up the cluster.
        given: bool,
        /// The number of tries.
        attempts: u32,
    },
    /// The two sides do not trust each other's certificates.
    #[error("the certificate of the cluster at {server} is not trusted: {reason}")]
    Certificate {
        server: String,
        /// Whether the user gave the kubeconfig. Otherwise p2p looked up the cluster.
        given: bool,
        reason: String,
    },
    /// 401.
    #[error("the cluster at {server} does not accept {login} (401 {answer})")]
    Unauthorized {
        server: String,
        /// The kind of login.
        login: String,
        /// Whether the user gave the kubeconfig. Otherwise the account's token was refused.
        given: bool,
        answer: String,
    },
    /// The access review denies the action.
    #[error("the cluster at {server} does not let us {action}{}", reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    NotAllowed {
        server: String,
        action: Permission,
        /// The reason, if the cluster gives one.
        reason: Option<String>,
    },
    /// The subnamespace is ready, but lacks the roles of its parent.
    #[error("the subnamespace {} is ready, but the cluster at {server} does not let us {action}, {} s later", action.namespace, waited.as_secs())]
    NotPropagated {
        server: String,
        parent: String,
        /// The action that p2p needs.
        action: Box<Permission>,
        /// How long p2p waited.
        waited: Duration,
    },
    /// 403 from the cluster's own rules.
    #[error("could not {what} at {server} (403 {answer})")]
    Forbidden { what: String, server: String, answer: String },
    /// The parent namespace does not exist.
    #[error("the cluster at {server} has no namespace {namespace}")]
    NoNamespace { server: String, namespace: String },
    /// The cluster does not support subnamespaces.
    #[error(
        "the cluster at {server} has no Hierarchical Namespace Controller: it does not know hnc.x-k8s.io/v1alpha2"
    )]
    NoController { server: String },
    /// The controller's webhook does not answer.
    #[error(
        "could not create the subnamespace {name}: the Hierarchical Namespace Controller does not answer (500 {answer})"
    )]
    ControllerDown { name: String, answer: String },
    /// A namespace with this name exists, but is not a subnamespace of the parent.
    #[error("the name {name} of a subnamespace of {parent} is taken ({answer})")]
    Taken { name: String, parent: String, answer: String },
    /// The parent may not have subnamespaces.
    #[error("the namespace {parent} may not have the subnamespace {name} ({answer})")]
    NoChildren { name: String, parent: String, answer: String },
    /// 422.
    #[error("{name} cannot be a subnamespace (422 {answer})")]
    Invalid { name: String, answer: String },
    /// The subnamespace was not ready in time.
    #[error("the subnamespace {name} of {parent} was not ready after {} s ({})", limit.as_secs(), state.as_deref().map_or_else(|| "the controller has reported no state".to_owned(), |state| format!("its state is {state}")))]
    TimedOut {
        name: String,
        parent: String,
        /// How long p2p waited.
        limit: Duration,
        /// The last state that the controller reported.
        state: Option<String>,
    },
    /// 408, 429 or 5xx until the retries were used up.
    #[error(
        "could not {what}: the cluster at {server} is not available ({status} {answer}; tried {attempts} times)"
    )]
    Unavailable {
        what: String,
        server: String,
        status: u16,
        answer: String,
        /// The number of tries.
        attempts: u32,
    },
    /// A refusal of another class.
    #[error("could not {what} at {server} ({status} {answer})")]
    Refused { what: String, server: String, status: u16, answer: String },
}

fn failed(reach: Reach) -> &'static str {
    if reach == Reach::Stalled { "takes connections but does not answer" } else { "cannot be reached" }
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() }
}
