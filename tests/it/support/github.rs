//! GitHub on loopback, over a real bare git repository: smart HTTP at `/acme/shop`, the REST API
//! at `/api/v3`. Answers have GitHub's shapes; faults are injected by the test.

mod comments;
mod objects;
mod releases;
mod rest;
mod smart_http;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) use comments::Comment;
use comments::Comments;
use releases::Releases;
pub(crate) use releases::{Asset, Release};

/// The one repository it has.
pub(crate) const REPOSITORY: &str = "acme/shop";

/// What GitHub sends for a pull request from a branch of the repository.
pub(crate) fn pull_request(head: &str) -> Value {
    json!({
        "number": 7,
        "pull_request": {
            "number": 7,
            "head": {"sha": head, "ref": "feature", "repo": {"full_name": REPOSITORY}},
            "base": {"ref": "main", "repo": {"full_name": REPOSITORY}}
        },
        "repository": {"full_name": REPOSITORY}
    })
}

/// A running server; it stops when dropped.
pub(crate) struct Github {
    /// What `GITHUB_SERVER_URL` is to be.
    pub(crate) server_url: String,
    /// What `GITHUB_API_URL` is to be.
    pub(crate) api_url: String,
    /// The one token that it knows. It may do everything.
    pub(crate) token: &'static str,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What happens to a request instead of the usual.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// Status and body of the answer; `None` hangs up instead.
    answer: Option<(u16, String)>,
    headers: Vec<(&'static str, String)>,
    /// Whether the request takes its effect all the same, unseen.
    after_effect: bool,
}

impl Fault {
    /// This answer, instead of the effect.
    pub(crate) fn answer(status: u16, body: &str) -> Self {
        Self { answer: Some((status, body.to_owned())), headers: Vec::new(), after_effect: false }
    }

    /// GitHub's error object with this status and message.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::answer(status, &rest::error_body(status, message))
    }

    /// Hangs up without an answer.
    pub(crate) fn hang_up() -> Self {
        Self { answer: None, headers: Vec::new(), after_effect: false }
    }

    /// With another header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// After the request took its effect.
    pub(crate) fn after_effect(self) -> Self {
        Self { after_effect: true, ..self }
    }
}

type Faults = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

/// What the connections share.
struct Shared {
    repository: PathBuf,
    token: &'static str,
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Faults>,
    /// Refs change one at a time, as in GitHub's database.
    writing: tokio::sync::Mutex<()>,
    server_url: String,
    releases: Mutex<Releases>,
    comments: Mutex<Comments>,
}

impl Github {
    /// Serves the bare repository as [`REPOSITORY`]. Works from any test, with a runtime or
    /// without: it has its own.
    pub(crate) fn start(repository: &Path) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let server_url = format!("http://{}", listener.local_addr().unwrap());
        let token = "ghs_sixteenCharactersLong";
        let shared = Arc::new(Shared {
            repository: repository.to_owned(),
            token,
            seen: Mutex::default(),
            faults: Mutex::new(Box::new(|_| None)),
            writing: tokio::sync::Mutex::default(),
            server_url: server_url.clone(),
            releases: Mutex::default(),
            comments: Mutex::default(),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        let api_url = format!("{server_url}/api/v3");
        Self { server_url, api_url, token, shared, runtime: Some(runtime) }
    }

    /// The address of the git repository.
    pub(crate) fn git_url(&self) -> String {
        format!("{}/{REPOSITORY}", self.server_url)
    }

    /// Asks `fault` about each request from now on.
    pub(crate) fn fault(&self, fault: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        *self.shared.faults.lock().unwrap() = Box::new(fault);
    }

    /// The releases, drafts included, in the order they were made.
    pub(crate) fn releases(&self) -> Vec<Release> {
        self.shared.releases.lock().unwrap().list.clone()
    }

    /// Changes the releases behind everybody's back.
    pub(crate) fn meddle(&self, meddle: impl FnOnce(&mut Vec<Release>)) {
        meddle(&mut self.shared.releases.lock().unwrap().list);
    }

    /// The comments on issues and pull requests, the oldest first.
    pub(crate) fn comments(&self) -> Vec<Comment> {
        self.shared.comments.lock().unwrap().list.clone()
    }

    /// Writes a comment behind everybody's back.
    pub(crate) fn comment(&self, comment: Comment) {
        self.shared.comments.lock().unwrap().add(comment);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Seen {
    /// Whether it asks for floating tags to be moved.
    pub(crate) fn moves_tags(&self) -> bool {
        self.path.ends_with("/graphql")
    }

    /// Method and path below the repository: `POST /git/refs`.
    pub(crate) fn line(&self) -> String {
        let path = self.path.split_once(REPOSITORY).map_or(self.path.as_str(), |(_, path)| path);
        format!("{} {path}", self.method)
    }

    /// Whether it asks for a ref to be created.
    pub(crate) fn creates_ref(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/git/refs")
    }

    /// The token it came with, as `Bearer`, `token` or basic authorization.
    fn token(&self) -> Option<String> {
        let header = self.headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, value) = header.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" | "token" => Some(value.to_owned()),
            "basic" => {
                let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
                pair.split_once(':').map(|(_, password)| password.to_owned())
            }
            _ => None,
        }
    }
}

type Answer = Response<Full<Bytes>>;

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| serve(request, Arc::clone(&shared)));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// One request. An error hangs up.
async fn serve(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, std::io::Error> {
    let (head, body) = request.into_parts();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.collect().await.map_err(std::io::Error::other)?.to_bytes(),
    };
    shared.seen.lock().unwrap().push(seen.clone());
    let fault = (shared.faults.lock().unwrap())(&seen);
    let Some(fault) = fault else { return Ok(answer(&seen, &shared).await) };
    if fault.after_effect {
        answer(&seen, &shared).await;
    }
    let Some((status, body)) = fault.answer else { return Err(std::io::Error::other("told to hang up")) };
    let builder = Response::builder().status(status);
    let builder = fault.headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
    Ok(builder.body(Full::from(body)).unwrap())
}

async fn answer(seen: &Seen, shared: &Shared) -> Answer {
    if seen.headers.get_all(http::header::AUTHORIZATION).iter().count() > 1 {
        return rest::error(400, "Bad Request");
    }
    if seen.path == "/api/graphql" {
        return rest::graphql(seen, shared).await;
    }
    if let Some(path) = seen.path.strip_prefix("/api/uploads") {
        return rest::answer(path, seen, shared).await;
    }
    if let Some(path) = seen.path.strip_prefix("/api/v3") {
        return rest::answer(path, seen, shared).await;
    }
    let names = [format!("/{REPOSITORY}.git"), format!("/{REPOSITORY}")];
    match names.iter().find_map(|name| seen.path.strip_prefix(name.as_str())) {
        Some(path) => smart_http::answer(path, seen, shared).await,
        None => rest::error(404, "Not Found"),
    }
}

/// What a program that must succeed printed, or what went wrong.
async fn git(shared: &Shared, arguments: &[&str]) -> Result<String, String> {
    git_with(shared, arguments, &[], &[]).await
}

/// The same, with more variables of the environment and something to read.
async fn git_with(
    shared: &Shared,
    arguments: &[&str],
    variables: &[(&str, &str)],
    input: &[u8],
) -> Result<String, String> {
    let mut child = tokio::process::Command::new("git")
        .args(arguments)
        .current_dir(&shared.repository)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().unwrap();
    // One that ends without reading is right to do so.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}
