//! Writing blobs: mount, or stream into one PUT; the session that a refused mount opened is used. A
//! PUT that broke off goes on where the registry says it got to, if it does say so.

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Body, Method, StatusCode, Url};

use super::blob::{PROGRESS, Sum};
use super::client::Client;
use super::error::{Again, OciError, Trouble};
use super::manifest::Descriptor;
use super::reference::Repository;
use super::route::{Call, Route, To, again_after};
use super::source::{Content, Fault, Source, measure};
use super::transport::{Pulse, refusal};
use crate::retry;

/// How often an upload goes on with no more than before. A registry may still be storing what came
/// when it is asked how far it is.
const IDLE: u32 = 2;

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
        let route = Route::push(self, repository);
        let what = format!("upload of blob {} to {repository}", blob.digest);
        let source = Source::Local(content.clone());
        // Asked at each try: of the one before only the answer may be lost.
        let place = || async {
            if route.has_blob(&blob).await? {
                return Ok(Place::Needless);
            }
            route.open_upload().await.map(Place::Session)
        };
        let moved = self.patiently(&what, || route.upload(&blob, &source, place())).await?;
        Ok((blob, moved))
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
        call.to = To::Place(session, "an upload".to_owned());
        let _ = self.once(&call).await;
    }

    /// Uploads a blob in one PUT, to where `place` says; one try, but what the registry has of it when
    /// the connection breaks is not sent again. Says whether bytes were moved.
    pub(super) async fn upload(
        &self,
        blob: &Descriptor,
        source: &Source,
        place: impl Future<Output = Result<Place, Trouble>>,
    ) -> Result<bool, Trouble> {
        let sum = Sum::of(blob);
        let begun = Begun { blob, pulse: Pulse::new(), fault: Fault::default(), from: 0 };
        let place = async {
            match place.await {
                Ok(Place::Session(place)) => Ok(place),
                Ok(Place::Needless) => Err(Stop::Needless),
                Err(trouble) => Err(Stop::Trouble(trouble)),
            }
        };
        let body = async { self.body(source, &sum, &begun).await.map_err(Stop::Trouble) };
        // Both ends at once: on a slow link that is one wait less for each blob.
        let (mut place, body) = match tokio::try_join!(place, body) {
            Ok(both) => both,
            Err(Stop::Needless) => return Ok(false),
            Err(Stop::Trouble(trouble)) => return Err(trouble),
        };
        let mut ended = self.put(&place, body, &begun).await;
        let (mut from, mut idle) = (0, 0);
        loop {
            let trouble = match ended {
                Ok(()) => return Ok(true),
                Err(trouble) => trouble,
            };
            let Some((next, got)) = self.resumable(blob, &place, idle, &trouble).await else {
                return Err(trouble);
            };
            // Bytes that came over make a broken connection a new trouble, not the next failure of
            // the same request. Where none come, a new session may do better.
            idle = if got >= from + PROGRESS { 0 } else { idle + 1 };
            if idle > IDLE || !source.passed(got, &sum) {
                return Err(trouble);
            }
            (place, from) = (next, got);
            let begun = Begun { blob, pulse: Pulse::new(), fault: Fault::default(), from };
            let what = self.asked(&Method::PUT, &begun.to(self, &place)).text;
            let body = self.client.patiently(&what, || self.body(source, &sum, &begun)).await?;
            ended = self.put(&place, body, &begun).await;
        }
    }

    async fn body(&self, source: &Source, sum: &Sum, begun: &Begun<'_>) -> Result<Body, Trouble> {
        if begun.from == begun.blob.size && begun.from > 0 {
            return Ok(Bytes::new().into());
        }
        let settle = self.client.settings().stall;
        source.body(begun.blob, begun.from, sum, &begun.pulse, &begun.fault, settle).await
    }

    /// Sends what is left of a blob.
    async fn put(&self, place: &Url, body: Body, begun: &Begun<'_>) -> Result<(), Trouble> {
        let Begun { blob, pulse, fault, from } = begun;
        let mut url = place.clone();
        url.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(blob.size - from));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if (1..blob.size).contains(from)
            && let Ok(range) = HeaderValue::from_str(&format!("{from}-{}", blob.size - 1))
        {
            headers.insert(CONTENT_RANGE, range);
        }
        let to = begun.to(self, &url);
        let answer = self.stream(url, &to, headers, body, pulse).await;
        // What went wrong at the source is the cause of whatever the destination made of it.
        if let Some(trouble) = fault.take() {
            return Err(trouble);
        }
        let response = answer?;
        let status = response.status();
        if status.is_success() && status != StatusCode::ACCEPTED {
            return Ok(());
        }
        let asked = self.asked(&Method::PUT, &to);
        let again = again_after(&response);
        let trouble = refusal(&asked, response, &self.origin().await).await;
        // A session that the registry lost or got into disorder: a new one may do.
        let lost = matches!(status.as_u16(), 404 | 416) || retry::transient(status.as_u16());
        Err(if lost { Trouble { again, ..trouble } } else { trouble })
    }

    /// After an upload broke: where it goes on, and from which byte. `None` where it cannot, or where
    /// to begin anew costs little more (OCI distribution 1.1, "Pushing a blob in chunks").
    async fn resumable(
        &self,
        blob: &Descriptor,
        place: &Url,
        idle: u32,
        trouble: &Trouble,
    ) -> Option<(Url, u64)> {
        let Again::After(after) = trouble.again else { return None };
        if blob.size < PROGRESS {
            return None;
        }
        let what = format!("upload of blob {} to {}", blob.digest, self.repository);
        self.client.wait(&what, &trouble.error, idle + 1, after).await?;
        let mut call = Call::new(Method::GET, "");
        call.to = To::Place(place.clone(), format!("how far {what} is"));
        let response = self.send(&call).await.ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        let got = received(response.headers())?;
        let next = self.upload_place(&response).ok()?.unwrap_or_else(|| place.clone());
        (PROGRESS..=blob.size).contains(&got).then_some((next, got))
    }
}

/// A PUT under way.
struct Begun<'a> {
    blob: &'a Descriptor,
    pulse: Pulse,
    fault: Fault,
    /// The first byte that it sends.
    from: u64,
}

impl Begun<'_> {
    /// Where it goes, and how errors call it.
    fn to(&self, route: &Route, url: &Url) -> To {
        let words = format!("the upload of blob {} to {}", self.blob.digest, route.repository.name());
        To::Place(url.clone(), words)
    }
}

/// How many bytes a session has: `Range: 0-99` for a hundred. Nothing at all looks like one byte.
fn received(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(RANGE)?.to_str().ok()?;
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last: u64 = range.strip_prefix("0-")?.trim().parse().ok()?;
    last.checked_add(1)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_session_says_how_far_it_is() {
        let of = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, range.parse().unwrap());
            received(&headers)
        };
        assert_eq!((of("0-99"), of("bytes=0-99"), of("0-0")), (Some(100), Some(100), Some(1)));
        assert_eq!((of("5-99"), of("99"), of(&format!("0-{}", u64::MAX))), (None, None, None));
        assert_eq!(received(&HeaderMap::new()), None);
    }
}
