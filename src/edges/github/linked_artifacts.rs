//! Where images are stored and where they run, for an organization's page of linked artifacts.

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::GitHub;
use super::messages::limited;

/// Without the rights.
const RIGHTS: &str = "the token may not write them, or the owner of the repository is no organization. Give the job `permissions: \
                      artifact-metadata: write`";

/// An image. GitHub requires the same name and version in all records of a digest.
#[derive(Debug, Clone, Serialize)]
pub struct LinkedImage {
    pub name: String,
    /// `sha256:<hex>`.
    pub digest: String,
    pub version: String,
}

/// What GitHub shows of an image.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum LinkedArtifact {
    /// A repository of a registry has it.
    Stored {
        #[serde(flatten)]
        image: LinkedImage,
        /// `https://` and the registry's host.
        registry_url: String,
        /// The path in the registry.
        repository: String,
    },
    /// A target deployed it.
    Deployed {
        #[serde(flatten)]
        image: LinkedImage,
        /// The environment of the gate.
        logical_environment: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        cluster: Option<String>,
        /// The namespace and the image.
        deployment_name: String,
    },
}

impl GitHub {
    /// Adds records ([artifact metadata](https://docs.github.com/en/rest/orgs/artifact-metadata)).
    ///
    /// # Errors
    /// A sentence that says why a record is not there: nothing fails without it.
    pub async fn link(&self, artifacts: &[LinkedArtifact]) -> Result<(), String> {
        let records = async {
            let call = self.call("store linked artifacts")?;
            let add = |artifact: &LinkedArtifact| {
                let (kind, status) = match artifact {
                    LinkedArtifact::Stored { .. } => ("storage", "active"),
                    LinkedArtifact::Deployed { .. } => ("deployment", "deployed"),
                };
                let mut record: Value = json!(artifact);
                record["status"] = status.into();
                record["github_repository"] = self.name.as_str().into();
                let call = &call;
                async move { call.add_to_owner(&format!("/artifacts/metadata/{kind}-record"), &record).await }
            };
            join_all(artifacts.iter().map(add)).await.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
        };
        limited("the images were not added to GitHub's linked artifacts", RIGHTS, records).await
    }
}
