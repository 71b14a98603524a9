//! What refers to an image: signatures, SBOMs, attestations. By the referrers API, or by the tag
//! that stands in for it (OCI distribution 1.1, "Listing Referrers").

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::Client;
use super::digest::Digest;
use super::error::{OciError, Trouble};
use super::manifest::{Descriptor, LARGEST_MANIFEST, Manifest, OCI_INDEX};
use super::manifests::next_query;
use super::reference::{Repository, Which};
use super::route::{Call, Route};
use super::transport::body_of;

impl Client {
    /// The manifests whose subject is `digest`, with their artifact types and annotations.
    ///
    /// # Errors
    /// When the registry cannot be asked, or refuses.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, OciError> {
        Route::pull(self, repository).referrers(digest).await
    }
}

impl Route {
    pub(super) async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, OciError> {
        if let Some(listed) = self.listed_referrers(digest).await? {
            return Ok(listed);
        }
        match self.manifest(&Which::Tag(digest.referrers_tag())).await {
            Ok(index) => self.descriptors(&index),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// By the API; `None` where the registry does not have it.
    async fn listed_referrers(&self, digest: &Digest) -> Result<Option<Vec<Descriptor>>, OciError> {
        let path = format!("referrers/{digest}");
        let mut found = Vec::new();
        let mut query = String::new();
        loop {
            let mut call = Call::new(Method::GET, format!("{path}{query}"));
            call.headers.insert(ACCEPT, HeaderValue::from_static(OCI_INDEX));
            let asked = self.asked(&call.method, &call.to);
            let attempt = || async {
                let response = self.once(&call).await?;
                match response.status() {
                    status if status.is_success() => {}
                    // Registries of before 1.1 do not know the path, and say so in several ways.
                    StatusCode::NOT_FOUND
                    | StatusCode::BAD_REQUEST
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::NOT_ACCEPTABLE => return Ok(None),
                    _ => return Err(self.refuse(&call, response).await),
                }
                let next = next_query(&response);
                let body = body_of(&self.client, &asked, response, LARGEST_MANIFEST).await?;
                Ok::<_, Trouble>(Some((Manifest::new(body, Some(OCI_INDEX)), next)))
            };
            let Some((page, next)) = self.client.patiently(&asked.text, attempt).await? else {
                return Ok(None);
            };
            let page = self.descriptors(&page)?;
            let empty = page.is_empty();
            found.extend(page);
            match next {
                Some(next) if !empty => query = format!("?{next}"),
                _ => return Ok(Some(found)),
            }
        }
    }

    fn descriptors(&self, index: &Manifest) -> Result<Vec<Descriptor>, OciError> {
        let contents = index.contents().map_err(|reason| self.unsupported(&index.digest, reason))?;
        Ok(contents.manifests)
    }

    /// Adds a manifest to the list that stands in for the referrers API.
    pub(super) async fn add_referrer(&self, subject: &Digest, manifest: &Manifest) -> Result<(), OciError> {
        let which = Which::Tag(subject.referrers_tag());
        let old = match self.manifest(&which).await {
            Ok(index) => Some(index),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let mut index: Value = match &old {
            Some(old) => serde_json::from_slice(&old.bytes)
                .map_err(|error| self.unsupported(&old.digest, error.to_string()))?,
            None => json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        };
        let unsupported = || self.unsupported(subject, "its list of referrers is no index".to_owned());
        let list = index.get_mut("manifests").and_then(Value::as_array_mut).ok_or_else(unsupported)?;
        if list
            .iter()
            .any(|entry| entry.get("digest").and_then(Value::as_str) == Some(manifest.digest.as_str()))
        {
            return Ok(());
        }
        let contents = manifest.contents().map_err(|reason| self.unsupported(&manifest.digest, reason))?;
        let mut entry = manifest.descriptor();
        entry.artifact_type = contents.artifact_type;
        entry.annotations = contents.annotations;
        list.push(json!(entry));
        let index = Manifest::new(index.to_string().into(), Some(OCI_INDEX));
        self.put_manifest(&index, &which).await.map(|_| ())
    }

    pub(super) fn unsupported(&self, digest: &Digest, reason: String) -> OciError {
        OciError::Unsupported { repository: self.repository.clone(), digest: digest.clone(), reason }
    }
}
