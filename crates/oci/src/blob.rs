//! Reads blobs. They are checked while they stream, and resumed after a broken connection.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::client::Client;
use super::digest::{Digest, Hasher};
use super::error::{Again, Asked, OciError, Trouble};
use super::manifest::Descriptor;
use super::reference::Repository;
use super::route::{Call, Route};
use super::transport::{is_packed, next_chunk, unreachable};
use sys::http::{Class, StallTimer};
use sys::sync::Mutex;

/// After this many bytes, a broken connection counts as a new problem, not as the next failure of the same request.
pub(super) const PROGRESS: u64 = 1024 * 1024;

/// How often p2p repeats a request that could only save work.
pub(super) const PROBES: u32 = 2;

/// A callback with the number of received bytes of a blob.
pub(super) type Meter = Arc<dyn Fn(u64) + Send + Sync>;

impl Client {
    /// A blob as a stream of pieces, at most a few hundred KiB each. The last piece is returned only if the digest
    /// and the size of the whole are correct.
    ///
    /// # Errors
    /// If the registry does not have the blob, cannot be reached, or refuses.
    pub async fn blob(&self, repository: &Repository, blob: &Descriptor) -> Result<BlobReader, OciError> {
        let route = Route::pull(self, repository);
        let what = route.asked(&Method::GET, &call(blob, 0).to).text;
        let open = || BlobReader::open(&route, Sum::of(blob), 0, StallTimer::default(), None);
        self.patiently(&what, open).await
    }

    /// A whole blob in memory, for configurations and other small blobs.
    ///
    /// # Errors
    /// As [`Client::blob`], and if it is larger than `limit` bytes.
    pub async fn blob_bytes(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, OciError> {
        if blob.size > limit {
            let route = Route::pull(self, repository);
            return Err(route.mismatch(
                format!("blob {}", blob.digest),
                format!("at most {limit} bytes"),
                format!("{} bytes", blob.size),
            ));
        }
        let mut reader = self.blob(repository, blob).await?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = reader.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Whether a repository has a blob.
    ///
    /// # Errors
    /// If the registry cannot be reached or refuses.
    pub async fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, OciError> {
        Route::pull(self, repository).find_blob(blob).await
    }
}

impl Route {
    /// Whether the repository has the blob.
    pub(super) async fn find_blob(&self, blob: &Descriptor) -> Result<bool, OciError> {
        let call = Call::new(Method::HEAD, format!("blobs/{}", blob.digest));
        let what = self.asked(&call.method, &call.to).text;
        self.client.patiently(&what, || self.has_blob(blob)).await
    }

    /// Whether the repository has the blob, in try number `tries`. The answer could only save work, so an unclear
    /// one means "no".
    pub(super) async fn seems_to_have(&self, blob: &Descriptor, tries: u32) -> Result<bool, Trouble> {
        match self.has_blob(blob).await {
            Err(Trouble { error, again })
                if error.leaves_open() && (again == Again::No || tries > PROBES) =>
            {
                Ok(false)
            }
            answer => answer,
        }
    }

    /// Whether the repository has the blob, with a single request.
    pub(super) async fn has_blob(&self, blob: &Descriptor) -> Result<bool, Trouble> {
        let call = Call::new(Method::HEAD, format!("blobs/{}", blob.digest));
        let response = self.once(&call).await?;
        match response.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refuse(&call, response).await),
        }
    }
}

/// The digest of a blob during its transfer. Readers share it when one continues after another's broken connection.
/// Bytes that arrive twice count once.
#[derive(Clone)]
pub(super) struct Sum {
    blob: Descriptor,
    summed: Arc<Mutex<Summed>>,
}

struct Summed {
    /// `None` after the comparison.
    hasher: Option<Hasher>,
    bytes: u64,
}

impl Sum {
    pub(super) fn of(blob: &Descriptor) -> Self {
        let summed = Summed { hasher: Some(Hasher::like(&blob.digest)), bytes: 0 };
        Self { blob: blob.clone(), summed: Arc::new(Mutex::new(summed)) }
    }

    /// The number of different bytes that have arrived.
    pub(super) fn bytes(&self) -> u64 {
        self.summed.lock().bytes
    }

    /// The blob that is being transferred.
    pub(super) fn blob(&self) -> &Descriptor {
        &self.blob
    }

    /// Adds a piece that begins at `start`, without a gap before it. After the last byte of the blob, returns the
    /// digest of all bytes.
    fn add(&self, start: u64, piece: &[u8]) -> Option<Digest> {
        let mut summed = self.summed.lock();
        let known = usize::try_from(summed.bytes.saturating_sub(start)).unwrap_or(usize::MAX);
        let new = piece.get(known..).unwrap_or_default();
        if let Some(hasher) = &mut summed.hasher {
            hasher.update(new);
        }
        summed.bytes += new.len() as u64;
        if summed.bytes < self.blob.size { None } else { summed.hasher.take().map(Hasher::finish) }
    }
}

/// A blob during its transfer from a registry.
pub struct BlobReader {
    route: Route,
    blob: Descriptor,
    timer: StallTimer,
    meter: Option<Meter>,
    response: Option<Response>,
    sum: Sum,
    received: u64,
    /// The number of bytes at the start of this answer that have arrived before.
    skip: u64,
    /// Whether answers are compressed. Then they always begin at the start, because a range would count compressed
    /// bytes.
    packed: bool,
    unpacker: Option<MultiGzDecoder<Vec<u8>>>,
    failed: u32,
    failed_at: u64,
    ended: bool,
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader")
            .field("blob", &self.blob)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl BlobReader {
    /// Requests the blob from byte `from` on, in one try.
    pub(super) async fn open(
        route: &Route,
        sum: Sum,
        from: u64,
        timer: StallTimer,
        meter: Option<Meter>,
    ) -> Result<Self, Trouble> {
        let mut reader = Self {
            route: route.clone(),
            blob: sum.blob.clone(),
            timer,
            meter,
            response: None,
            sum,
            received: from,
            skip: 0,
            packed: false,
            unpacker: None,
            failed: 0,
            failed_at: from,
            ended: false,
        };
        reader.request().await?;
        Ok(reader)
    }

    /// The next piece, or `None` after the last. Resumes after broken connections.
    ///
    /// # Errors
    /// If the blob does not match its digest and size, or if the registry keeps failing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OciError> {
        self.advance().await.map_err(|trouble| trouble.error)
    }

    /// Whether everything has arrived and was correct.
    pub(super) fn is_done(&self) -> bool {
        self.ended
    }

    pub(super) async fn advance(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            match self.read().await {
                Ok(chunk) => return Ok(chunk),
                Err(Trouble { error, again: Again::After(after) }) => {
                    self.response = None;
                    if self.received >= self.failed_at + PROGRESS {
                        self.failed = 0;
                    }
                    self.failed += 1;
                    self.failed_at = self.received;
                    // The upload at the other end waits too.
                    self.timer.wait_for(self.route.client.settings().policy.patience);
                    let what = self.route.asked(&Method::GET, &call(&self.blob, 0).to).text;
                    let again = self.route.client.retrying().pause(&what, &error, self.failed, after).await;
                    self.timer.moved();
                    if !again {
                        return Err(error.into());
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Trouble> {
        if self.ended {
            return Ok(None);
        }
        loop {
            if self.response.is_none() {
                self.request().await?;
            }
            let asked = self.route.asked(&Method::GET, &call(&self.blob, 0).to);
            let Some(response) = &mut self.response else { continue };
            let chunk = next_chunk(&self.route.client, &asked, response).await?;
            let Some(mut chunk) = self.unpack(chunk)? else {
                return self.end(&asked.text);
            };
            if self.skip > 0 {
                let known = self.skip.min(chunk.len() as u64);
                self.skip -= known;
                let _ = chunk.split_to(usize::try_from(known).unwrap_or(chunk.len()));
            }
            if chunk.is_empty() {
                continue;
            }
            let start = self.received;
            self.received += chunk.len() as u64;
            if self.received > self.blob.size {
                return Err(self.damaged(format!("more than {} bytes", self.blob.size)));
            }
            self.check(start, &chunk)?;
            self.ended = self.received == self.blob.size;
            self.timer.moved();
            if let Some(meter) = &self.meter {
                meter(self.received);
            }
            return Ok(Some(chunk));
        }
    }

    /// Decompresses a piece of an answer. `None` is its end.
    fn unpack(&mut self, chunk: Option<Bytes>) -> Result<Option<Bytes>, Trouble> {
        let Some(unpacker) = &mut self.unpacker else { return Ok(chunk) };
        let written = match &chunk {
            Some(chunk) => unpacker.write_all(chunk),
            None => unpacker.try_finish(),
        };
        let plain = Bytes::from(std::mem::take(unpacker.get_mut()));
        if written.is_err() {
            return Err(self.damaged("not compressed as it claims to be".to_owned()));
        }
        Ok(if chunk.is_none() && plain.is_empty() { None } else { Some(plain) })
    }

    /// Handles the end of an answer. It is an error if bytes are missing.
    fn end(&mut self, asked: &str) -> Result<Option<Bytes>, Trouble> {
        if self.received == self.blob.size {
            self.check(self.received, &[])?;
            self.ended = true;
            return Ok(None);
        }
        let reason = format!("it ended after {} of {} bytes", self.received, self.blob.size);
        let asked = Asked { repository: self.route.repository.clone(), text: asked.to_owned() };
        Err(unreachable(&asked, reason, Class::Broken))
    }

    /// Adds a piece to the digest, and compares the digest after the last one.
    fn check(&self, start: u64, piece: &[u8]) -> Result<(), Trouble> {
        match self.sum.add(start, piece) {
            Some(found) if found != self.blob.digest => Err(self.damaged(found.to_string())),
            _ => Ok(()),
        }
    }

    fn damaged(&self, found: String) -> Trouble {
        let blob = &self.blob;
        let expected =
            if found.contains(':') { blob.digest.to_string() } else { format!("{} bytes", blob.size) };
        self.route.mismatch(format!("blob {}", blob.digest), expected, found).into()
    }

    /// Requests the missing bytes.
    async fn request(&mut self) -> Result<(), Trouble> {
        let mut response = self.ask().await?;
        if !self.packed && is_packed(&response) && response.content_length() != Some(self.left()) {
            self.packed = true;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                response = self.ask().await?;
            }
        }
        let call = call(&self.blob, self.received);
        self.skip = match response.status() {
            StatusCode::PARTIAL_CONTENT if !self.packed && starts_at(&response) == Some(self.received) => 0,
            // The registry ignores ranges, so the answer repeats the bytes that have arrived.
            StatusCode::OK => self.received,
            StatusCode::NOT_FOUND => {
                return Err(self.route.missing(format!("blob {}", self.blob.digest)).into());
            }
            StatusCode::PARTIAL_CONTENT => {
                return Err(self.route.nonsense(&call, "it is another part than the one asked for").into());
            }
            _ => return Err(self.route.refuse(&call, response).await),
        };
        let expected = self.left() + self.skip;
        self.unpacker = self.packed.then(|| MultiGzDecoder::new(Vec::new()));
        if let Some(length) = response.content_length()
            && length != expected
            && !self.packed
        {
            return Err(self.damaged(format!("{} bytes", length + self.received - self.skip)));
        }
        self.response = Some(response);
        Ok(())
    }

    async fn ask(&self) -> Result<Response, Trouble> {
        self.route.once(&call(&self.blob, if self.packed { 0 } else { self.received })).await
    }

    /// The number of missing bytes.
    fn left(&self) -> u64 {
        self.blob.size.saturating_sub(self.received)
    }
}

fn call(blob: &Descriptor, from: u64) -> Call {
    let mut call = Call::new(Method::GET, format!("blobs/{}", blob.digest));
    if from > 0
        && let Ok(range) = HeaderValue::from_str(&format!("bytes={from}-"))
    {
        call.headers.insert(RANGE, range);
    }
    call
}

/// The first byte of a partial answer: `Content-Range: bytes 100-199/200`.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}
