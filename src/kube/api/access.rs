//! Whether we may do something: one cheap question that shows a wrong set-up in seconds
//! (<https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/>).

use std::fmt;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::answer::message;
use super::client::Api;
use super::error::ApiError;

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Something that one may be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// `create`.
    pub verb: &'static str,
    /// The API group; empty for the core's.
    pub group: &'static str,
    /// In the plural: `deployments`.
    pub resource: &'static str,
    /// Where.
    pub namespace: String,
}

impl Action {
    /// What a gate needs that creates subnamespaces of `parent`.
    pub fn create_subnamespaces(parent: &str) -> Self {
        Self {
            verb: "create",
            group: "hnc.x-k8s.io",
            resource: "subnamespaceanchors",
            namespace: parent.to_owned(),
        }
    }

    /// What a target needs that deploys something to `namespace`.
    pub fn deploy(namespace: &str) -> Self {
        Self { verb: "create", group: "apps", resource: "deployments", namespace: namespace.to_owned() }
    }
}

/// `create deployments.apps in the namespace shop`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in the namespace {}", self.verb, self.kind(), self.namespace)
    }
}

impl Action {
    /// `deployments.apps`, as kubectl takes it.
    pub(super) fn kind(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.resource, self.group)
    }
}

#[derive(Deserialize)]
struct Review {
    status: Verdict,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Verdict {
    allowed: bool,
    reason: String,
    evaluation_error: String,
}

impl Api {
    /// Asks the cluster whether it would let us do `action`. One request.
    ///
    /// # Errors
    /// [`ApiError::NotAllowed`] when not; any other when the cluster cannot be asked.
    pub async fn check(&self, action: &Action) -> Result<(), ApiError> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": action.verb, "group": action.group, "resource": action.resource,
                "namespace": action.namespace,
            }},
        });
        let what = format!("ask the cluster whether it lets us {action}");
        let answer = self.ask(&what, Method::POST, PATH, Some(&body)).await?;
        match answer.status {
            200 | 201 => {}
            403 => {
                let (server, answer) = (self.server(), message(&answer));
                return Err(ApiError::Forbidden { what, server, answer });
            }
            status => {
                let (server, answer) = (self.server(), message(&answer));
                return Err(ApiError::Refused { what, server, status, answer });
            }
        }
        let review: Review = serde_json::from_slice(&answer.body).map_err(|_| ApiError::Refused {
            what,
            server: self.server(),
            status: answer.status,
            answer: "not the access review that was expected".to_owned(),
        })?;
        let Verdict { allowed, reason, evaluation_error } = review.status;
        if allowed {
            return Ok(());
        }
        let reason = [reason, evaluation_error].into_iter().find(|text| !text.is_empty());
        Err(ApiError::NotAllowed {
            server: self.server(),
            action: action.clone(),
            reason: reason.map(|text| crate::web::words(&text)),
        })
    }
}
