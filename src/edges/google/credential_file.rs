//! The credential file for gcloud, terraform and the client libraries. They request tokens themselves as long as the
//! job runs (<https://google.aip.dev/auth/4117>, external account credentials).

use std::path::Path;

use serde_json::{Value as Json, json};

use super::error::GoogleError;
use super::federation::Federation;
use super::identity::Identity;
use sys::private;

impl Federation {
    /// Writes the identity's credential file, with private rights and in one step. The file contains the job's own
    /// token.
    ///
    /// # Errors
    /// If the job lacks `id-token: write`, or if the file cannot be written.
    pub fn write_credential_file(&self, identity: &Identity, path: &Path) -> Result<(), GoogleError> {
        let json = self.credential_file(identity)?;
        private::write(path, json.to_string().as_bytes())
            .map_err(|error| GoogleError::Write { path: path.to_owned(), reason: error.to_string() })
    }

    fn credential_file(&self, identity: &Identity) -> Result<Json, GoogleError> {
        let missing = || GoogleError::NoIdToken { identity: identity.into(), fork: self.settings().fork };
        let request = self.settings().request.as_ref().ok_or_else(missing)?;
        let endpoints = self.endpoints();
        let mut json = json!({
            "type": "external_account",
            "audience": endpoints.exchange_audience(identity.provider()),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": endpoints.exchange(),
            "service_account_impersonation_url": endpoints.impersonation(identity.service_account()),
            "credential_source": {
                "url": request.url_for(&endpoints.id_token_audience(identity.provider()))?,
                "headers": {"Authorization": format!("Bearer {}", request.token.expose())},
                "format": {"type": "json", "subject_token_field_name": "value"},
            },
        });
        if endpoints.is_sovereign()
            && let Some(map) = json.as_object_mut()
        {
            map.insert("universe_domain".to_owned(), json!(endpoints.universe));
        }
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::edges::google::{Endpoints, FederationSettings, IdTokenRequest, Role};
    use workflow_commands::Secret;

    const PROVIDER: &str = "projects/42/locations/global/workloadIdentityPools/p2p-shop/providers/p2p-shop";
    const ACCOUNT: &str = "p2p-shop@acme-dev.iam.gserviceaccount.com";

    fn file(endpoints: Endpoints) -> Json {
        let url = "https://pipelines.actions.example/idtoken?api-version=2.0".to_owned();
        let request = Some(IdTokenRequest { url, token: Secret::new("request-token") });
        let federation =
            Federation::new(FederationSettings { endpoints, request, ..FederationSettings::default() })
                .unwrap();
        federation.credential_file(&Identity::new(Role::Own, PROVIDER, ACCOUNT).unwrap()).unwrap()
    }

    #[test]
    fn the_file_is_an_external_account() {
        let audience = "https%3A%2F%2Fiam.googleapis.com%2Fprojects%2F42%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fp2p-shop%2Fproviders%2Fp2p-shop";
        assert_eq!(
            file(Endpoints::default()),
            json!({
                "type": "external_account",
                "audience": format!("//iam.googleapis.com/{PROVIDER}"),
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://sts.googleapis.com/v1/token",
                "service_account_impersonation_url": format!(
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
                ),
                "credential_source": {
                    "url": format!("https://pipelines.actions.example/idtoken?api-version=2.0&audience={audience}"),
                    "headers": {"Authorization": "Bearer request-token"},
                    "format": {"type": "json", "subject_token_field_name": "value"},
                },
            })
        );
    }

    #[test]
    fn another_universe_is_named() {
        let file = file(Endpoints::of_universe("cloud.example"));
        assert_eq!(file["universe_domain"], "cloud.example");
        assert_eq!(file["token_url"], "https://sts.cloud.example/v1/token");
        assert_eq!(file["audience"], format!("//iam.cloud.example/{PROVIDER}"));
    }
}
