//! Writing blobs: mount, or stream into one PUT; the session that a refused mount opened is used.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, StatusCode, Url};
use tokio::io::AsyncReadExt;

use super::blob::{BlobReader, Meter};
use super::client::Client;
use super::digest::{Digest, Hasher};
use super::error::{OciError, Trouble};
use super::manifest::Descriptor;
use super::reference::Repository;
use super::route::{Call, Route, again_after};
use super::transport::{Pulse, refusal};
use crate::retry;

/// How much of a file is read at once.
const PIECE: usize = 256 * 1024;

/// Something local to push as a blob.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file; it is streamed, and must not change meanwhile.
    File(PathBuf),
}

/// Where the bytes of an upload come from. It can be opened again when a try failed.
#[derive(Clone)]
pub(super) enum Source {
    Local(Content),
    Remote { route: Route, meter: Option<Meter> },
}

/// How a mount ended.
#[derive(Debug)]
pub(super) enum Mount {
    /// The blob is there now, and no byte moved.
    Done,
    /// The registry wants an upload, and has opened this session for it.
    Session(Url),
    /// The registry refused.
    Refused,
}

/// Where an upload goes.
#[derive(Debug)]
pub(super) enum Place {
    /// Into this session.
    Session(Url),
    /// Nowhere: the blob turned out to be there.
    Needless,
}

/// Why an upload does not begin.
enum Stop {
    Needless,
    Trouble(Trouble),
}

impl Client {
    /// Pushes a blob, unless the repository has it already; says whether it was moved. The media
    /// type of a blob is said by the manifest that names it, so the descriptor has an empty one.
    ///
    /// # Errors
    /// When a file cannot be read, or the registry cannot be asked or refuses.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        content: &Content,
    ) -> Result<(Descriptor, bool), OciError> {
        let (digest, size) = measure(content).await?;
        let blob = Descriptor::new("", digest, size);
        if self.has_blob(repository, &blob).await? {
            return Ok((blob, false));
        }
        let route = Route::push(self, repository);
        let what = format!("upload of blob {} to {repository}", blob.digest);
        let source = Source::Local(content.clone());
        let open = || async { route.open_upload().await.map(Place::Session) };
        self.patiently(&what, || route.upload(&blob, &source, open())).await?;
        Ok((blob, true))
    }
}

/// Digest and size of local content.
async fn measure(content: &Content) -> Result<(Digest, u64), OciError> {
    let path = match content {
        Content::Bytes(bytes) => return Ok((Digest::of(bytes), bytes.len() as u64)),
        Content::File(path) => path,
    };
    let failed = |source| OciError::File { path: path.clone(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut hasher = Hasher::sha256();
    let mut size = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).await.map_err(failed)?;
        if read == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

impl Route {
    /// Asks the registry to take a blob over from another of its repositories; one try.
    pub(super) async fn mount(&self, blob: &Descriptor, from: &Repository) -> Result<Mount, Trouble> {
        let path = format!("blobs/uploads/?mount={}&from={}", blob.digest, from.name());
        let call = Call::new(Method::POST, path);
        let response = match self.once(&call).await {
            Err(trouble) if trouble.error.is_denied() => return Ok(Mount::Refused),
            other => other?,
        };
        Ok(match response.status() {
            StatusCode::CREATED => Mount::Done,
            StatusCode::ACCEPTED => self.upload_place(&response)?.map_or(Mount::Refused, Mount::Session),
            // Whatever it does not like (rights to `from`, the parameters): uploading decides.
            _ => Mount::Refused,
        })
    }

    pub(super) async fn open_upload(&self) -> Result<Url, Trouble> {
        let call = Call::new(Method::POST, "blobs/uploads/");
        let response = self.once(&call).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refuse(&call, response).await);
        }
        let place = self.upload_place(&response)?;
        place.ok_or_else(|| self.nonsense(&call, "it names no place to upload to").into())
    }

    /// Gives an upload session back that is not needed; what comes of that does not matter.
    pub(super) async fn abandon(&self, session: Url) {
        let mut call = Call::new(Method::DELETE, "");
        call.to = super::route::To::Place(session, "an upload".to_owned());
        let _ = self.once(&call).await;
    }

    /// Uploads a blob in one PUT, to where `place` says; one try. Says whether bytes were moved.
    pub(super) async fn upload(
        &self,
        blob: &Descriptor,
        source: &Source,
        place: impl Future<Output = Result<Place, Trouble>>,
    ) -> Result<bool, Trouble> {
        let pulse = Pulse::new();
        let fault = Fault::default();
        let place = async {
            match place.await {
                Ok(Place::Session(place)) => Ok(place),
                Ok(Place::Needless) => Err(Stop::Needless),
                Err(trouble) => Err(Stop::Trouble(trouble)),
            }
        };
        let body = async { self.open_source(blob, source, &pulse, &fault).await.map_err(Stop::Trouble) };
        // Both ends at once: on a slow link that is one wait less for each blob.
        let (mut place, body) = match tokio::try_join!(place, body) {
            Ok(both) => both,
            Err(Stop::Needless) => return Ok(false),
            Err(Stop::Trouble(trouble)) => return Err(trouble),
        };
        place.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(blob.size));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let words = format!("the upload of blob {} to {}", blob.digest, self.repository.name());
        let answer = self.stream(place.clone(), &words, headers, body, &pulse).await;
        // What went wrong at the source is the cause of whatever the destination made of it.
        if let Some(trouble) = fault.take() {
            return Err(trouble);
        }
        let response = answer?;
        let status = response.status();
        if status.is_success() && status != StatusCode::ACCEPTED {
            return Ok(true);
        }
        let asked = self.asked(&Method::PUT, &super::route::To::Place(place, words));
        let again = again_after(&response);
        let trouble = refusal(&asked, response, &self.origin().await).await;
        // A session that the registry lost or got into disorder: a new one may do.
        let lost = matches!(status.as_u16(), 404 | 416) || retry::transient(status.as_u16());
        Err(if lost { Trouble { again, ..trouble } } else { trouble })
    }

    async fn open_source(
        &self,
        blob: &Descriptor,
        source: &Source,
        pulse: &Pulse,
        fault: &Fault,
    ) -> Result<Body, Trouble> {
        let settle = self.client.settings().stall;
        match source {
            Source::Local(Content::Bytes(bytes)) => {
                pulse.settle(settle);
                Ok(bytes.clone().into())
            }
            Source::Local(Content::File(path)) => {
                let file = open_file(path).await?;
                let state = (file, path.clone(), blob.size, pulse.clone(), fault.clone());
                Ok(Body::wrap_stream(stream::unfold(
                    state,
                    move |(mut file, path, left, pulse, fault)| async move {
                        if left == 0 {
                            return None;
                        }
                        match read_piece(&mut file, left).await {
                            Ok(piece) => {
                                let left = left - piece.len() as u64;
                                if left == 0 {
                                    pulse.settle(settle);
                                } else {
                                    pulse.beat(Duration::ZERO);
                                }
                                Some((Ok(piece), (file, path, left, pulse, fault)))
                            }
                            Err(source) => {
                                fault.set(OciError::File { path: path.clone(), source }.into());
                                Some((Err(Broken), (file, path, left, pulse, fault)))
                            }
                        }
                    },
                )))
            }
            Source::Remote { route, meter } => {
                let reader = BlobReader::open(route, blob, pulse.clone(), meter.clone()).await?;
                let state = (reader, pulse.clone(), fault.clone());
                Ok(Body::wrap_stream(stream::unfold(state, move |(mut reader, pulse, fault)| async move {
                    match reader.advance().await {
                        Ok(Some(chunk)) => {
                            // The body is not asked again after its last piece.
                            if reader.is_done() {
                                pulse.settle(settle);
                            }
                            Some((Ok(chunk), (reader, pulse, fault)))
                        }
                        Ok(None) => None,
                        Err(trouble) => {
                            fault.set(trouble);
                            Some((Err(Broken), (reader, pulse, fault)))
                        }
                    }
                })))
            }
        }
    }
}

/// The body broke off at its source; [`Fault`] knows why.
#[derive(Debug, thiserror::Error)]
#[error("the source of the upload failed")]
struct Broken;

/// What went wrong at the source of a body.
#[derive(Clone, Default)]
struct Fault(Arc<Mutex<Option<Trouble>>>);

impl Fault {
    fn set(&self, trouble: Trouble) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    fn take(&self) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn open_file(path: &Path) -> Result<tokio::fs::File, OciError> {
    tokio::fs::File::open(path).await.map_err(|source| OciError::File { path: path.to_owned(), source })
}

/// The next piece of a file, at most `left` bytes: the length was promised.
async fn read_piece(file: &mut tokio::fs::File, left: u64) -> std::io::Result<Bytes> {
    let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
    let read = file.read(&mut piece).await?;
    if read == 0 {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it became shorter"));
    }
    piece.truncate(read);
    Ok(piece.into())
}
