//! An upload in progress: the bytes go through the hash into a file, and are not held in memory.

use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::answer::{Body, Refusal};
use super::names::RepositoryName;
use super::store::Store;
use oci::{Digest, Hasher};
use sys::sync::Mutex;

/// How many pieces of a body may wait for the disk. Each is as large as one read from the connection.
const WAITING: usize = 8;

/// An upload session. It outlives the connections that send its bytes.
#[derive(Debug)]
pub(super) struct Upload {
    /// The repository of its blob.
    pub(super) repository: RepositoryName,
    /// `None` after the end. It is locked while a body arrives, so nothing else may wait for it.
    sink: Mutex<Option<Sink>>,
    /// The size of the sink.
    size: AtomicU64,
}

#[derive(Debug)]
struct Sink {
    file: NamedTempFile,
    hasher: Hasher,
    size: u64,
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Removes the bytes after `size`. `hasher` is their hash until there.
    fn rewind(&mut self, hasher: Hasher, size: u64) -> io::Result<()> {
        self.file.as_file().set_len(size)?;
        self.file.seek(SeekFrom::Start(size))?;
        self.hasher = hasher;
        self.size = size;
        Ok(())
    }
}

impl Upload {
    /// Begins an upload.
    pub(super) fn begin(store: &Store, repository: RepositoryName) -> io::Result<Self> {
        let sink = Sink { file: store.new_file()?, hasher: Hasher::sha256(), size: 0 };
        Ok(Self { repository, sink: Mutex::new(Some(sink)), size: AtomicU64::new(0) })
    }

    /// The number of bytes that have arrived, even while more arrive.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Appends a body. `range` is the chunk's range according to the client, both ends inclusive. If a body is
    /// interrupted, the bytes that arrived are kept: the client may ask for their number and continue.
    pub(super) async fn append(
        self: &Arc<Self>,
        range: Option<(u64, u64)>,
        body: &mut Body,
    ) -> Result<u64, Refusal> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let upload = Arc::clone(self);
        let writer = tokio::task::spawn_blocking(move || upload.write(range, receiver));
        let mut broken = None;
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data().ok()) {
                Ok(Some(data)) => {
                    // The writer stops early if it refuses the chunk. The reason follows below.
                    if sender.send(data).await.is_err() {
                        break;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        drop(sender);
        let size = writer.await.map_err(io::Error::other)?;
        match broken {
            Some(error) => Err(Refusal::bad("BLOB_UPLOAD_INVALID", format!("the body broke off: {error}"))),
            None => size,
        }
    }

    fn write(&self, range: Option<(u64, u64)>, mut pieces: mpsc::Receiver<Bytes>) -> Result<u64, Refusal> {
        let mut guard = self.sink.lock();
        let sink = guard.as_mut().ok_or_else(unknown)?;
        let (start, before) = (sink.size, sink.hasher.clone());
        if range.is_some_and(|(first, _)| first != start) {
            return Err(Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "BLOB_UPLOAD_INVALID",
                format!("the next byte is number {start}"),
            ));
        }
        let expected = range.map(|(first, last)| last - first + 1);
        while let Some(piece) = pieces.blocking_recv() {
            if let Err(error) = sink.write(&piece) {
                // How much reached the disk is unknown.
                *guard = None;
                return Err(error.into());
            }
            self.size.store(sink.size, Ordering::Relaxed);
            if expected.is_some_and(|expected| sink.size - start > expected) {
                sink.rewind(before, start)?;
                self.size.store(start, Ordering::Relaxed);
                return Err(Refusal::bad("SIZE_INVALID", "the chunk is longer than its Content-Range"));
            }
        }
        let came = sink.size - start;
        match expected {
            Some(expected) if came < expected => Err(Refusal::bad(
                "SIZE_INVALID",
                format!("the chunk has {came} bytes, its Content-Range says {expected}"),
            )),
            _ => Ok(sink.size),
        }
    }

    /// Turns the upload into a blob, if its bytes have this digest. Blocks. The session ends in either case.
    pub(super) fn finish(&self, store: &Store, digest: &Digest) -> Result<(), Refusal> {
        let sink = self.sink.lock().take();
        let Sink { file, hasher, size } = sink.ok_or_else(unknown)?;
        let actual = hasher.finish();
        if actual != *digest {
            return Err(Refusal::bad("DIGEST_INVALID", "the bytes that came have another digest")
                .detail(json!({"expected": digest.as_str(), "actual": actual.as_str(), "size": size})));
        }
        Ok(store.keep_blob(&self.repository, digest, file)?)
    }
}

/// The session does not exist or has ended.
pub(super) fn unknown() -> Refusal {
    Refusal::unknown("BLOB_UPLOAD_UNKNOWN", "there is no such upload")
}
