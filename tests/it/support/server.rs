//! A loopback server, with TLS or without: what it answers is a function, what it was asked is kept
//! with the time it took, and faults and delays are the test's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the client showed a certificate that the server trusts.
    pub(crate) certified: bool,
    pub(crate) began: Instant,
    /// When the answer was ready; the same as `began` while it is not.
    pub(crate) ended: Instant,
}

impl Seen {
    /// `POST /v1/token`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> &str {
        self.header("authorization").strip_prefix("Bearer ").unwrap_or_default()
    }

    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let url = reqwest::Url::parse(&format!("http://x/?{}", self.query)).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What is answered; `None` hangs up.
pub(crate) struct Reply(Option<Response<Body>>);

impl Reply {
    /// JSON with a status.
    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::text(status, &body.to_string()).header("content-type", "application/json")
    }

    /// Anything else.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        let body = Full::new(Bytes::from(body.to_owned())).boxed_unsync();
        Self(Some(Response::builder().status(status).body(body).unwrap()))
    }

    /// JSON that comes piece by piece.
    pub(crate) fn stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let body = StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync();
        Self(Some(Response::builder().body(body).unwrap())).header("content-type", "application/json")
    }

    /// Hangs up without an answer.
    pub(crate) fn hang_up() -> Self {
        Self(None)
    }

    /// With another header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Some(response) = &mut self.0 {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        self
    }
}

type Answers = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;
type Faults = Box<dyn FnMut(&Seen) -> Option<Reply> + Send>;

struct Shared {
    answers: Answers,
    faults: Mutex<Faults>,
    seen: Mutex<Vec<Seen>>,
    delay: Mutex<Duration>,
}

/// A running server; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Works from any test, with a runtime or without: it has its own.
    pub(crate) fn start(
        tls: Option<rustls::ServerConfig>,
        answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Box::new(answers),
            faults: Mutex::new(Box::new(|_| None)),
            seen: Mutex::default(),
            delay: Mutex::default(),
        });
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        runtime.spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Self { address, shared, runtime: Some(runtime) }
    }

    /// Asks `fault` about each request from now on.
    pub(crate) fn fault(&self, fault: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) {
        *self.shared.faults.lock().unwrap() = Box::new(fault);
    }

    /// Takes so long for each answer from now on: requests that wait for each other then show.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The longest chain of requests each of which began after the one before had been answered, over
/// the logs of several servers: what a run cannot be quicker than, in round trips.
pub(crate) fn longest_chain<'a>(requests: impl IntoIterator<Item = &'a Seen>) -> usize {
    let mut all: Vec<&Seen> = requests.into_iter().collect();
    all.sort_by_key(|seen| seen.ended);
    let mut length = 0;
    let mut last = None;
    for seen in all {
        if last.is_none_or(|ended| seen.began >= ended) {
            length += 1;
            last = Some(seen.ended);
        }
    }
    length
}

async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => talk(stream, shared, false).await,
                // A client that does not trust us hangs up here.
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let certified = stream.get_ref().1.peer_certificates().is_some();
                    talk(stream, shared, certified).await;
                }
            }
        });
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>, certified: bool) {
    let service = service_fn(move |request| serve(request, Arc::clone(&shared), certified));
    // A connection that breaks is the client's business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// One request. An error hangs up.
async fn serve(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    certified: bool,
) -> Result<Response<Body>, std::io::Error> {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.collect().await.map_err(std::io::Error::other)?.to_bytes(),
        certified,
        began,
        ended: began,
    };
    let place = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    let delay = *shared.delay.lock().unwrap();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let fault = (shared.faults.lock().unwrap())(&seen);
    let reply = fault.unwrap_or_else(|| (shared.answers)(&seen));
    shared.seen.lock().unwrap()[place].ended = Instant::now();
    reply.0.ok_or_else(|| std::io::Error::other("told to hang up"))
}

#[test]
fn the_longest_chain_counts_round_trips() {
    let zero = Instant::now();
    let at = |from: u64, to: u64| Seen {
        method: String::new(),
        path: String::new(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        certified: false,
        began: zero + Duration::from_secs(from),
        ended: zero + Duration::from_secs(to),
    };
    assert_eq!(longest_chain(&[]), 0);
    assert_eq!(longest_chain(&[at(0, 9), at(1, 2), at(2, 3), at(2, 4), at(3, 5), at(9, 9)]), 4);
}
