//! Uploads: begin, append, finish, ask, cancel, and mount instead ("Pushing Blobs").

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, StatusCode};

use super::answer::{Answer, Body, CONTENT_DIGEST, Refusal};
use super::names::{Digest, Repository};
use super::query::Query;
use super::random::random_id;
use super::range;
use super::route;
use super::service::blocking;
use super::store::Store;
use super::upload::{Upload, unknown};
use sys::sync::Mutex;

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// The sessions of this process. They end with it; their files go too.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Arc<Upload>>>);

impl Uploads {
    /// `POST …/blobs/uploads/`: mounts (`mount` and `from`), takes a whole blob (`digest`), or begins a session.
    pub(super) async fn begin(
        &self,
        store: &Store,
        mounts: bool,
        repository: Repository,
        query: &Query,
        body: &mut Body,
    ) -> Result<Answer, Refusal> {
        if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
            let (digest, from) = (route::digest(digest)?, Repository::parse(from));
            if let Some(from) = from.filter(|_| mounts) {
                let (store, to, wanted) = (store.clone(), repository.clone(), digest.clone());
                if blocking(move || Ok(store.mount(&from, &to, &wanted)?)).await? {
                    return Ok(created(&repository, &digest));
                }
            }
        }
        let upload = Arc::new({
            let (store, repository) = (store.clone(), repository.clone());
            blocking(move || Ok(Upload::begin(&store, repository)?)).await?
        });
        if let Some(digest) = query.get("digest") {
            let digest = route::digest(digest)?;
            upload.append(None, body).await?;
            return finish(store, upload, digest).await;
        }
        let id = random_id()?;
        let answer = progress(StatusCode::ACCEPTED, &repository, &id, 0);
        self.table().insert(id, upload);
        Ok(answer)
    }

    /// `PATCH`: appends a chunk.
    pub(super) async fn append(
        &self,
        repository: &Repository,
        id: &str,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<Answer, Refusal> {
        let upload = self.get(repository, id)?;
        let size = append(repository, id, &upload, headers, body).await?;
        Ok(progress(StatusCode::ACCEPTED, repository, id, size))
    }

    /// `PUT`: takes the last chunk, if any, and ends the session with a blob or an error.
    pub(super) async fn finish(
        &self,
        store: &Store,
        repository: &Repository,
        id: &str,
        query: &Query,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<Answer, Refusal> {
        let upload = self.get(repository, id)?;
        let digest =
            query.get("digest").ok_or_else(|| Refusal::bad("DIGEST_INVALID", "the digest is missing"))?;
        let digest = route::digest(digest)?;
        append(repository, id, &upload, headers, body).await?;
        self.table().remove(id);
        finish(store, upload, digest).await
    }

    /// `GET`: how far it got.
    pub(super) fn status(&self, repository: &Repository, id: &str) -> Result<Answer, Refusal> {
        let size = self.get(repository, id)?.size();
        Ok(progress(StatusCode::NO_CONTENT, repository, id, size))
    }

    /// `DELETE`: forgets it.
    pub(super) fn cancel(&self, repository: &Repository, id: &str) -> Result<Answer, Refusal> {
        self.get(repository, id)?;
        self.table().remove(id);
        Ok(Answer::new(StatusCode::NO_CONTENT))
    }

    /// A session of this repository; another repository's is none of its business.
    fn get(&self, repository: &Repository, id: &str) -> Result<Arc<Upload>, Refusal> {
        let found = self.table().get(id).cloned();
        found.filter(|upload| upload.repository == *repository).ok_or_else(unknown)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.0.lock()
    }
}

/// Appends the body of a request; a refused chunk's answer says how far the session is.
async fn append(
    repository: &Repository,
    id: &str,
    upload: &Arc<Upload>,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<u64, Refusal> {
    let range = match headers.get(CONTENT_RANGE) {
        None => None,
        Some(value) => {
            let range = value.to_str().ok().and_then(range::chunk);
            Some(
                range
                    .ok_or_else(|| Refusal::bad("BLOB_UPLOAD_INVALID", "the Content-Range cannot be read"))?,
            )
        }
    };
    upload.append(range, body).await.map_err(|refusal| {
        if refusal.status != StatusCode::RANGE_NOT_SATISFIABLE {
            return refusal;
        }
        refusal.header(LOCATION, location(repository, id)).header(RANGE, received(upload.size()))
    })
}

async fn finish(store: &Store, upload: Arc<Upload>, digest: Digest) -> Result<Answer, Refusal> {
    let store = store.clone();
    blocking(move || {
        upload.finish(&store, &digest)?;
        Ok(created(&upload.repository, &digest))
    })
    .await
}

/// 201: the repository has the blob now.
fn created(repository: &Repository, digest: &Digest) -> Answer {
    Answer::new(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{repository}/blobs/{digest}"))
        .header(CONTENT_DIGEST, digest.as_str())
        .bytes("")
}

fn progress(status: StatusCode, repository: &Repository, id: &str, size: u64) -> Answer {
    let answer = Answer::new(status)
        .header(LOCATION, location(repository, id))
        .header(RANGE, received(size))
        .header(UPLOAD_UUID, id);
    if status == StatusCode::NO_CONTENT { answer } else { answer.bytes("") }
}

fn location(repository: &Repository, id: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}")
}

/// Both ends inclusive, so that nothing at all looks like one byte; every registry does it so.
fn received(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}
