//! GitHub's own token for this job (`OpenID` Connect). Google accepts it in exchange for one of its own.

use reqwest::header::AUTHORIZATION;
use serde::Deserialize;

use super::answer::parse;
use super::endpoints::check;
use super::error::GoogleError;
use sys::error::{Exit, Failure};
use sys::http::{self, Clients, bearer};
use sys::retry::Retrying;
use sys::world::Env;
use workflow_commands::{Secret, Secrets};

/// The request for the job's tokens. Its token gives the full rights of the job.
#[derive(Debug, Clone)]
pub struct IdTokenRequest {
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`. It already has a query.
    pub url: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub token: Secret,
}

impl IdTokenRequest {
    /// GitHub sets these variables only for jobs with the permission `id-token: write`.
    pub fn of(env: &Env) -> Option<Self> {
        Some(Self {
            url: env.get("ACTIONS_ID_TOKEN_REQUEST_URL")?.to_owned(),
            token: Secret::new(env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?),
        })
    }

    /// The URL for a token with this audience.
    pub(super) fn url_for(&self, audience: &str) -> Result<String, GoogleError> {
        let mut url = check(&self.url)?;
        url.query_pairs_mut().append_pair("audience", audience);
        Ok(url.into())
    }
}

/// GitHub's answer.
#[derive(Deserialize)]
pub(super) struct Issued {
    pub(super) value: String,
}

impl IdTokenRequest {
    /// Requests a token of this job for an audience other than Google's. It is masked.
    ///
    /// # Errors
    /// If GitHub refuses.
    pub async fn issue(
        &self,
        audience: &str,
        retrying: &Retrying,
        secrets: &Secrets,
    ) -> Result<Secret, Failure> {
        let refused = |reason: String| Failure {
            what: format!("GitHub gave this job no id token for the audience `{audience}`"),
            causes: vec![reason],
            help: Some("run the job again; if this stays, check the permission `id-token: write`".to_owned()),
            exit: Exit::Unavailable,
        };
        let url = check(&self.url_for(audience)?)?;
        let header =
            bearer(&self.token).ok_or_else(|| refused("the request token is malformed".to_owned()))?;
        let clients = Clients::default();
        let client = clients.of(&url).map_err(|error| refused(error.to_string()))?;
        let request = || client.get(url.clone()).header(AUTHORIZATION, header.clone());
        let answer = http::send(retrying, "get this job's id token from GitHub", request).await;
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        if answer.status != 200 {
            return Err(refused(format!("it answered {}: {}", answer.status, answer.words())));
        }
        let issued: Issued = parse("get this job's id token from GitHub", &answer)?;
        let token = Secret::new(issued.value);
        secrets.mask(&token);
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_audience_is_added_to_the_query() {
        let request = IdTokenRequest {
            url: "https://x.actions.example/idtoken?api-version=2.0".to_owned(),
            token: Secret::new("t"),
        };
        assert_eq!(
            request.url_for("https://iam.googleapis.com/projects/1").unwrap(),
            "https://x.actions.example/idtoken?api-version=2.0&audience=https%3A%2F%2Fiam.googleapis.com%2Fprojects%2F1"
        );
    }

    #[test]
    fn both_variables_are_needed() {
        let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect::<Env>();
        let url = ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x");
        assert!(IdTokenRequest::of(&env(&[url])).is_none());
        assert!(IdTokenRequest::of(&env(&[url, ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")])).is_none());
        assert!(IdTokenRequest::of(&env(&[url, ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")])).is_some());
    }
}
