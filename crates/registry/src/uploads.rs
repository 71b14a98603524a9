//! Uploads: begin, append, finish, ask, cancel, or mount instead ("Pushing Blobs").

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, StatusCode};

use super::answer::{Answer, Body, CONTENT_DIGEST, Refusal};
use super::blocking::blocking;
use super::names::RepositoryName;
use super::query::Query;
use super::random::random_id;
use super::range;
use super::route;
use super::store::Store;
use super::upload::{Upload, unknown};
use oci::Digest;
use sys::sync::Mutex;

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// The sessions of this process. They and their files end with it.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, Arc<Upload>>>);

impl Uploads {
    /// `POST …/blobs/uploads/`: accepts a whole blob (`digest`), or begins a session.
    pub(crate) async fn begin(
        &self,
        store: &Store,
        repository: RepositoryName,
        query: &Query,
        body: &mut Body,
    ) -> Result<Answer, Refusal> {
        let upload = Arc::new({
            let (store, repository) = (store.clone(), repository.clone());
            blocking(move || Ok(Upload::begin(&store, repository)?)).await?
        });
        if let Some(digest) = query.get("digest") {
            let digest = route::digest(digest)?;
            upload.append(None, body).await?;
            return keep(store, upload, digest).await;
        }
        let id = random_id()?;
        let answer = progress(StatusCode::ACCEPTED, &repository, &id, 0);
        self.0.lock().insert(id, upload);
        Ok(answer)
    }

    /// Finds a session of this repository. Other repositories cannot reach it.
    pub(crate) fn find(&self, repository: &RepositoryName, id: String) -> Result<Session<'_>, Refusal> {
        let found = self.0.lock().get(&id).cloned().filter(|upload| upload.repository == *repository);
        Ok(Session { uploads: self, id, upload: found.ok_or_else(unknown)? })
    }
}

/// A session in a request.
pub(crate) struct Session<'a> {
    uploads: &'a Uploads,
    id: String,
    upload: Arc<Upload>,
}

impl Session<'_> {
    /// `PATCH`: appends a chunk.
    pub(crate) async fn append(&self, headers: &HeaderMap, body: &mut Body) -> Result<Answer, Refusal> {
        let size = self.take(headers, body).await?;
        Ok(progress(StatusCode::ACCEPTED, &self.upload.repository, &self.id, size))
    }

    /// `PUT`: accepts the last chunk, if there is one, and ends the session with a blob or an error.
    pub(crate) async fn finish(
        self,
        store: &Store,
        query: &Query,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<Answer, Refusal> {
        let digest =
            query.get("digest").ok_or_else(|| Refusal::bad("DIGEST_INVALID", "the digest is missing"))?;
        let digest = route::digest(digest)?;
        self.take(headers, body).await?;
        self.uploads.0.lock().remove(&self.id);
        keep(store, self.upload, digest).await
    }

    /// `GET`: the number of bytes that have arrived.
    pub(crate) fn status(&self) -> Answer {
        progress(StatusCode::NO_CONTENT, &self.upload.repository, &self.id, self.upload.size())
    }

    /// `DELETE`: removes the session.
    pub(crate) fn cancel(self) -> Answer {
        self.uploads.0.lock().remove(&self.id);
        Answer::new(StatusCode::NO_CONTENT)
    }

    /// Appends the body of a request. The answer to a refused chunk says how many bytes the session has.
    async fn take(&self, headers: &HeaderMap, body: &mut Body) -> Result<u64, Refusal> {
        let range = headers.get(CONTENT_RANGE).map(|value| {
            let range = value.to_str().ok().and_then(range::chunk);
            range.ok_or_else(|| Refusal::bad("BLOB_UPLOAD_INVALID", "the Content-Range cannot be read"))
        });
        self.upload.append(range.transpose()?, body).await.map_err(|refusal| {
            if refusal.status != StatusCode::RANGE_NOT_SATISFIABLE {
                return refusal;
            }
            let location = location(&self.upload.repository, &self.id);
            refusal.header(LOCATION, location).header(RANGE, received(self.upload.size()))
        })
    }
}

/// `POST …/blobs/uploads/` with `mount` and `from`: takes the blob from another repository. `None` if an upload must
/// begin instead.
pub(crate) async fn mount(
    store: &Store,
    mounts: bool,
    repository: &RepositoryName,
    query: &Query,
) -> Result<Option<Answer>, Refusal> {
    let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) else { return Ok(None) };
    let (digest, from) = (route::digest(digest)?, RepositoryName::parse(from));
    let Some(from) = from.filter(|_| mounts) else { return Ok(None) };
    let (store, to, wanted) = (store.clone(), repository.clone(), digest.clone());
    let mounted = blocking(move || Ok(store.mount(&from, &to, &wanted)?)).await?;
    Ok(mounted.then(|| created(repository, &digest)))
}

async fn keep(store: &Store, upload: Arc<Upload>, digest: Digest) -> Result<Answer, Refusal> {
    let store = store.clone();
    blocking(move || {
        upload.finish(&store, &digest)?;
        Ok(created(&upload.repository, &digest))
    })
    .await
}

/// 201: the repository has the blob now.
fn created(repository: &RepositoryName, digest: &Digest) -> Answer {
    Answer::new(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{repository}/blobs/{digest}"))
        .header(CONTENT_DIGEST, digest.as_str())
        .bytes("")
}

fn progress(status: StatusCode, repository: &RepositoryName, id: &str, size: u64) -> Answer {
    let answer = Answer::new(status)
        .header(LOCATION, location(repository, id))
        .header(RANGE, received(size))
        .header(UPLOAD_UUID, id);
    if status == StatusCode::NO_CONTENT { answer } else { answer.bytes("") }
}

fn location(repository: &RepositoryName, id: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}")
}

/// The range is inclusive, so no byte at all looks like one byte. All registries do this.
fn received(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}
