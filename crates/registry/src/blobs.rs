//! Reads blobs, completely or in part, and removes them ("Pulling blobs", "Deleting Blobs").

use std::io::SeekFrom;

use futures_util::TryStreamExt as _;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::answer::{Answer, CONTENT_DIGEST, Refusal};
use super::blocking::blocking;
use super::names::RepositoryName;
use super::range::{Wanted, wanted};
use super::store::Store;
use oci::Digest;

/// How many bytes are read from the disk at once.
const PIECE: usize = 256 * 1024;

/// `GET` and `HEAD` of a blob.
pub(super) async fn get(
    store: &Store,
    repository: RepositoryName,
    digest: Digest,
    headers: &HeaderMap,
    head: bool,
) -> Result<Answer, Refusal> {
    let opened = {
        let (store, digest) = (store.clone(), digest.clone());
        blocking(move || Ok(store.blob(&repository, &digest)?)).await?
    };
    let (file, size) = opened.ok_or_else(unknown)?;
    let tag = format!("\"{digest}\"");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // RFC 9110, section 13.1.5: a range of another content is useless for the client.
    let same = text(IF_RANGE).is_none_or(|held| held == tag);
    let (status, start, length) = match wanted(text(RANGE).filter(|_| same && !head), size) {
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Wanted::Outside => {
            let refusal =
                Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", "the range lies outside");
            return Err(refusal.header(CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let mut answer = Answer::new(status)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(ACCEPT_RANGES, "bytes")
        .header(ETAG, tag)
        .header(CONTENT_DIGEST, digest.as_str());
    if status == StatusCode::PARTIAL_CONTENT {
        answer = answer.header(CONTENT_RANGE, format!("bytes {start}-{}/{size}", start + length - 1));
    }
    if head {
        return Ok(answer.header(CONTENT_LENGTH, size.to_string()));
    }
    let mut file = tokio::fs::File::from_std(file);
    if start > 0 {
        file.seek(SeekFrom::Start(start)).await?;
    }
    let pieces = ReaderStream::with_capacity(file.take(length), PIECE);
    Ok(answer.stream(length, StreamBody::new(pieces.map_ok(Frame::data).map_err(Into::into)).boxed()))
}

/// `DELETE` of a blob, from this repository only.
pub(super) fn delete(store: &Store, repository: &RepositoryName, digest: &Digest) -> Result<Answer, Refusal> {
    if store.delete_blob(repository, digest)? {
        Ok(Answer::new(StatusCode::ACCEPTED).bytes(""))
    } else {
        Err(unknown())
    }
}

fn unknown() -> Refusal {
    Refusal::unknown("BLOB_UNKNOWN", "this repository does not have the blob")
}
