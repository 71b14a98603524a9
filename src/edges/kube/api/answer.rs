//! What Kubernetes says of a request: the `Status` object of its API
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>).

use serde::Deserialize;

use sys::http::Answer;

/// The parts that tell refusals apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) reason: String,
    pub(super) details: Details,
}

/// What a refusal is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    pub(super) name: String,
    pub(super) kind: String,
}

impl Status {
    /// The status of an answer; an empty one where it is none, as of a proxy or an unknown path.
    pub(super) fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}
