//! The source of an upload's bytes: memory, a file, or another registry. After an interruption, it can be opened
//! again at any byte.

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
use super::route::Route;
use sys::http::StallTimer;
use sys::sync::Mutex;

/// How many bytes of a file are read at once.
const PIECE: usize = 256 * 1024;

/// Local content to push as a blob.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file. It is streamed, and must not change in the meantime.
    File(PathBuf),
}

/// The source of an upload's bytes. It can be opened again after a failed try.
#[derive(Clone)]
pub(super) enum Source {
    Local(Content),
    Remote { route: Route, meter: Option<Meter> },
}

/// The digest and size of local content.
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
    /// Whether this number of bytes has been read, so that the registry may have them.
    pub(super) fn passed(&self, bytes: u64, sum: &Sum) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Remote { .. } => bytes <= sum.bytes(),
        }
    }

    /// The content from byte `from` on, as the body of a request. `sum` checks the digest of bytes from a registry.
    pub(super) async fn body(&self, sum: &Sum, from: u64, watch: &Watch) -> Result<Body, Trouble> {
        match self {
            Self::Local(Content::Bytes(bytes)) => {
                watch.read_whole();
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..).into())
            }
            Self::Local(Content::File(path)) => {
                let left = sum.blob().size.saturating_sub(from);
                Ok(file_body(open_file(path, from).await?, path.clone(), left, watch.clone()))
            }
            Self::Remote { route, meter } => {
                let (timer, meter) = (watch.timer.clone(), meter.clone());
                let reader = BlobReader::open(route, sum.clone(), from, timer, meter).await?;
                Ok(remote_body(reader, watch.clone()))
            }
        }
    }
}

/// The next `left` bytes of a file, as a body.
fn file_body(file: tokio::fs::File, path: PathBuf, left: u64, watch: Watch) -> Body {
    let state = (file, path, left, watch);
    Body::wrap_stream(stream::unfold(state, async |(mut file, path, left, watch)| {
        if left == 0 {
            return None;
        }
        match read_piece(&mut file, left).await {
            Ok(piece) => {
                let left = left - piece.len() as u64;
                if left == 0 {
                    watch.read_whole();
                } else {
                    watch.timer.moved();
                }
                Some((Ok(piece), (file, path, left, watch)))
            }
            Err(source) => {
                let broken = watch.failed(OciError::File { path: path.clone(), source }.into());
                Some((Err(broken), (file, path, left, watch)))
            }
        }
    }))
}

/// The bytes from a registry, as a body.
fn remote_body(reader: BlobReader, watch: Watch) -> Body {
    Body::wrap_stream(stream::unfold((reader, watch), async |(mut reader, watch)| {
        match reader.advance().await {
            Ok(Some(chunk)) => {
                // The body is not polled after its last piece.
                if reader.is_done() {
                    watch.read_whole();
                }
                Some((Ok(chunk), (reader, watch)))
            }
            Ok(None) => None,
            Err(trouble) => Some((Err(watch.failed(trouble)), (reader, watch))),
        }
    }))
}

/// The source failed. [`Watch::fault`] has the reason.
#[derive(Debug, thiserror::Error)]
#[error("the source of the upload failed")]
struct Broken;

/// Watches how the body of an upload is read.
#[derive(Clone)]
pub(super) struct Watch {
    /// Stops the upload if no bytes move.
    pub(super) timer: StallTimer,
    stall: Duration,
    fault: Arc<Mutex<Option<Trouble>>>,
}

impl Watch {
    /// For an upload that may stand still for `stall`.
    pub(super) fn new(stall: Duration) -> Self {
        Self { timer: StallTimer::default(), stall, fault: Arc::default() }
    }

    /// The source has returned its last byte. Now the registry stores the blob.
    fn read_whole(&self) {
        self.timer.storing(self.stall);
    }

    /// The source failed.
    fn failed(&self, trouble: Trouble) -> Broken {
        *self.fault.lock() = Some(trouble);
        Broken
    }

    /// Why the source failed, if it did.
    pub(super) fn fault(&self) -> Option<Trouble> {
        self.fault.lock().take()
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

/// The next piece of a file, at most `left` bytes, because the length was announced.
async fn read_piece(file: &mut tokio::fs::File, left: u64) -> std::io::Result<Bytes> {
    let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
    let read = file.read(&mut piece).await?;
    if read == 0 {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it became shorter"));
    }
    piece.truncate(read);
    Ok(piece.into())
}
