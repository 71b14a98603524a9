//! The embedded registry behind what tests need: accounts, faults and a log of requests. A request is noted,
//! may meet a fault, is checked against the accounts, and is then answered by `registry::Service`.

mod auth;
mod faults;
mod log;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::registry::{Body, Features, RegistryError, Service, Store};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use auth::{Account, Auth};
pub(crate) use faults::{Asked, Fault, Faults};
pub(crate) use log::Entry;

use auth::Guard;
use faults::{End, cut, flipped};
use log::Log;
use wire::Wire;

/// What a registry is started with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The directory that keeps the images.
    pub(crate) root: PathBuf,
    /// Who may do what; without it everybody may do everything.
    pub(crate) auth: Option<Auth>,
    /// Whether there is a referrers API.
    pub(crate) referrers: bool,
    /// Whether blobs are mounted.
    pub(crate) mounts: bool,
    /// The longest list of tags or repositories in one answer.
    pub(crate) page: usize,
    /// What goes wrong.
    pub(crate) faults: Option<Faults>,
}

impl Options {
    /// A registry over `root`, open to everybody.
    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        let Features { referrers, mounts, page } = Features::default();
        Self { root: root.into(), auth: None, referrers, mounts, page, faults: None }
    }
}

/// A running registry on a free loopback port. Dropping it stops it.
pub(crate) struct Server {
    address: SocketAddr,
    front: Arc<Front>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a registry on the current tokio runtime.
    pub(crate) async fn start(options: Options) -> Result<Self, RegistryError> {
        let Options { root, auth, referrers, mounts, page, faults } = options;
        let store = Store::open(&root).map_err(|source| RegistryError::Root { root, source })?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let front = Arc::new(Front {
            service: Service::new(store, Features { referrers, mounts, page }),
            guard: auth.map(|auth| Guard::new(auth, address)),
            log: Log::default(),
            faults,
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&front)));
        Ok(Self { address, front, task })
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests since the start, in order of arrival.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.front.log.entries()
    }

    /// Closes the port and all connections.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes connections until it is aborted, which ends them too.
async fn accept(listener: TcpListener, front: Arc<Front>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(talk(stream, Arc::clone(&front)));
                }
            }
        }
    }
}

async fn talk(stream: TcpStream, front: Arc<Front>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(stream, Arc::clone(&reset));
    let serve = service_fn(move |request| Arc::clone(&front).serve(Arc::clone(&reset), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(wire), serve).await;
}

/// What all connections share.
struct Front {
    service: Service,
    guard: Option<Guard>,
    log: Log,
    faults: Option<Faults>,
}

impl Front {
    /// Answers one request. `reset` makes the connection end with a reset.
    async fn serve(
        self: Arc<Self>,
        reset: Arc<AtomicBool>,
        request: Request<Incoming>,
    ) -> io::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let mut body: Body = body.map_err(Into::into).boxed();
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let number = self.log.begin(parts.method.as_str(), path);
        let asked = Asked { number, method: parts.method.as_str(), path };
        let fault = self.faults.as_ref().and_then(|faults| faults.of(asked));
        match &fault {
            Some(Fault::Reset) => return gone(&reset),
            Some(Fault::Stall) => return std::future::pending().await,
            Some(Fault::BreakOff(after)) => {
                // What the registry makes of it is never told.
                let _ = self.answer(parts, cut(body, *after, End::Broken)).await;
                return gone(&reset);
            }
            Some(Fault::Corrupt) => body = flipped(body),
            _ => {}
        }
        let mut response = match &fault {
            Some(Fault::Status(status, headers)) => {
                let _ = body.collect().await;
                forced(*status, headers)
            }
            Some(Fault::Unauthorized) => {
                let _ = body.collect().await;
                match &self.guard {
                    Some(guard) => guard.unauthorized(&parts),
                    None => auth::basic(),
                }
            }
            _ => self.answer(parts, body).await,
        };
        self.log.end(number, response.status().as_u16());
        match fault {
            Some(Fault::Corrupt) => return Ok(response.map(flipped)),
            Some(Fault::Truncate(after)) => return Ok(response.map(|body| cut(body, after, End::Broken))),
            Some(Fault::StallAfter(after)) => return Ok(response.map(|body| cut(body, after, End::Never))),
            Some(Fault::LyingDigest) => {
                let lie = HeaderValue::from_str(oci::Digest::of(b"a lie").as_str()).unwrap();
                response.headers_mut().insert("docker-content-digest", lie);
            }
            _ => {}
        }
        Ok(response)
    }

    async fn answer(&self, parts: Parts, body: Body) -> Response<Body> {
        if let Some(guard) = &self.guard {
            if parts.uri.path() == "/token" {
                return guard.token(&parts);
            }
            if let Err(refusal) = guard.check(&parts) {
                let _ = body.collect().await;
                return *refusal;
            }
        }
        self.service.answer(Request::from_parts(parts, body)).await
    }
}

fn gone(reset: &AtomicBool) -> io::Result<Response<Body>> {
    reset.store(true, Ordering::Relaxed);
    Err(io::Error::other("the connection is reset on purpose"))
}

/// An answer that a fault makes up.
fn forced(status: u16, headers: &[(String, String)]) -> Response<Body> {
    let mut answer = refusal(StatusCode::from_u16(status).unwrap(), "UNKNOWN", "a fault was injected");
    for (name, value) in headers {
        answer.headers_mut().append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    answer
}

/// An error of the distribution API.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let error = serde_json::json!({"code": code, "message": message, "detail": null});
    json(status, &serde_json::json!({"errors": [error]}))
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let body = Full::from(value.to_string()).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
