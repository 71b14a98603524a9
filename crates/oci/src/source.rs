//! Where the bytes of an upload come from: memory, a file, or another registry. What broke off can
//! be opened again at any byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::blob::{BlobReader, Meter, Sum};
use super::digest::{Digest, Hasher};
use super::error::{OciError, Trouble};
use super::manifest::Descriptor;
use super::route::Route;
use sys::http::StallTimer;
use sys::sync::Mutex;

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

/// Digest and size of local content.
pub(super) async fn measure(content: &Content) -> Result<(Digest, u64), OciError> {
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

impl Source {
    /// Whether so many bytes were read, so that somebody may have them.
    pub(super) fn passed(&self, bytes: u64, sum: &Sum) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Remote { .. } => bytes <= sum.bytes(),
        }
    }

    /// The content from byte `from` on, as the body of a request. `sum` sees to the digest of what
    /// comes from a registry.
    pub(super) async fn body(
        &self,
        blob: &Descriptor,
        from: u64,
        sum: &Sum,
        timer: &StallTimer,
        fault: &Fault,
        settle: Duration,
    ) -> Result<Body, Trouble> {
        let (timer, fault) = (timer.clone(), fault.clone());
        match self {
            Self::Local(Content::Bytes(bytes)) => {
                timer.storing(settle);
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..).into())
            }
            Self::Local(Content::File(path)) => {
                let file = open_file(path, from).await?;
                let state = (file, path.clone(), blob.size.saturating_sub(from), timer, fault);
                Ok(Body::wrap_stream(stream::unfold(
                    state,
                    move |(mut file, path, left, timer, fault)| async move {
                        if left == 0 {
                            return None;
                        }
                        match read_piece(&mut file, left).await {
                            Ok(piece) => {
                                let left = left - piece.len() as u64;
                                if left == 0 {
                                    timer.storing(settle);
                                } else {
                                    timer.moved();
                                }
                                Some((Ok(piece), (file, path, left, timer, fault)))
                            }
                            Err(source) => {
                                fault.set(OciError::File { path: path.clone(), source }.into());
                                Some((Err(Broken), (file, path, left, timer, fault)))
                            }
                        }
                    },
                )))
            }
            Self::Remote { route, meter } => {
                let reader =
                    BlobReader::open(route, blob, timer.clone(), meter.clone(), sum.clone(), from).await?;
                let state = (reader, timer, fault);
                Ok(Body::wrap_stream(stream::unfold(state, move |(mut reader, timer, fault)| async move {
                    match reader.advance().await {
                        Ok(Some(chunk)) => {
                            // The body is not asked again after its last piece.
                            if reader.is_done() {
                                timer.storing(settle);
                            }
                            Some((Ok(chunk), (reader, timer, fault)))
                        }
                        Ok(None) => None,
                        Err(trouble) => {
                            fault.set(trouble);
                            Some((Err(Broken), (reader, timer, fault)))
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
pub(super) struct Fault(Arc<Mutex<Option<Trouble>>>);

impl Fault {
    fn set(&self, trouble: Trouble) {
        *self.0.lock() = Some(trouble);
    }

    pub(super) fn take(&self) -> Option<Trouble> {
        self.0.lock().take()
    }
}

async fn open_file(path: &Path, from: u64) -> Result<tokio::fs::File, OciError> {
    let failed = |source| OciError::File { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    if from > 0 {
        file.seek(std::io::SeekFrom::Start(from)).await.map_err(failed)?;
    }
    Ok(file)
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
