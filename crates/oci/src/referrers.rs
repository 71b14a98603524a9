//! The referrers of an image: signatures, SBOMs, attestations. They come from the referrers API, or from the
//! fallback tag (OCI distribution 1.1, "Listing Referrers").
//!
//! Registries without the API answer in many ways. After each of them, p2p reads the fallback tag. If the tag is
//! missing, only the answers that are known to mean "no such API" prove that there are no referrers.

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::digest::Digest;
use super::error::{OciError, Trouble};
use super::manifest::{Descriptor, LARGEST_MANIFEST, Manifest, OCI_INDEX};
use super::pages::{Pages, next_query};
use super::reference::{Repository, TagOrDigest};
use super::route::{Call, Route};
use super::transport::body_of;

impl Client {
    /// The manifests whose subject is `digest`, with their artifact types and annotations.
    ///
    /// # Errors
    /// If the registry cannot be reached or refuses.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, OciError> {
        let Referrers { listed, unread } = Route::pull(self, repository).referrers(digest).await?;
        unread.map_or(Ok(listed), Err)
    }
}

/// The referrers of an image, according to the registry.
#[derive(Debug)]
pub(super) struct Referrers {
    pub(super) listed: Vec<Descriptor>,
    /// Why there may be more.
    pub(super) unread: Option<OciError>,
}

impl Route {
    pub(super) async fn referrers(&self, digest: &Digest) -> Result<Referrers, OciError> {
        let unread = match self.listed_referrers(digest).await {
            Ok(Some(listed)) => return Ok(Referrers { listed, unread: None }),
            Ok(None) => None,
            Err(error) if error.leaves_open() => Some(error),
            Err(error) => return Err(error),
        };
        match self.tagged_referrers(digest, digest).await {
            Ok(Some(index)) => {
                let call = Call::new(Method::GET, format!("manifests/{}", digest.referrers_tag()));
                match self.descriptors(&index.bytes, &call) {
                    Ok(listed) => Ok(Referrers { listed, unread: None }),
                    Err(error) => Ok(Referrers { listed: Vec::new(), unread: Some(error) }),
                }
            }
            Ok(None) => Ok(Referrers { listed: Vec::new(), unread }),
            Err(error) if error.leaves_open() => {
                Ok(Referrers { listed: Vec::new(), unread: unread.or(Some(error)) })
            }
            Err(error) => Err(error),
        }
    }

    /// The list under the fallback tag. `witness` is an existing manifest of the repository.
    async fn tagged_referrers(
        &self,
        subject: &Digest,
        witness: &Digest,
    ) -> Result<Option<Manifest>, OciError> {
        let which = TagOrDigest::Tag(subject.referrers_tag());
        match self.manifest(&which).await {
            // One registry stores each manifest under such a tag.
            Ok(index) if index.digest == *subject => Ok(None),
            Ok(index) => Ok(Some(index)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) if error.is_denied() && self.resolve_beside(&which, witness).await?.is_none() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The list from the API. `None` if the registry does not have it.
    async fn listed_referrers(&self, digest: &Digest) -> Result<Option<Vec<Descriptor>>, OciError> {
        let (mut found, mut pages) = (Vec::new(), Pages::default());
        let mut query = String::new();
        loop {
            let mut call = Call::new(Method::GET, format!("referrers/{digest}{query}"));
            call.headers.insert(ACCEPT, HeaderValue::from_static(OCI_INDEX));
            pages.turn_to(&query, self, &call)?;
            let asked = self.asked(&call.method, &call.to);
            let attempt = || async {
                let response = match self.once(&call).await {
                    Err(Trouble { error: OciError::Refused(answer), .. }) if answer.status == 501 => {
                        return Ok(None);
                    }
                    response => response?,
                };
                match response.status() {
                    status if status.is_success() => {}
                    // Registries older than 1.1 do not know the path, and say so in several ways.
                    StatusCode::NOT_FOUND
                    | StatusCode::BAD_REQUEST
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::NOT_ACCEPTABLE => return Ok(None),
                    _ => return Err(self.refuse(&call, response).await),
                }
                let next = next_query(response.headers());
                let body = body_of(&self.client, &asked, response, LARGEST_MANIFEST).await?;
                Ok::<_, Trouble>(Some((self.descriptors(&body, &call)?, next)))
            };
            let Some((page, next)) = self.client.patiently(&asked.text, attempt).await? else {
                return Ok(None);
            };
            found.extend(page);
            match next {
                Some(next) => query = format!("?{next}"),
                None => return Ok(Some(found)),
            }
        }
    }

    /// The manifests in a list of referrers. Some servers answer 200 with a page of their own.
    fn descriptors(&self, list: &[u8], call: &Call) -> Result<Vec<Descriptor>, OciError> {
        #[derive(Deserialize)]
        struct List {
            manifests: Option<Vec<Descriptor>>,
        }
        let named = serde_json::from_slice::<Value>(list).is_ok_and(|list| list.get("manifests").is_some());
        let list = serde_json::from_slice::<List>(list).ok().filter(|_| named);
        let list = list.ok_or_else(|| self.nonsense(call, "it is not a list of referrers"))?;
        Ok(list.manifests.unwrap_or_default())
    }

    /// Adds a manifest to the list under the fallback tag.
    pub(super) async fn add_referrer(&self, subject: &Digest, manifest: &Manifest) -> Result<(), OciError> {
        let which = TagOrDigest::Tag(subject.referrers_tag());
        let old = self.tagged_referrers(subject, &manifest.digest).await?;
        let mut index: Value = match &old {
            Some(old) => serde_json::from_slice(&old.bytes)
                .map_err(|error| self.unsupported(&old.digest, error.to_string()))?,
            None => json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        };
        let unsupported = || self.unsupported(subject, "its list of referrers is not an index".to_owned());
        if let Some(none @ Value::Null) = index.get_mut("manifests") {
            *none = json!([]);
        }
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
