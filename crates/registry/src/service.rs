//! One request: its number and fault, the guard, the part of the API that answers it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};

use super::answer::{Answer, Body, CONTENT_DIGEST, Refusal};
use super::auth::{self, Guard};
use super::faults::{Asked, Fault, Faults};
use super::log::Log;
use super::names::Digest;
use super::query::Query;
use super::route::Route;
use super::store::Store;
use super::uploads::Uploads;
use super::{blobs, lists, manifests};

/// What all connections share.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) store: Store,
    /// Whether a manifest was pushed.
    pub(super) stored: AtomicBool,
    pub(super) uploads: Uploads,
    pub(super) guard: Option<Guard>,
    pub(super) log: Log,
    pub(super) faults: Option<Faults>,
    pub(super) referrers: bool,
    pub(super) mounts: bool,
    pub(super) page: usize,
}

/// The request gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(super) struct Reset;

/// A refused body up to this size is read to its end.
const DRAINED: usize = 256 * 1024;

impl Service {
    /// Answers one request. `reset` makes the connection end with a reset.
    pub(super) async fn serve(
        self: Arc<Self>,
        reset: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Reset> {
        let (parts, body) = request.into_parts();
        let mut body: Body = body.map_err(Into::into).boxed();
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let number = self.log.begin(parts.method.as_str(), path);
        let asked = Asked { number, method: parts.method.as_str(), path };
        let fault = self.faults.as_ref().and_then(|faults| faults.of(asked));
        let answer = match &fault {
            Some(Fault::Reset) => {
                reset.store(true, Ordering::Relaxed);
                return Err(Reset);
            }
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Status(status, headers)) => Ok(forced(*status, headers)),
            Some(Fault::Unauthorized) => Err(self.unauthorized(&parts)),
            Some(Fault::BreakOff(after)) => {
                // What the registry makes of it is never told.
                let _ = self.answer(&parts, &mut cut(body, *after, End::Broken)).await;
                reset.store(true, Ordering::Relaxed);
                return Err(Reset);
            }
            Some(Fault::Corrupt) => {
                body = flipped(body);
                self.answer(&parts, &mut body).await
            }
            _ => self.answer(&parts, &mut body).await,
        };
        if answer.is_err() && !parts.headers.contains_key(EXPECT) {
            drain(&mut body).await;
        }
        let mut response = answer.unwrap_or_else(Refusal::into_answer).into_response();
        self.log.end(number, response.status().as_u16());
        match fault {
            Some(Fault::Corrupt) => return Ok(response.map(flipped)),
            Some(Fault::Truncate(after)) => return Ok(response.map(|body| cut(body, after, End::Broken))),
            Some(Fault::StallAfter(after)) => return Ok(response.map(|body| cut(body, after, End::Never))),
            Some(Fault::LyingDigest) => {
                if let Ok(value) = HeaderValue::from_str(Digest::of(b"a lie").as_str()) {
                    response.headers_mut().insert(CONTENT_DIGEST, value);
                }
            }
            _ => {}
        }
        Ok(response)
    }

    async fn answer(&self, parts: &Parts, body: &mut Body) -> Result<Answer, Refusal> {
        let (method, headers) = (&parts.method, &parts.headers);
        let route = Route::parse(method, parts.uri.path())?;
        let query = Query::parse(parts.uri.query());
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Route::Token = route {
            let guard =
                self.guard.as_ref().ok_or_else(|| Refusal::unknown("UNSUPPORTED", "no tokens here"))?;
            return if method == Method::GET {
                guard.token(authorization, &query)
            } else {
                Err(Refusal::method())
            };
        }
        if let Some(guard) = &self.guard {
            guard.check(authorization, method, &route, &query)?;
        }
        let (store, page) = (self.store.clone(), self.page);
        let head = method == Method::HEAD;
        match (method.as_str(), route) {
            ("GET" | "HEAD", Route::Base) => Ok(Answer::new(StatusCode::OK).json(&serde_json::json!({}))),
            ("GET", Route::Catalog) => blocking(move || lists::catalog(&store, page, &query)).await,
            ("GET", Route::Tags(name)) => blocking(move || lists::tags(&store, page, &name, &query)).await,
            ("GET", Route::Referrers(name, digest)) if self.referrers => {
                blocking(move || lists::referrers(&store, &name, &digest, &query)).await
            }
            (_, Route::Referrers(..)) if !self.referrers => {
                Err(Refusal::unknown("NAME_UNKNOWN", "this registry has no referrers API"))
            }
            ("GET" | "HEAD", Route::Manifest(name, reference)) => {
                blocking(move || manifests::get(&store, &name, &reference, head)).await
            }
            ("PUT", Route::Manifest(name, reference)) => {
                let bytes = manifests::read(body).await?;
                self.stored.store(true, Ordering::Relaxed);
                let referrers = self.referrers;
                let content_type =
                    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
                blocking(move || {
                    manifests::put(&store, referrers, &name, &reference, content_type.as_deref(), bytes)
                })
                .await
            }
            ("DELETE", Route::Manifest(name, reference)) => {
                blocking(move || manifests::delete(&store, &name, &reference)).await
            }
            ("GET" | "HEAD", Route::Blob(name, digest)) => {
                blobs::get(&store, name, digest, headers, head).await
            }
            ("DELETE", Route::Blob(name, digest)) => {
                blocking(move || blobs::delete(&store, &name, &digest)).await
            }
            ("POST", Route::Uploads(name)) => {
                self.uploads.begin(&store, self.mounts, name, &query, body).await
            }
            ("PATCH", Route::Upload(name, id)) => self.uploads.append(&name, &id, headers, body).await,
            ("PUT", Route::Upload(name, id)) => {
                self.uploads.finish(&store, &name, &id, &query, headers, body).await
            }
            ("GET", Route::Upload(name, id)) => self.uploads.status(&name, &id),
            ("DELETE", Route::Upload(name, id)) => self.uploads.cancel(&name, &id),
            _ => Err(Refusal::method()),
        }
    }

    fn unauthorized(&self, parts: &Parts) -> Refusal {
        match (&self.guard, Route::parse(&parts.method, parts.uri.path())) {
            (Some(guard), Ok(route)) => {
                guard.unauthorized(&parts.method, &route, &Query::parse(parts.uri.query()))
            }
            _ => auth::basic(),
        }
    }
}

/// Runs what waits for the disk where it holds up no connection.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Reads what is left of a refused body, so that the client sees the answer and not a reset.
async fn drain(body: &mut Body) {
    let mut left = DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        if size > left {
            break;
        }
        left -= size;
    }
}

/// An answer that a fault makes up.
fn forced(status: u16, headers: &[(String, String)]) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = Refusal::new(status, "UNKNOWN", "a fault was injected").into_answer();
    headers.iter().fold(answer, |answer, (name, value)| match HeaderName::try_from(name.as_str()) {
        Ok(name) => answer.header(name, value),
        Err(_) => answer,
    })
}

/// Flips the lowest bit of the first byte.
fn flipped(body: Body) -> Body {
    let mut done = false;
    let flip = move |frame: Frame<Bytes>| {
        frame.map_data(|data| {
            if done || data.is_empty() {
                return data;
            }
            done = true;
            let mut data = BytesMut::from(data);
            if let Some(first) = data.first_mut() {
                *first ^= 1;
            }
            data.freeze()
        })
    };
    body.map_frame(flip).boxed()
}

/// How a body that was cut ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Broken,
    Never,
}

/// Lets `left` bytes pass.
fn cut(body: Body, left: usize, end: End) -> Body {
    StreamBody::new(stream::unfold((body, left), move |(mut body, left)| async move {
        if left == 0 {
            match end {
                // Gives the connection the time to send what it holds.
                End::Broken => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                End::Never => std::future::pending().await,
            }
            return Some((Err("cut on purpose".into()), (body, 0)));
        }
        let frame = body.frame().await?;
        let mut passed = 0;
        let frame = frame.map(|frame| {
            frame.map_data(|data| {
                passed = data.len().min(left);
                data.slice(..passed)
            })
        });
        Some((frame, (body, left - passed)))
    }))
    .boxed()
}
