//! Writes blobs: mounts them, or streams them in one PUT. If a mount is refused, its upload session is used. An
//! interrupted PUT continues where the registry says it stopped. Registries that accept no blob in a single PUT get
//! it as one chunk.

use bytes::Bytes;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE,
};
use reqwest::{Body, Method, Response, StatusCode, Url};

use super::blob::{PROGRESS, Sum};
use super::client::Client;
use super::error::{Again, OciError, Trouble};
use super::manifest::Descriptor;
use super::reference::Repository;
use super::route::{Call, REDIRECTS, Route, again_after, too_many_redirects};
use super::source::{Content, Source, Watch, measure};
use super::transport::refusal;
use sys::retry;

/// How often an upload is continued without progress. A registry may still be storing bytes when it is asked for its
/// progress.
const IDLE: u32 = 2;

/// The result of a mount.
#[derive(Debug)]
pub(super) enum Mount {
    /// The blob exists now, and no byte was sent.
    Done,
    /// The registry requires an upload, and has opened this session.
    Session(Url),
    /// The registry refused.
    Refused,
}

/// Where an upload goes.
#[derive(Debug)]
pub(super) enum Place {
    /// To this session.
    Session(Url),
    /// Nowhere, because the blob exists.
    Needless,
}

/// Why an upload does not begin.
enum Stop {
    Needless,
    Trouble(Trouble),
}

impl Client {
    /// Pushes a blob, unless the repository has it. Returns whether bytes were sent. The media type in the
    /// descriptor is empty, because the manifest that names the blob defines it.
    ///
    /// # Errors
    /// If a file cannot be read, or if the registry cannot be reached or refuses.
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
        let mut tries = 0;
        // Each try asks again, because only the answer to the previous one may be lost.
        let attempt = || {
            tries += 1;
            let (route, blob) = (&route, &blob);
            let place = async move {
                if route.seems_to_have(blob, tries).await? {
                    return Ok(Place::Needless);
                }
                route.open_upload().await.map(Place::Session)
            };
            route.upload(blob, &source, place)
        };
        let moved = self.patiently(&what, attempt).await?;
        Ok((blob, moved))
    }
}

impl Route {
    /// Asks the registry to mount a blob from another of its repositories, in one try.
    pub(super) async fn mount(&self, blob: &Descriptor, from: &Repository) -> Result<Mount, Trouble> {
        let path = format!("blobs/uploads/?mount={}&from={}", blob.digest, from.name());
        let call = Call::new(Method::POST, path);
        let response = match self.once(&call).await {
            Err(trouble) if trouble.error.is_denied() => return Ok(Mount::Refused),
            other => other?,
        };
        Ok(match response.status() {
            StatusCode::CREATED => Mount::Done,
            status if status.is_success() => {
                self.upload_place(&response)?.map_or(Mount::Refused, Mount::Session)
            }
            // Whatever the reason is (rights to `from`, the parameters): the upload decides.
            _ => Mount::Refused,
        })
    }

    pub(super) async fn open_upload(&self) -> Result<Url, Trouble> {
        let call = Call::new(Method::POST, "blobs/uploads/");
        let response = self.once(&call).await?;
        // 202, or the status of the session itself after a redirect.
        if !response.status().is_success() {
            return Err(self.refuse(&call, response).await);
        }
        let place = self.upload_place(&response)?;
        place.ok_or_else(|| self.nonsense(&call, "it names no place to upload to").into())
    }

    /// Ends an upload session that is not needed. Errors are ignored.
    pub(super) async fn abandon(&self, session: Url) {
        let _ = self.once(&Call::at(Method::DELETE, session, "an upload".to_owned())).await;
    }

    /// Uploads a blob to `place` in one try. If the connection breaks, continues after the bytes that the registry
    /// has. Returns whether bytes were sent.
    pub(super) async fn upload(
        &self,
        blob: &Descriptor,
        source: &Source,
        place: impl Future<Output = Result<Place, Trouble>>,
    ) -> Result<bool, Trouble> {
        let sum = Sum::of(blob);
        let mut begun = Begun::new(self, blob, source, &sum);
        let place = async {
            match place.await {
                Ok(Place::Session(place)) => Ok(place),
                Ok(Place::Needless) => Err(Stop::Needless),
                Err(trouble) => Err(Stop::Trouble(trouble)),
            }
        };
        let body = async { begun.body().await.map_err(Stop::Trouble) };
        // Both at once, which saves a round trip for each blob on a slow link.
        let (mut place, body) = match tokio::try_join!(place, body) {
            Ok(both) => both,
            Err(Stop::Needless) => return Ok(false),
            Err(Stop::Trouble(trouble)) => return Err(trouble),
        };
        let mut ended = begun.send(&place, body).await;
        let mut idle = 0;
        loop {
            let trouble = match ended {
                Ok(()) => return Ok(true),
                Err(trouble) => trouble,
            };
            if begun.declined(&trouble.error) {
                return self.upload_chunk(begun, trouble).await.map(|()| true);
            }
            let Some((next, got)) = self.resumable(blob, &place, idle, &trouble).await else {
                return Err(trouble);
            };
            // After some progress, a broken connection is a new problem, not the next failure of the same request.
            // Without progress, a new session may help.
            idle = if got >= begun.from + PROGRESS { 0 } else { idle + 1 };
            if idle > IDLE || !source.passed(got, &sum) {
                return Err(trouble);
            }
            place = next;
            begun = Begun { from: got, ..Begun::new(self, blob, source, &sum) };
            ended = begun.send_again(&place).await;
        }
    }

    /// Uploads a blob again in the other way, after the registry refused a single PUT.
    async fn upload_chunk(&self, declined: Begun<'_>, trouble: Trouble) -> Result<(), Trouble> {
        // A lost session is refused in the same way, and says nothing about the next blob.
        let lost = matches!(&trouble.error, OciError::Refused(answer) if matches!(answer.status, 404 | 416));
        let Ok(place) = self.open_upload().await else { return Err(trouble) };
        let Begun { blob, source, sum, .. } = declined;
        let begun = Begun { chunk: true, ..Begun::new(self, blob, source, sum) };
        match begun.send_again(&place).await {
            Ok(()) if lost => Ok(()),
            Ok(()) => {
                self.client.send_chunks(&self.repository);
                Ok(())
            }
            // The registry refuses this as well, so the first answer explains the failure.
            Err(second) if begun.refused(&second.error) => Err(trouble),
            Err(second) => Err(second),
        }
    }

    /// After an interrupted upload: where it continues, and from which byte. `None` if it cannot, or if starting
    /// again costs little more (OCI distribution 1.1, "Pushing a blob in chunks").
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
        if !self.client.retrying().pause(&what, &trouble.error, idle + 1, after).await {
            return None;
        }
        let call = Call::at(Method::GET, place.clone(), format!("how far {what} is"));
        let response = self.send(&call).await.ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        let got = received(response.headers())?;
        let next = self.upload_place(&response).ok()?.unwrap_or_else(|| place.clone());
        (PROGRESS..=blob.size).contains(&got).then_some((next, got))
    }
}

/// An upload in progress.
struct Begun<'a> {
    route: &'a Route,
    blob: &'a Descriptor,
    source: &'a Source,
    sum: &'a Sum,
    watch: Watch,
    /// The first byte to send.
    from: u64,
    /// Whether the bytes are sent in a PATCH before the PUT.
    chunk: bool,
}

impl<'a> Begun<'a> {
    fn new(route: &'a Route, blob: &'a Descriptor, source: &'a Source, sum: &'a Sum) -> Self {
        let chunk = route.client.sends_chunks(&route.repository);
        let watch = Watch::new(route.client.settings().stall);
        Self { route, blob, source, sum, watch, from: 0, chunk }
    }

    /// The rest of the blob.
    async fn body(&self) -> Result<Body, Trouble> {
        let Self { blob, source, sum, watch, from, .. } = self;
        if *from == blob.size && *from > 0 {
            return Ok(Bytes::new().into());
        }
        source.body(sum, *from, watch).await
    }

    /// Whether this answer may mean that the registry accepts no blob in a single PUT.
    fn declined(&self, error: &OciError) -> bool {
        !self.chunk && self.from == 0 && self.blob.size > 0 && self.refused(error)
    }

    /// Whether the registry refused the content, and not us.
    fn refused(&self, error: &OciError) -> bool {
        matches!(error, OciError::Refused(answer) if answer.asked.repository == self.route.repository
            && matches!(answer.status, 202 | 400 | 404 | 405 | 409 | 411 | 415 | 416 | 422 | 501))
    }

    /// Opens the source again, with retries, and sends from there.
    async fn send_again(&self, place: &Url) -> Result<(), Trouble> {
        let what = self.route.asked(&Method::PUT, &self.call(Method::PUT, place).to).text;
        let body = self.route.client.patiently(&what, || self.body()).await?;
        self.send(place, body).await
    }

    /// Sends the rest of the blob, and completes the upload.
    async fn send(&self, place: &Url, body: Body) -> Result<(), Trouble> {
        let (place, body) = if self.chunk && self.from < self.blob.size {
            (self.patch(place, body).await?, None)
        } else {
            (place.clone(), Some(body))
        };
        let mut url = place;
        url.query_pairs_mut().append_pair("digest", self.blob.digest.as_str());
        let mut call = self.call(Method::PUT, &url);
        let left = if body.is_some() { self.blob.size - self.from } else { 0 };
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(left));
        if (1..self.blob.size).contains(&self.from) && body.is_some() {
            call.headers.extend(self.range());
        }
        let response = self.deliver(&call, body).await?;
        let status = response.status();
        if status.is_success() && status != StatusCode::ACCEPTED {
            return Ok(());
        }
        let asked = self.route.asked(&call.method, &call.to);
        let again = again_after(&response);
        let trouble = refusal(&asked, response, &self.route.origin().await).await;
        // The registry has lost or confused the session. A new one may work.
        let lost = matches!(status.as_u16(), 404 | 416) || retry::transient(status.as_u16());
        Err(if lost { Trouble { again, ..trouble } } else { trouble })
    }

    /// Sends the rest of the blob as one chunk. Returns the URL to complete the upload.
    async fn patch(&self, place: &Url, body: Body) -> Result<Url, Trouble> {
        let mut call = self.call(Method::PATCH, place);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.blob.size - self.from));
        call.headers.extend(self.range());
        let response = self.deliver(&call, Some(body)).await?;
        if !response.status().is_success() {
            let asked = self.route.asked(&call.method, &call.to);
            return Err(refusal(&asked, response, &self.route.origin().await).await);
        }
        Ok(self.route.upload_place(&response)?.unwrap_or_else(|| place.clone()))
    }

    /// Sends a call, also to the targets of redirects.
    async fn deliver(&self, call: &Call, body: Option<Body>) -> Result<Response, Trouble> {
        let asked = self.route.asked(&call.method, &call.to);
        let (mut call, full, mut body) = (call.clone(), body.is_some(), body.unwrap_or_default());
        for _ in 0..=REDIRECTS {
            let answer = self.route.stream(&call, body, &self.watch.timer).await;
            // A failure of the source causes any answer of the destination.
            if let Some(trouble) = self.watch.fault() {
                return Err(trouble);
            }
            let response = answer?;
            let Some(next) = self.route.redirect(&asked, &call.method, &response)? else {
                return Ok(response);
            };
            if response.status() == StatusCode::SEE_OTHER {
                return self.route.once(&self.call(Method::GET, &next)).await;
            }
            call = Call { headers: call.headers, ..self.call(call.method, &next) };
            body = if full { self.body().await? } else { Body::default() };
        }
        Err(too_many_redirects(&asked).into())
    }

    fn call(&self, method: Method, place: &Url) -> Call {
        let words = format!("the upload of blob {} to {}", self.blob.digest, self.route.repository.name());
        let mut call = Call::at(method, place.clone(), words);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call
    }

    /// The range of bytes that is sent.
    fn range(&self) -> Option<(HeaderName, HeaderValue)> {
        let range = HeaderValue::from_str(&format!("{}-{}", self.from, self.blob.size - 1)).ok()?;
        Some((CONTENT_RANGE, range))
    }
}

/// The number of bytes in a session: `Range: 0-99` means a hundred. An empty session looks like one byte.
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
