//! An HTTP server before a real registry: it passes requests on, and does to some of them what
//! networks, proxies and storage services do. Bodies are held in memory.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

type Body = UnsyncBoxBody<Bytes, Cut>;

/// A request as the front saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) version: Version,
}

impl Seen {
    /// `GET /v2/…`, with the query.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A read of a blob's content.
    pub(crate) fn reads_blob(&self) -> bool {
        self.method == Method::GET && self.uri.path().contains("/blobs/sha256:")
    }
}

/// Changes an answer.
pub(crate) type Change = Box<dyn FnOnce(&mut Response<Bytes>) + Send>;

/// What becomes of a request.
pub(crate) enum Act {
    /// It is passed on.
    Pass,
    /// It is passed on without this header.
    PassWithout(&'static str),
    /// It is passed on with this path and query.
    Rewrite(String),
    /// The registry never sees it: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// It is passed on; of the answer's body only so many bytes come, then the connection breaks.
    Truncate(usize),
    /// It is passed on; a bit of the answer's body is not what it was.
    Corrupt,
    /// It is passed on, and the answer is changed on its way back.
    Change(Change),
    /// There is never an answer; the registry never sees the request.
    Stall,
    /// The connection breaks before there is an answer; the registry never sees the request.
    Reset,
    /// The connection breaks after the registry has done what was asked.
    Lose,
}

/// The body or the connection breaks off here.
#[derive(Debug, thiserror::Error)]
#[error("cut by the test")]
struct Cut;

/// The running server. It stops when this is dropped.
pub(crate) struct Front {
    host: String,
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Front {
    /// Stands before `upstream` (`host:port`); `rule` decides about each request.
    pub(crate) async fn start(upstream: &str, rule: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::serve(upstream, None, Box::new(rule)).await
    }

    /// The same over TLS, for clients that know it as `host`. HTTP/2 where `tls` offers it.
    pub(crate) async fn start_tls(
        upstream: &str,
        host: &str,
        tls: ServerConfig,
        rule: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        Self::serve(upstream, Some((host.to_owned(), acceptor)), Box::new(rule)).await
    }

    async fn serve(upstream: &str, tls: Option<(String, TlsAcceptor)>, rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (host, acceptor) = tls.map_or_else(|| (address.to_string(), None), |(h, tls)| (h, Some(tls)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            host: host.clone(),
            client,
            rule,
            seen: Arc::clone(&seen),
        });
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(talk(connection, acceptor.clone(), Arc::clone(&state)));
            }
        });
        Self { host, address, seen, task }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Rule = Box<dyn Fn(&Seen) -> Act + Send + Sync>;

struct State {
    upstream: String,
    host: String,
    client: reqwest::Client,
    rule: Rule,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// One connection. One that breaks is the client's business, and so is one that it does not trust.
async fn talk(connection: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let service = service_fn(move |request| serve(Arc::clone(&state), request));
    let Some(tls) = tls else {
        let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        return;
    };
    let Ok(connection) = tls.accept(connection).await else { return };
    if connection.get_ref().1.alpn_protocol() == Some(b"h2") {
        let builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(TokioIo::new(connection), service).await;
    } else {
        let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
    }
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let Parts { method, uri, headers, version, .. } = parts;
    // HTTP/2 has the whole URL here.
    let uri = uri.path_and_query().map_or(uri.clone(), |path| path.as_str().parse().unwrap());
    let seen = Seen { method, uri, headers, version };
    let act = (state.rule)(&seen);
    state.seen.lock().unwrap().push(seen.clone());
    let path = match &act {
        Act::Answer(status, headers, text) => {
            let mut response = Response::builder().status(*status);
            for (name, value) in headers {
                response = response.header(*name, value);
            }
            // Read, as registries do, or the answer is lost with the connection.
            let _ = body.collect().await;
            return Ok(response.body(full(text.clone().into())).unwrap());
        }
        Act::Reset => return Err(Cut),
        Act::Stall => std::future::pending().await,
        Act::Rewrite(path) => path.clone(),
        _ => seen.uri.to_string(),
    };
    let Ok(body) = body.collect().await else { return Err(Cut) };
    let mut headers = seen.headers.clone();
    headers.remove("host");
    headers.remove("authorization");
    if let Act::PassWithout(name) = act {
        headers.remove(name);
    }
    let url = format!("http://{}{path}", state.upstream);
    let request = state.client.request(seen.method.clone(), url).headers(headers).body(body.to_bytes());
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap();
    if matches!(act, Act::Lose) {
        return Err(Cut);
    }
    Ok(respond(&state, status, &headers, bytes, act))
}

fn respond(state: &State, status: StatusCode, headers: &HeaderMap, bytes: Bytes, act: Act) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        // The registry names itself by the name it was called.
        let text = value.to_str().unwrap().replace(&state.upstream, &state.host);
        if name != "transfer-encoding" {
            response = response.header(name, text);
        }
    }
    let mut response = response.body(bytes).unwrap();
    if let Act::Change(change) = act {
        change(&mut response);
        return response.map(full);
    }
    response.map(|bytes| match act {
        Act::Truncate(length) => {
            let kept = bytes.slice(..length.min(bytes.len()));
            // What is written must go out before the connection does.
            let frames = stream::unfold(Some(kept), |kept| async move {
                if let Some(kept) = kept {
                    return Some((Ok(Frame::data(kept)), None));
                }
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                Some((Err(Cut), None))
            });
            BodyExt::boxed_unsync(StreamBody::new(frames))
        }
        Act::Corrupt => {
            let mut bytes = bytes.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            full(bytes.into())
        }
        _ => full(bytes),
    })
}

fn full(bytes: Bytes) -> Body {
    BodyExt::boxed_unsync(Full::new(bytes).map_err(|never: Infallible| match never {}))
}
