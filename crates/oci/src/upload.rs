//! Writing blobs: mount, or stream into one PUT; the session that a refused mount opened is used. A
//! PUT that broke off goes on where the registry says it got to, if it does say so. Registries that
//! take no blob in a single PUT get it as one chunk.

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
    /// Pushes a blob, unless the repository has it already; returns whether bytes were sent. The
    /// media type in the descriptor is empty: the manifest that names the blob defines it.
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
        let mut tries = 0;
        // Asked at each try: of the one before only the answer may be lost.
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
            status if status.is_success() => {
                self.upload_place(&response)?.map_or(Mount::Refused, Mount::Session)
            }
            // Whatever it does not like (rights to `from`, the parameters): uploading decides.
            _ => Mount::Refused,
        })
    }

    pub(super) async fn open_upload(&self) -> Result<Url, Trouble> {
        let call = Call::new(Method::POST, "blobs/uploads/");
        let response = self.once(&call).await?;
        // 202, or the status of the session itself after a redirect to it.
        if !response.status().is_success() {
            return Err(self.refuse(&call, response).await);
        }
        let place = self.upload_place(&response)?;
        place.ok_or_else(|| self.nonsense(&call, "it names no place to upload to").into())
    }

    /// Ends an upload session that is not needed. Ignores whether the registry does so.
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
        // Both ends at once: on a slow link that is one wait less for each blob.
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
            // Bytes that came over make a broken connection a new trouble, not the next failure of
            // the same request. Where none come, a new session may do better.
            idle = if got >= begun.from + PROGRESS { 0 } else { idle + 1 };
            if idle > IDLE || !source.passed(got, &sum) {
                return Err(trouble);
            }
            place = next;
            begun = Begun { from: got, ..Begun::new(self, blob, source, &sum) };
            ended = begun.send_again(&place).await;
        }
    }

    /// Uploads a blob once more, in the other way, after the registry declined a single PUT.
    async fn upload_chunk(&self, declined: Begun<'_>, trouble: Trouble) -> Result<(), Trouble> {
        // A session that was lost is declined alike; that says nothing about the next blob.
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

/// An upload under way.
struct Begun<'a> {
    route: &'a Route,
    blob: &'a Descriptor,
    source: &'a Source,
    sum: &'a Sum,
    watch: Watch,
    /// The first byte that it sends.
    from: u64,
    /// Whether the bytes go in a PATCH of their own before the PUT.
    chunk: bool,
}

impl<'a> Begun<'a> {
    fn new(route: &'a Route, blob: &'a Descriptor, source: &'a Source, sum: &'a Sum) -> Self {
        let chunk = route.client.sends_chunks(&route.repository);
        let watch = Watch::new(route.client.settings().stall);
        Self { route, blob, source, sum, watch, from: 0, chunk }
    }

    /// What is left of the blob.
    async fn body(&self) -> Result<Body, Trouble> {
        let Self { blob, source, sum, watch, from, .. } = self;
        if *from == blob.size && *from > 0 {
            return Ok(Bytes::new().into());
        }
        source.body(sum, *from, watch).await
    }

    /// Whether an answer of this registry may mean that it takes no blob in a single PUT.
    fn declined(&self, error: &OciError) -> bool {
        !self.chunk && self.from == 0 && self.blob.size > 0 && self.refused(error)
    }

    /// Whether the registry refused what it was sent, and not us.
    fn refused(&self, error: &OciError) -> bool {
        matches!(error, OciError::Refused(answer) if answer.asked.repository == self.route.repository
            && matches!(answer.status, 202 | 400 | 404 | 405 | 409 | 411 | 415 | 416 | 422 | 501))
    }

    /// Opens the source again, patiently, and sends from there.
    async fn send_again(&self, place: &Url) -> Result<(), Trouble> {
        let what = self.route.asked(&Method::PUT, &self.call(Method::PUT, place).to).text;
        let body = self.route.client.patiently(&what, || self.body()).await?;
        self.send(place, body).await
    }

    /// Sends what is left of the blob, and ends the upload.
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
        // A session that the registry lost or got into disorder: a new one may do.
        let lost = matches!(status.as_u16(), 404 | 416) || retry::transient(status.as_u16());
        Err(if lost { Trouble { again, ..trouble } } else { trouble })
    }

    /// Sends what is left of the blob as one chunk; gives the place where the upload is ended.
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

    /// Sends a call, and again to wherever it is redirected.
    async fn deliver(&self, call: &Call, body: Option<Body>) -> Result<Response, Trouble> {
        let asked = self.route.asked(&call.method, &call.to);
        let (mut call, full, mut body) = (call.clone(), body.is_some(), body.unwrap_or_default());
        for _ in 0..=REDIRECTS {
            let answer = self.route.stream(&call, body, &self.watch.timer).await;
            // A failure of the source is the cause of any answer of the destination.
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

    /// Which bytes are sent.
    fn range(&self) -> Option<(HeaderName, HeaderValue)> {
        let range = HeaderValue::from_str(&format!("{}-{}", self.from, self.blob.size - 1)).ok()?;
        Some((CONTENT_RANGE, range))
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
