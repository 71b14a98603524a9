//! Reads the answers of Google's and GitHub's APIs.

use serde::de::DeserializeOwned;

use super::error::GoogleError;
use sys::http::Answer;

/// Parses the JSON of an answer. The error does not quote serde's message, which may contain a token.
pub(super) fn parse<T: DeserializeOwned>(what: &str, answer: &Answer) -> Result<T, GoogleError> {
    serde_json::from_slice(&answer.body).map_err(|_| GoogleError::Nonsense {
        what: what.to_owned(),
        reason: format!("the answer ({}) is not the JSON that was expected", answer.status),
    })
}
