//! What the user can do about each class of failure, ready to paste.

use super::error::{ApiError, Reach};
use sys::error::{Exit, Help};
use sys::http::AUTHORITY_HELP;

/// How to work without the controller.
const SKIP: &str = "set `skip-subnamespaces-create: true` where the namespaces are made by other means";

const AUTH_PROVIDER: &str =
    "kubectl has removed it as well: let the user have an `exec` program, a token or a certificate";

const OTHER_CLUSTER: &str =
    "the token was issued, but this cluster does not take it: check project-id, region and cluster-name";

const RIGHTS: &str = "let the account act in the tenant's namespaces; on GKE it needs roles/container.clusterViewer, \
and container.clusters.connect for the DNS-based endpoint";

impl Help for ApiError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoCluster => "give the input kubeconfig, or project-id, region and cluster-name".to_owned(),
            Self::Server => "correct the kubeconfig".to_owned(),
            Self::Unsupported { what: "auth-provider" } => AUTH_PROVIDER.to_owned(),
            Self::Unsupported { .. } => "give a kubeconfig without it".to_owned(),
            Self::Material { .. } => {
                "correct the kubeconfig; `kubectl get --raw /version` tries it out".to_owned()
            }
            Self::Exec { hint, .. } => match hint {
                Some(hint) => hint.clone(),
                None => "run it by hand, or give a kubeconfig whose user has a token".to_owned(),
            },
            Self::Unreachable { reach, private, given, .. } => unreachable(*reach, *private, *given),
            Self::Certificate { given: true, .. } => format!(
                "check certificate-authority-data of the kubeconfig, or, where it has none, {AUTHORITY_HELP}"
            ),
            Self::Certificate { .. } => AUTHORITY_HELP.to_owned(),
            Self::Unauthorized { given: true, login, .. } => format!(
                "the kubeconfig that you gave (the input kubeconfig or KUBECONFIG) is for another cluster, or {login} is no longer valid: renew it, and try it with\nkubectl --kubeconfig FILE auth whoami"
            ),
            Self::Unauthorized { .. } => OTHER_CLUSTER.to_owned(),
            Self::NotAllowed { action, .. } => format!(
                "most often the tenant is not deployed to this cluster, or the namespace is another one (check tenant-name and app-name):\nkubectl auth can-i {} {} --namespace {}",
                action.verb,
                action.kind(),
                action.namespace
            ),
            Self::NotPropagated { parent, action, .. } => format!(
                "the controller copies the role bindings of {parent} to its subnamespaces: ask the platform's team why they are missing:\nkubectl get rolebindings --namespace {parent}\nkubectl get rolebindings --namespace {}\nkubectl describe hierarchyconfiguration --namespace {parent}",
                action.namespace
            ),
            Self::Forbidden { .. } => RIGHTS.to_owned(),
            Self::NoNamespace { namespace, .. } => format!(
                "check tenant-name, and that the tenant is deployed to this cluster:\nkubectl get namespace {namespace}"
            ),
            Self::NoController { .. } => format!("install it, or {SKIP}"),
            Self::ControllerDown { .. } => {
                format!(
                    "ask the platform's team; its pods are shown by\nkubectl get pods --namespace hnc-system\nor {SKIP}"
                )
            }
            Self::Taken { name, .. } => format!(
                "there is a namespace of this name that is not a subnamespace of the tenant's: choose another one (an input namespace-…), or delete it:\nkubectl get namespace {name} --show-labels"
            ),
            Self::NoChildren { parent, .. } => format!(
                "let the tenant have a parent that the controller manages:\nkubectl get namespace {parent} --show-labels\nor {SKIP}"
            ),
            Self::Invalid { .. } => {
                "choose another name: up to 63 lower-case letters, digits and dashes".to_owned()
            }
            Self::TimedOut { name, parent, state, .. } => timed_out(name, parent, state.as_deref()),
            Self::Unavailable { .. } => {
                "an upgrade of the control plane may be going on: run again".to_owned()
            }
            Self::Refused { .. } => return None,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoCluster
            | Self::Server
            | Self::Unsupported { .. }
            | Self::Material { .. }
            | Self::Invalid { .. } => Exit::Usage,
            _ => Exit::Unavailable,
        }
    }
}

/// What to do if the controller does not create a subnamespace in time.
fn timed_out(name: &str, parent: &str, state: Option<&str>) -> String {
    if state == Some("Terminating") {
        return format!("somebody is deleting it; run again when it is gone:\nkubectl get namespace {name}");
    }
    format!(
        "see what the controller says, and whether it runs:\nkubectl describe subnamespaceanchor {name} --namespace {parent}\nkubectl get pods --namespace hnc-system\nor {SKIP}"
    )
}

/// What to do if there was no answer. The most likely cause comes first.
fn unreachable(reach: Reach, private: bool, given: bool) -> String {
    let address = if given {
        "give a kubeconfig whose server the runner can reach"
    } else {
        "use the DNS-based endpoint (`cluster-endpoint: dns`)"
    };
    let server = if given { "the server of the kubeconfig" } else { "region and cluster-name" };
    match reach {
        Reach::Stalled => "the control plane is overloaded, being upgraded or stopped: check its state, then run again:\nkubectl get --raw '/readyz?verbose'\nif it answers others, check what is in between: HTTPS_PROXY, NO_PROXY, a gateway".to_owned(),
        Reach::Refused => format!("nothing listens there: check {server}, and that the cluster runs"),
        Reach::NoHost => format!("this machine does not know the name: check {server}, and the machine's DNS"),
        Reach::Silent | Reach::Broken if private => format!(
            "this is an address inside a private network, which the runner is not in: use a runner in that network, or {address}"
        ),
        Reach::Silent => format!(
            "a firewall drops the packets; the cluster may accept only authorised networks: {address}, or add the runner's address to them; behind a proxy check HTTPS_PROXY and NO_PROXY"
        ),
        Reach::Broken => format!(
            "the connection broke off: run again; behind a proxy check HTTPS_PROXY and NO_PROXY; check {server}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::edges::kube::Permission;
    use sys::error::Failure;

    fn shown(errors: impl IntoIterator<Item = ApiError>) -> String {
        let texts: Vec<_> = errors.into_iter().map(|error| Failure::from(error).to_string()).collect();
        texts.join("\n\n")
    }

    fn server() -> String {
        "https://gke-1.europe-west2.gke.goog".to_owned()
    }

    #[test]
    fn a_cluster_that_cannot_be_asked_is_explained() {
        let unreachable = |reach, private, given| ApiError::Unreachable {
            server: server(),
            reason: "no answer within 5 s".into(),
            reach,
            private,
            given,
            attempts: 6,
        };
        let unauthorized = |given| ApiError::Unauthorized {
            server: server(),
            login: "the token".into(),
            given,
            answer: "Unauthorized".into(),
        };
        let certificate = |given| ApiError::Certificate {
            server: server(),
            given,
            reason: "invalid peer certificate: UnknownIssuer".into(),
        };
        insta::assert_snapshot!(shown([
            ApiError::NoCluster,
            ApiError::Server,
            ApiError::Unsupported { what: "auth-provider" },
            ApiError::Unsupported { what: "as-user-extra" },
            ApiError::Material { what: "the user's key", reason: "it is not base64".into() },
            ApiError::Exec {
                command: "gke-gcloud-auth-plugin".into(),
                reason: "it is not installed".into(),
                hint: Some("install it with\ngcloud components install gke-gcloud-auth-plugin".into())
            },
            ApiError::Exec {
                command: "aws".into(),
                reason: "it failed with exit code 1: expired".into(),
                hint: None
            },
            unreachable(Reach::Stalled, true, true),
            unreachable(Reach::Silent, true, false),
            unreachable(Reach::Silent, false, false),
            unreachable(Reach::Silent, false, true),
            unreachable(Reach::Refused, false, true),
            unreachable(Reach::NoHost, false, false),
            unreachable(Reach::Broken, false, true),
            certificate(false),
            certificate(true),
            unauthorized(false),
            unauthorized(true),
            ApiError::Unavailable {
                what: "look for the subnamespace shop-nft of shop".into(),
                server: server(),
                status: 503,
                answer: "apiserver not ready".into(),
                attempts: 6
            },
        ]));
    }

    #[test]
    fn what_the_tenant_may_not_do_is_explained() {
        insta::assert_snapshot!(shown([
            ApiError::NotAllowed {
                server: server(),
                action: Permission::create_subnamespaces("shop"),
                reason: None
            },
            ApiError::NotAllowed {
                server: server(),
                action: Permission::deploy("shop-nft"),
                reason: Some("no role binding".into())
            },
            ApiError::NotPropagated {
                server: server(),
                parent: "shop".into(),
                action: Box::new(Permission::deploy("shop-nft")),
                waited: Duration::from_secs(10)
            },
            ApiError::Forbidden {
                what: "ask the cluster whether it lets us x".into(),
                server: server(),
                answer: "Permission 'container.clusters.connect' denied".into()
            },
        ]));
    }

    #[test]
    fn every_refusal_of_a_subnamespace_is_explained() {
        let (name, parent) = (|| "shop-basket-nft".to_owned(), || "shop".to_owned());
        let timed_out = |state: Option<&str>| ApiError::TimedOut {
            name: name(),
            parent: parent(),
            limit: Duration::from_mins(2),
            state: state.map(str::to_owned),
        };
        insta::assert_snapshot!(shown([
            ApiError::NoNamespace { server: server(), namespace: parent() },
            ApiError::NoController { server: server() },
            ApiError::ControllerDown { name: name(), answer: "Internal error occurred: failed calling webhook \"subnamespaceanchors.hnc.x-k8s.io\": no endpoints available for service \"hnc-webhook-service\"".into() },
            ApiError::Taken { name: name(), parent: parent(), answer: "cannot create a subnamespace using an existing namespace".into() },
            ApiError::NoChildren { name: name(), parent: parent(), answer: "cannot create a subnamespace in the unmanaged namespace \"shop\"".into() },
            ApiError::Invalid { name: "Shop".into(), answer: "not a valid namespace name".into() },
            timed_out(None),
            timed_out(Some("Missing")),
            timed_out(Some("Terminating")),
        ]));
    }
}
