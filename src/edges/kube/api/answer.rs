//! What Kubernetes says about a failed request: the `Status` object of its API
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>).

use serde::Deserialize;

use sys::http::Answer;

/// The parts that distinguish refusals.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) reason: String,
    pub(super) details: Details,
}

/// The object of a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    pub(super) name: String,
    pub(super) kind: String,
}

impl Status {
    /// The status in an answer. It is empty if there is none, as from a proxy or for an unknown path.
    pub(super) fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}
