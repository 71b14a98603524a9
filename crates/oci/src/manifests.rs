//! Manifests and tags: resolves, reads, writes and lists them.

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT as ACCEPT_HEADER, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use super::blob::PROBES;
use super::client::Client;
use super::digest::Digest;
use super::error::{Again, OciError, Trouble};
use super::lenient::optional;
use super::manifest::{ACCEPT, Descriptor, LARGEST_MANIFEST, Manifest};
use super::pages::{Pages, next_query};
use super::reference::{Repository, TagOrDigest};
use super::route::{Call, Route};
use super::transport::body_of;
use sys::retry;

/// The largest page of tags, in bytes.
const LARGEST_PAGE: u64 = 16 * 1024 * 1024;

/// The header with the digest of a manifest.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// The header of registries that maintain the list of referrers themselves.
const OCI_SUBJECT: &str = "oci-subject";

impl Client {
    /// The current digest of a tag, or the digest itself, with a small request. `None` if the registry does not have
    /// it.
    ///
    /// # Errors
    /// If the registry cannot be reached or refuses.
    pub async fn resolve(
        &self,
        repository: &Repository,
        which: &TagOrDigest,
    ) -> Result<Option<Descriptor>, OciError> {
        Route::pull(self, repository).resolve(which).await
    }

    /// A manifest or index with its exact bytes. The digest is checked.
    ///
    /// # Errors
    /// If the registry does not have it, cannot be reached, or refuses.
    pub async fn manifest(&self, repository: &Repository, which: &TagOrDigest) -> Result<Manifest, OciError> {
        Route::pull(self, repository).manifest(which).await
    }

    /// The size of an image in bytes: the blobs of all platforms, each counted once. `None` if one of its manifests
    /// cannot be read.
    pub async fn size(&self, repository: &Repository, digest: &Digest) -> Option<u64> {
        let mut sizes = BTreeMap::new();
        let mut waiting = vec![digest.clone()];
        while let Some(digest) = waiting.pop() {
            let manifest = self.manifest(repository, &TagOrDigest::Digest(digest)).await.ok()?;
            let contents = manifest.contents().ok()?;
            sizes.extend(contents.blobs.into_iter().map(|blob| (blob.digest, blob.size)));
            waiting.extend(contents.manifests.into_iter().map(|manifest| manifest.digest));
        }
        Some(sizes.values().sum())
    }

    /// Writes a manifest under a tag or its own digest. If it has a subject, and the registry does not maintain the
    /// list of referrers itself, p2p adds it to the list.
    ///
    /// # Errors
    /// If the registry refuses (everything that the manifest names must exist), or stores something with another
    /// digest.
    pub async fn push_manifest(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        which: &TagOrDigest,
    ) -> Result<(), OciError> {
        Route::push(self, repository).push_manifest(manifest, which).await
    }

    /// All tags of a repository, in the registry's order. `None` if the repository does not exist.
    ///
    /// # Errors
    /// If the registry cannot be reached or refuses.
    pub async fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>, OciError> {
        Route::pull(self, repository).tags().await
    }
}

impl Route {
    pub(super) async fn resolve(&self, which: &TagOrDigest) -> Result<Option<Descriptor>, OciError> {
        match self.head(which).await {
            Ok(response) if response.status().is_success() => {
                if let Some(descriptor) = described(&response) {
                    return Ok(Some(descriptor));
                }
            }
            Ok(response) if response.status() == StatusCode::NOT_FOUND => return Ok(None),
            // Some registries do not support HEAD, so GET decides. The same after a refusal, because only an answer
            // to GET has a body with the reason.
            Ok(_) => {}
            Err(error) if error.is_failure_of_registry() => {}
            Err(error) => return Err(error),
        }
        match self.manifest(which).await {
            Ok(manifest) => Ok(Some(manifest.descriptor())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Requests the headers of a manifest. If that fails repeatedly, GET may still succeed.
    async fn head(&self, which: &TagOrDigest) -> Result<Response, OciError> {
        let call = read(Method::HEAD, which);
        let what = self.asked(&call.method, &call.to).text;
        let mut tries = 0;
        let attempt = || {
            tries += 1;
            let last = tries > PROBES;
            let call = &call;
            async move {
                match self.once(call).await {
                    Err(Trouble { error, .. }) if last && error.is_failure_of_registry() => Err(error.into()),
                    response => response,
                }
            }
        };
        self.client.patiently(&what, attempt).await
    }

    /// The same in a repository that has the manifest `witness`. If the registry shows the witness but refuses the
    /// tag, the tag does not exist: some registries answer 401 or 403 for missing objects.
    pub(super) async fn resolve_beside(
        &self,
        which: &TagOrDigest,
        witness: &Digest,
    ) -> Result<Option<Descriptor>, OciError> {
        match self.resolve(which).await {
            Err(error) if error.is_denied() => {
                let shown = self.resolve(&TagOrDigest::Digest(witness.clone())).await;
                if shown.is_ok_and(|shown| shown.is_some()) { Ok(None) } else { Err(error) }
            }
            resolved => resolved,
        }
    }

    pub(super) async fn manifest(&self, which: &TagOrDigest) -> Result<Manifest, OciError> {
        let call = read(Method::GET, which);
        let asked = self.asked(&call.method, &call.to);
        let attempt = || async {
            let response = self.once(&call).await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Err(self.missing(format!("manifest {which}")).into());
            }
            if !response.status().is_success() {
                return Err(self.refuse(&call, response).await);
            }
            let served = text(&response, CONTENT_TYPE.as_str()).map(str::to_owned);
            let stated = text(&response, CONTENT_DIGEST).map(str::to_owned);
            let bytes = body_of(&self.client, &asked, response, LARGEST_MANIFEST).await?;
            let mut manifest = Manifest::new(bytes, served.as_deref());
            let expected = match which {
                TagOrDigest::Digest(digest) => Some(digest.clone()),
                TagOrDigest::Tag(_) => stated.and_then(|text| text.parse().ok()),
            };
            if expected.is_none() && !is_document(&manifest.bytes) {
                return Err(self.nonsense(&call, "it is not a manifest").into());
            }
            if let Some(expected) = expected {
                if !expected.matches(&manifest.bytes) {
                    return Err(self.mismatch(format!("manifest {which}"), expected, manifest.digest).into());
                }
                manifest.digest = expected;
            }
            Ok(manifest)
        };
        self.client.patiently(&asked.text, attempt).await
    }

    pub(super) async fn push_manifest(
        &self,
        manifest: &Manifest,
        which: &TagOrDigest,
    ) -> Result<(), OciError> {
        let listed = self.put_manifest(manifest, which).await?;
        if !listed && let Some(subject) = manifest.contents().ok().and_then(|contents| contents.subject) {
            self.add_referrer(&subject.digest, manifest).await?;
        }
        Ok(())
    }

    /// Writes a manifest. Returns whether the registry lists it among its subject's referrers.
    pub(super) async fn put_manifest(
        &self,
        manifest: &Manifest,
        which: &TagOrDigest,
    ) -> Result<bool, OciError> {
        let mut call = Call::new(Method::PUT, format!("manifests/{which}"));
        let media_type = HeaderValue::from_str(&manifest.media_type)
            .map_err(|_| self.nonsense(&call, "the manifest's media type is not a valid header"))?;
        call.headers.insert(CONTENT_TYPE, media_type);
        call.body = manifest.bytes.clone();
        let what = self.asked(&call.method, &call.to).text;
        let attempt = || async {
            let response = self.once(&call).await?;
            if !response.status().is_success() {
                let refusal = self.refuse(&call, response).await;
                return self.kept(manifest, which, refusal).await;
            }
            let stated: Option<Digest> = text(&response, CONTENT_DIGEST).and_then(|text| text.parse().ok());
            match stated {
                Some(stated)
                    if stated.algorithm() == manifest.digest.algorithm() && stated != manifest.digest =>
                {
                    Err(self.mismatch(format!("manifest {which}"), manifest.digest.clone(), stated).into())
                }
                _ => Ok(response.headers().contains_key(OCI_SUBJECT)),
            }
        };
        self.client.patiently(&what, attempt).await
    }

    /// Interprets a refused write. Registries with immutable tags refuse even the same bytes, each with another
    /// status.
    async fn kept(
        &self,
        manifest: &Manifest,
        which: &TagOrDigest,
        refusal: Trouble,
    ) -> Result<bool, Trouble> {
        let immutable = match &refusal.error {
            OciError::Denied { answer, .. } => answer.status == 403,
            OciError::Refused(answer) => {
                (400..=499).contains(&answer.status) && !retry::transient(answer.status)
            }
            _ => false,
        };
        if !immutable {
            return Err(refusal);
        }
        match (self.resolve(which).await, which) {
            (Ok(Some(there)), _) if there.digest == manifest.digest => Ok(false),
            (Ok(Some(there)), TagOrDigest::Tag(tag)) if refusal.error.may_keep_tag() => {
                Err(OciError::Immutable {
                    reference: Box::new(self.repository.tag(tag)?),
                    holds: there.digest,
                    wanted: manifest.digest.clone(),
                    refusal: Box::new(refusal.error),
                }
                .into())
            }
            _ => Err(refusal),
        }
    }

    /// Reads back what was written. A registry may need a moment to show it.
    pub(super) async fn read_back(&self, which: &TagOrDigest) -> Result<Option<Digest>, OciError> {
        let what = self.asked(&Method::HEAD, &read(Method::HEAD, which).to).text;
        let attempt = || async {
            let error = match self.resolve(which).await {
                Ok(Some(descriptor)) => return Ok(descriptor.digest),
                Ok(None) => self.missing(format!("manifest {which}")),
                // Some registries answer like this for a missing manifest.
                Err(error) if error.is_denied() => error,
                Err(error) => return Err(error.into()),
            };
            Err(Trouble { error, again: Again::After(None) })
        };
        match self.client.patiently(&what, attempt).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn tags(&self) -> Result<Option<Vec<String>>, OciError> {
        let (mut tags, mut pages) = (Vec::new(), Pages::default());
        let mut query = "n=1000".to_owned();
        loop {
            let call = Call::new(Method::GET, format!("tags/list?{query}"));
            pages.turn_to(&query, self, &call)?;
            let page = match self.tags_page(&call).await {
                // Some registries refuse this page size, and others refuse any.
                Err(OciError::Refused(answer)) if tags.is_empty() && !retry::transient(answer.status) => {
                    pages.turn_to("", self, &call)?;
                    self.tags_page(&Call::new(Method::GET, "tags/list")).await?
                }
                page => page?,
            };
            let Some((page, next)) = page else {
                return Ok(if tags.is_empty() { None } else { Some(tags) });
            };
            tags.extend(page);
            match next {
                Some(next) => query = next,
                None => return Ok(Some(tags)),
            }
        }
    }

    /// A page of tags, and the query of the next one. `None` if the repository does not exist.
    async fn tags_page(&self, call: &Call) -> Result<Option<(Vec<String>, Option<String>)>, OciError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "optional")]
            tags: Vec<String>,
        }
        let asked = self.asked(&call.method, &call.to);
        let attempt = || async {
            let response = self.once(call).await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if !response.status().is_success() {
                return Err(self.refuse(call, response).await);
            }
            let next = next_query(response.headers());
            let body = body_of(&self.client, &asked, response, LARGEST_PAGE).await?;
            let page: Page =
                serde_json::from_slice(&body).map_err(|_| self.nonsense(call, "it is not a list of tags"))?;
            Ok(Some((page.tags, next)))
        };
        self.client.patiently(&asked.text, attempt).await
    }

    pub(super) fn missing(&self, what: String) -> OciError {
        OciError::NotFound { repository: self.repository.clone(), what }
    }

    pub(super) fn mismatch(
        &self,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> OciError {
        OciError::Mismatch {
            repository: Box::new(self.repository.clone()),
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

fn read(method: Method, which: &TagOrDigest) -> Call {
    let mut call = Call::new(method, format!("manifests/{which}"));
    call.headers.insert(ACCEPT_HEADER, HeaderValue::from_static(ACCEPT));
    call
}

fn text<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The descriptor from an answer's headers, if they are complete.
fn described(response: &Response) -> Option<Descriptor> {
    let digest = text(response, CONTENT_DIGEST)?.parse().ok()?;
    let size = text(response, CONTENT_LENGTH.as_str())?.parse().ok()?;
    let media_type = text(response, CONTENT_TYPE.as_str())?.split(';').next()?.trim();
    Some(Descriptor::new(media_type, digest, size))
}

/// Whether these bytes are a JSON object, like every manifest, and not some server's page.
fn is_document(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes).is_ok()
}
