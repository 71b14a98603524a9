//! Asks whether p2p may do something: one cheap request that finds a wrong set-up in seconds
//! (<https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/>).

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::answer::Status;
use super::client::Api;
use super::error::ApiError;
use super::permission::Permission;
use super::question::Question;

/// How long p2p waits for the roles of a parent in a new subnamespace, and the pauses between checks. The controller
/// usually needs less than a second.
const PROPAGATION: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

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
    /// Asks the cluster whether `action` is allowed. One request.
    ///
    /// # Errors
    /// [`ApiError::NotAllowed`] if it is not, or another error if the cluster cannot be asked.
    pub async fn check(&self, action: &Permission) -> Result<(), ApiError> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": action.verb, "group": action.group, "resource": action.resource,
                "namespace": action.namespace,
            }},
        });
        let what = format!("ask the cluster whether it lets us {action}");
        let answer = self.ask(&Question::review(&what, PATH, body)).await?;
        match answer.status {
            200 | 201 => {}
            403 => {
                let (server, answer) = (self.server(), answer.words());
                return Err(ApiError::Forbidden { what, server, answer });
            }
            status => {
                let (server, answer) = (self.server(), answer.words());
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
            reason: reason.map(|text| sys::http::words(&text)),
        })
    }

    /// Asks whether `action` is allowed in a new subnamespace of `parent`. Waits up to ten seconds for the roles of
    /// the parent to arrive, and calls `wait` before the first pause.
    ///
    /// # Errors
    /// [`ApiError::NotPropagated`] if they do not arrive, or another error if the cluster cannot be asked.
    pub async fn check_subnamespace(
        &self,
        parent: &str,
        action: &Permission,
        wait: &(dyn Fn() + Sync),
    ) -> Result<(), ApiError> {
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.check(action).await {
                Err(ApiError::NotAllowed { server, action, .. }) if begin.elapsed() >= PROPAGATION => {
                    let (parent, waited) = (parent.to_owned(), begin.elapsed());
                    return Err(ApiError::NotPropagated { server, parent, action: action.into(), waited });
                }
                Err(ApiError::NotAllowed { .. }) => {}
                other => return other,
            }
            if pause == FIRST_PAUSE {
                wait();
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the cluster says that the namespace does not exist. An access review does not show that: a
    /// role of the cluster allows the action in any namespace, even in one that does not exist. `false` if p2p may not read namespaces or gets no answer at once.
    pub async fn lacks_namespace(&self, name: &str) -> bool {
        let what = format!("look for the namespace {name}");
        let path = format!("/api/v1/namespaces/{name}");
        match self.ask(&Question::get(&what, &path).once()).await {
            Ok(answer) => answer.status == 404 && Status::of(&answer).details.kind == "namespaces",
            Err(_) => false,
        }
    }

    /// The error for a missing namespace.
    pub fn no_namespace(&self, name: &str) -> ApiError {
        ApiError::NoNamespace { server: self.server(), namespace: name.to_owned() }
    }
}
