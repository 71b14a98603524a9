//! What Google's refusals mean.

use serde::Deserialize;
use serde_json::Value as Json;

use super::claims::Claims;
use super::error::GoogleError;
use super::identity::Identity;
use sys::http::{Answer, words};

/// The error of the token exchange (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct Exchange {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The error of all other services (<https://cloud.google.com/apis/design/errors>).
#[derive(Deserialize)]
struct Document {
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Json>,
}

/// What a service said.
pub(super) struct Refusal {
    /// `PERMISSION_DENIED: …`, on one line.
    pub(super) text: String,
    /// Whether the API is not enabled in the project that pays for it.
    pub(super) disabled: bool,
}

impl Refusal {
    pub(super) fn of(answer: &Answer) -> Self {
        let Ok(Document { error }) = serde_json::from_slice(&answer.body) else {
            return Self { text: answer.words(), disabled: false };
        };
        let reason = |detail: &Json| detail.get("reason").and_then(Json::as_str) == Some("SERVICE_DISABLED");
        Self {
            disabled: error.details.iter().any(reason),
            text: words(&format!("{}: {}", error.status, error.message)),
        }
    }
}

/// What a refused exchange means.
pub(super) fn of_exchange(identity: &Identity, claims: Claims, answer: &Answer) -> GoogleError {
    let (code, text) = match serde_json::from_slice::<Exchange>(&answer.body) {
        Ok(message) => {
            (words(&message.error), words(&format!("{}: {}", message.error, message.error_description)))
        }
        Err(_) => (String::new(), answer.words()),
    };
    let (identity, answer, status) = (identity.into(), text, answer.status);
    if answer.contains("127 bytes") {
        return GoogleError::ClaimTooLong { identity, claims, answer };
    }
    match code.as_str() {
        "invalid_target" => GoogleError::UnknownProvider { identity, claims, answer },
        "unauthorized_client" => GoogleError::Rejected { identity, claims, answer },
        _ if answer.contains("attribute condition") => GoogleError::Rejected { identity, claims, answer },
        _ => GoogleError::ExchangeRefused { identity, claims, status, answer },
    }
}

/// Whether a full hour was too long.
pub(super) fn is_lifetime(answer: &Answer) -> bool {
    answer.status == 400 && Refusal::of(answer).text.to_lowercase().contains("lifetime")
}

/// What a refused impersonation means.
pub(super) fn of_impersonation(identity: &Identity, claims: &Claims, answer: &Answer) -> GoogleError {
    let Refusal { text, disabled } = Refusal::of(answer);
    let lifetime = is_lifetime(answer);
    let status = answer.status;
    let project = identity.account_project().to_owned();
    let (identity, answer) = (Box::new(identity.clone()), text);
    match status {
        403 if disabled => GoogleError::Disabled { identity, service: "iamcredentials", project, answer },
        403 if answer.contains("iam.serviceAccounts.getAccessToken") => {
            let repository = claims.get("repository").map(str::to_owned);
            GoogleError::NotImpersonable { identity, repository, answer }
        }
        404 => GoogleError::NoAccount { identity, answer },
        400 if lifetime => GoogleError::Lifetime { identity, answer },
        _ => GoogleError::Refused { what: format!("get a token of the {identity}"), status, answer },
    }
}
