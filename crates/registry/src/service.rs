//! Answers requests: parses the path and passes the request to that part of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT, HOST};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sys::sync::Mutex;

use super::answer::{Answer, Body, Refusal};
use super::blocking::blocking;
use super::query::Query;
use super::route::Route;
use super::store::Store;
use super::uploads::Uploads;
use super::{blobs, lists, manifests, uploads};

/// The features of a registry.
#[derive(Debug, Clone, Copy)]
pub struct Features {
    /// Whether there is a referrers API.
    pub referrers: bool,
    /// Whether blobs can be mounted. Otherwise every mount becomes an upload (202).
    pub mounts: bool,
    /// The most tags or repositories in one answer.
    pub page: usize,
}

impl Default for Features {
    fn default() -> Self {
        Self { referrers: true, mounts: true, page: 1000 }
    }
}

/// The API over a directory, without a server. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct Service(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    features: Features,
    uploads: Uploads,
    /// Whether a client has sent a manifest.
    stored: AtomicBool,
    /// `name:tag` of each manifest that was pushed, or found with HEAD, in order.
    pushed: Mutex<Vec<String>>,
}

/// A refused body up to this size is read completely.
const DRAINED: usize = 256 * 1024;

impl Service {
    /// The registry with its images in `store`.
    pub fn new(store: Store, features: Features) -> Self {
        Self(Arc::new(Shared {
            store,
            features,
            uploads: Uploads::default(),
            stored: AtomicBool::new(false),
            pushed: Mutex::default(),
        }))
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, mut body) = request.into_parts();
        let answer = self.0.answer(&parts, &mut body).await;
        if answer.is_err() && !parts.headers.contains_key(EXPECT) {
            drain(&mut body).await;
        }
        answer.unwrap_or_else(Refusal::into_answer).into_response()
    }

    /// Whether a client has sent a manifest.
    pub(crate) fn has_stored(&self) -> bool {
        self.0.stored.load(Ordering::Relaxed)
    }

    /// How many manifests were pushed, or found with HEAD.
    pub(crate) fn pushes(&self) -> usize {
        self.0.pushed.lock().len()
    }

    /// The tags, as `name:tag`, that were pushed after the first `known` pushes.
    pub(crate) fn pushed_after(&self, known: usize) -> Vec<String> {
        self.0.pushed.lock().iter().skip(known).cloned().collect()
    }
}

/// Refuses a public host name. A web page whose name points to this machine (DNS rebinding) sends one; real clients
/// of this registry never do.
fn check_host(parts: &Parts) -> Result<(), Refusal> {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if oci::is_inner_host(&name.to_ascii_lowercase()) {
        return Ok(());
    }
    let message =
        "this registry answers only to names of this machine and of private networks, such as `localhost`";
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "DENIED", message))
}

impl Shared {
    async fn answer(&self, parts: &Parts, body: &mut Body) -> Result<Answer, Refusal> {
        check_host(parts)?;
        let route = Route::parse(&parts.method, parts.uri.path())?;
        let pushed = match (&parts.method, &route) {
            (&Method::PUT | &Method::HEAD, Route::Manifest(name, reference)) => {
                Some(format!("{name}:{reference}"))
            }
            _ => None,
        };
        let answer = self.dispatch(parts, route, body).await?;
        self.pushed.lock().extend(pushed);
        Ok(answer)
    }

    async fn dispatch(&self, parts: &Parts, route: Route, body: &mut Body) -> Result<Answer, Refusal> {
        let (method, headers) = (&parts.method, &parts.headers);
        let query = Query::parse(parts.uri.query());
        let Features { referrers, mounts, page } = self.features;
        let store = self.store.clone();
        let head = method == Method::HEAD;
        match (method.as_str(), route) {
            ("GET" | "HEAD", Route::Base) => Ok(Answer::new(StatusCode::OK).json(&serde_json::json!({}))),
            ("GET", Route::Catalog) => blocking(move || lists::catalog(&store, page, &query)).await,
            ("GET", Route::Tags(name)) => blocking(move || lists::tags(&store, page, &name, &query)).await,
            ("GET", Route::Referrers(name, digest)) if referrers => {
                blocking(move || lists::referrers(&store, &name, &digest, &query)).await
            }
            (_, Route::Referrers(..)) if !referrers => {
                Err(Refusal::unknown("NAME_UNKNOWN", "this registry has no referrers API"))
            }
            ("GET" | "HEAD", Route::Manifest(name, reference)) => {
                blocking(move || manifests::get(&store, &name, &reference, head)).await
            }
            ("PUT", Route::Manifest(name, reference)) => {
                let bytes = manifests::read(body).await?;
                self.stored.store(true, Ordering::Relaxed);
                let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let manifest = manifests::Pushed { content_type: content_type.map(str::to_owned), bytes };
                blocking(move || manifests::put(&store, referrers, &name, &reference, manifest)).await
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
            ("POST", Route::Uploads(name)) => match uploads::mount(&store, mounts, &name, &query).await? {
                Some(answer) => Ok(answer),
                None => self.uploads.begin(&store, name, &query, body).await,
            },
            ("PATCH" | "PUT" | "GET" | "DELETE", Route::Upload(name, id)) => {
                let upload = self.uploads.find(&name, id)?;
                match method.as_str() {
                    "PATCH" => upload.append(headers, body).await,
                    "PUT" => upload.finish(&store, &query, headers, body).await,
                    "GET" => Ok(upload.status()),
                    _ => Ok(upload.cancel()),
                }
            }
            _ => Err(Refusal::method()),
        }
    }
}

/// Reads the rest of a refused body, so that the client receives the answer and not a reset.
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
