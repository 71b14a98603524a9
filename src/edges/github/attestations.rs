//! Signed statements about images that GitHub keeps beside the repository.

use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::client::GitHub;
use super::messages::limited;

/// Without the rights.
const RIGHTS: &str = "the token may not write them. Give the job `permissions: attestations: write`; private repositories have \
                      attestations only with GitHub Enterprise Cloud";

impl GitHub {
    /// Uploads Sigstore bundles ([attestations](https://docs.github.com/en/rest/repos/attestations)).
    ///
    /// # Errors
    /// A sentence that says why a bundle is not there: nothing fails without it.
    pub async fn attest(&self, bundles: &[Value]) -> Result<(), String> {
        let uploads = async {
            let call = self.call("store attestations")?;
            let upload = |bundle| {
                let body = json!({ "bundle": bundle });
                let call = &call;
                async move { call.add("/attestations", &body).await }
            };
            try_join_all(bundles.iter().map(upload)).await.map(drop)
        };
        limited("the signed records were not uploaded to GitHub's attestations", RIGHTS, uploads).await
    }
}
