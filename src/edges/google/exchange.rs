//! Gets GitHub's token and exchanges it for a federated one, at the Security Token Service (RFC 8693;
//! <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>).

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::json;

use super::answer::parse;
use super::claims::Claims;
use super::error::GoogleError;
use super::federation::Federation;
use super::id_token;
use super::identity::Identity;
use super::refusal::of_exchange;
use sys::http::bearer;
use workflow_commands::Secret;

#[derive(Deserialize)]
struct Issued {
    access_token: String,
}

impl Federation {
    /// Requests GitHub's token for the identity's provider.
    pub(super) async fn id_token(&self, identity: &Identity) -> Result<Secret, GoogleError> {
        let missing = || GoogleError::NoIdToken { identity: identity.into(), fork: self.settings().fork };
        let request = self.settings().request.as_ref().ok_or_else(missing)?;
        let url = request.url_for(&self.endpoints().id_token_audience(identity.provider()))?;
        let what = "get this job's id token from GitHub";
        let header = bearer(&request.token).ok_or_else(|| GoogleError::Nonsense {
            what: what.to_owned(),
            reason: "ACTIONS_ID_TOKEN_REQUEST_TOKEN contains a character that no token has".to_owned(),
        })?;
        let answer = self
            .send(what, &url, |client, url| {
                client.request(Method::GET, url).header(AUTHORIZATION, header.clone())
            })
            .await?;
        if answer.status != 200 {
            let (identity, status, answer) = (identity.into(), answer.status, answer.words());
            return Err(GoogleError::IdToken { identity, status, answer });
        }
        let issued: id_token::Issued = parse(what, &answer)?;
        let token = Secret::new(issued.value);
        self.tell(&token);
        Ok(token)
    }

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
