//! Exchanges a federated token for one of the service account, at the IAM Service Account Credentials API
//! (<https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::answer::parse;
use super::claims::Claims;
use super::error::GoogleError;
use super::federation::Federation;
use super::identity::Identity;
use super::refusal::{is_lifetime, of_impersonation};
use super::token::Token;
use sys::http::{self, Answer};
use sys::retry::Retry;
use workflow_commands::Secret;

/// The longest lifetime that every account allows.
const LIFE: Duration = Duration::from_hours(1);

/// The requested lifetime if a full hour is refused, because Google's clocks differ.
const SHORTER: Duration = Duration::from_mins(55);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    access_token: String,
    #[serde(default)]
    expire_time: String,
}

impl Federation {
    /// Requests a token of the identity's service account.
    pub(super) async fn impersonate(
        &self,
        identity: &Identity,
        id_token: &Secret,
        federated: &Secret,
    ) -> Result<Token, GoogleError> {
        let what = format!("get a token of the {identity}");
        let mut life = LIFE;
        let mut asked = Instant::now();
        let mut answer = self.generate(&what, identity, federated, life).await?;
        if is_lifetime(&answer) {
            let why = format!("{} {}", answer.status, answer.words());
            let retry = Retry { what: what.clone(), why, attempt: 1, of: 2, wait: Duration::ZERO };
            self.settings().retrying.watcher.report(retry);
            life = SHORTER;
            asked = Instant::now();
            answer = self.generate(&what, identity, federated, life).await?;
        }
        if answer.status != 200 {
            return Err(of_impersonation(identity, &Claims::of(id_token), &answer));
        }
        let generated: Generated = parse(&what, &answer)?;
        let secret = Secret::new(generated.access_token);
        self.tell(&secret);
        Ok(Token::new(secret, asked, remaining(&answer, &generated.expire_time, life)))
    }

    async fn generate(
        &self,
        what: &str,
        identity: &Identity,
        federated: &Secret,
        life: Duration,
    ) -> Result<Answer, GoogleError> {
        let endpoints = self.endpoints();
        let header = http::bearer(federated).ok_or_else(|| GoogleError::Nonsense {
            what: what.to_owned(),
            reason: "the federated token contains a character that no token has".to_owned(),
        })?;
        let body = json!({"scope": [endpoints.scope()], "lifetime": format!("{}s", life.as_secs())});
        let url = endpoints.impersonation(identity.service_account());
        self.send(what, &url, |client, url| {
            client.post(url).header(AUTHORIZATION, header.clone()).json(&body)
        })
        .await
    }
}

/// The remaining lifetime according to Google's clock, because ours may be wrong. If the answer does not contain the
/// time, it is the requested lifetime.
fn remaining(answer: &Answer, expires: &str, asked: Duration) -> Duration {
    match (expires.parse::<Timestamp>(), http::date(&answer.headers)) {
        (Ok(expires), Some(now)) => Duration::try_from(expires.duration_since(now)).unwrap_or_default(),
        _ => asked,
    }
}
