//! What Google's refusals mean.

use serde_json::Value as Json;

use super::claims::Claims;
use super::error::GoogleError;
use super::identity::Identity;
use sys::http::Answer;

/// Whether an API is not enabled in the project that pays for it (<https://cloud.google.com/apis/design/errors>).
pub(super) fn is_disabled(answer: &Answer) -> bool {
    let error: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let details = error["error"]["details"].as_array().into_iter().flatten();
    details.into_iter().any(|detail| detail["reason"] == "SERVICE_DISABLED")
}

/// The error for a refused exchange.
pub(super) fn of_exchange(identity: &Identity, claims: Claims, answer: &Answer) -> GoogleError {
    // RFC 6749, section 5.2.
    let error: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (identity, answer, status) = (identity.into(), answer.words(), answer.status);
    if answer.contains("127 bytes") {
        return GoogleError::ClaimTooLong { identity, claims, answer };
    }
    match error["error"].as_str().unwrap_or_default() {
        "invalid_target" => GoogleError::UnknownProvider { identity, claims, answer },
        "unauthorized_client" => GoogleError::Rejected { identity, claims, answer },
        _ if answer.contains("attribute condition") => GoogleError::Rejected { identity, claims, answer },
        _ => GoogleError::ExchangeRefused { identity, claims, status, answer },
    }
}

/// Whether Google refused the requested lifetime.
pub(super) fn is_lifetime(answer: &Answer) -> bool {
    answer.status == 400 && answer.words().to_lowercase().contains("lifetime")
}

/// The error for a refused impersonation.
pub(super) fn of_impersonation(identity: &Identity, claims: &Claims, answer: &Answer) -> GoogleError {
    let (disabled, lifetime, status) = (is_disabled(answer), is_lifetime(answer), answer.status);
    let project = identity.account_project().to_owned();
    let (identity, answer) = (Box::new(identity.clone()), answer.words());
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
