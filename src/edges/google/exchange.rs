//! Exchanges GitHub's token for a federated one, at the Security Token Service (RFC 8693;
//! <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>).

use serde::Deserialize;
use serde_json::json;

use super::claims::Claims;
use super::error::GoogleError;
use super::federation::{Federation, parse};
use super::identity::Identity;
use super::refusal::of_exchange;
use workflow_commands::Secret;

#[derive(Deserialize)]
struct Issued {
    access_token: String,
}

impl Federation {
    /// Requests the federated token for the identity's provider.
    pub(super) async fn exchange(
        &self,
        identity: &Identity,
        id_token: &Secret,
    ) -> Result<Secret, GoogleError> {
        let endpoints = self.endpoints();
        let body = json!({
            "audience": endpoints.exchange_audience(identity.provider()),
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "scope": endpoints.scope(),
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            "subjectToken": id_token.expose(),
        });
        let what = format!("exchange this job's id token for the {identity}");
        let answer =
            self.send(&what, &endpoints.exchange(), |client, url| client.post(url).json(&body)).await?;
        if answer.status != 200 {
            return Err(of_exchange(identity, Claims::of(id_token), &answer));
        }
        let issued: Issued = parse(&what, &answer)?;
        let token = Secret::new(issued.access_token);
        self.tell(&token);
        Ok(token)
    }
}
