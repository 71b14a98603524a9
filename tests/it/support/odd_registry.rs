//! A registry with switches: each makes it answer as some real registry does, against the
//! specification or at its edge. Behind it is the embedded registry, which [`OddRegistry::plain`]
//! reaches without the oddities.
//!
//! ```ignore
//! let registry = OddRegistry::start(vec![Odd::MissingIs(401), Odd::Head(405)]);
//! let image = format!("{}/shop/app:1.2.3", registry.host());
//! ```

use std::io::Write;

use super::registry::{Options, Server};
use ::registry::{RepositoryName, Store, Tag};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, LINK, LOCATION, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use tokio::runtime::Runtime;

use super::front::{Act, Change, Front, Seen};

/// Below this path everything is as at the root: redirects lead there.
const MOVED: &str = "/moved";

/// One way to be odd.
#[derive(Clone)]
pub(crate) enum Odd {
    /// Where others answer 404, this status.
    MissingIs(u16),
    /// HEAD is answered with this status, whatever it is about.
    Head(u16),
    /// HEAD of blobs is answered with this status.
    HeadOfBlobs(u16),
    /// The referrers API answers with this status and text. Referrers are kept by tag.
    Referrers(u16, &'static str),
    /// Requests that write are redirected with this status.
    WritesMove(u16, Where),
    /// Reads of blobs are redirected with this status.
    BlobsMove(u16, Where),
    /// What was written is to be found elsewhere (303).
    SeeOther,
    /// A PUT with the content of a blob is refused with this status: it takes POST, PATCH, PUT.
    NoSinglePut(u16),
    /// A PATCH without a valid `Content-Range` is refused with 416.
    ChunksOnly,
    /// Two tags a page. The `Link` header is made of the target that it should have.
    Link(fn(&str) -> String),
    /// A list that is asked for with `n` is refused with this status.
    NoPageSize(u16),
    /// Every request needs a token. This is the answer of the token server.
    Token(&'static str),
    /// Answers name no digest.
    NoDigest,
    /// Answers are compressed, although nobody asked for that.
    Gzip,
    /// A tag that exists is not written again, whatever the bytes: this status, with these words.
    Immutable(u16, &'static str),
    /// The tag `sha256-<hex>` is the manifest of that digest.
    SubjectTag,
}

/// Where a redirect leads.
#[derive(Clone, Copy)]
pub(crate) enum Where {
    /// Another path of the registry, without scheme and host.
    Path,
    /// Another path of the registry, as a whole URL.
    Here,
    /// Another origin: [`OddRegistry::storage`].
    Storage,
}

/// The running registry; it stops when this is dropped.
pub(crate) struct OddRegistry {
    front: Option<Front>,
    storage: Option<Front>,
    server: Option<Server>,
    runtime: Option<Runtime>,
    _root: tempfile::TempDir,
}

impl OddRegistry {
    /// Works from any test: it has a runtime of its own.
    pub(crate) fn start(odds: Vec<Odd>) -> Self {
        // A thread that already serves a runtime cannot wait for another one.
        std::thread::spawn(move || Self::serve(odds)).join().unwrap()
    }

    fn serve(odds: Vec<Odd>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let options = Options {
            referrers: !odds.iter().any(|odd| matches!(odd, Odd::Referrers(..) | Odd::SubjectTag)),
            page: if odds.iter().any(|odd| matches!(odd, Odd::Link(_))) { 2 } else { 1000 },
            ..Options::at(root.path())
        };
        let (front, storage, server) = runtime.block_on(async {
            let server = Server::start(options).await.unwrap();
            let upstream = server.address().to_string();
            let storage = Front::start(&upstream, |seen| unmoved(seen).map_or(Act::Pass, Act::Rewrite)).await;
            let elsewhere = storage.host().to_owned();
            let rule = move |seen: &Seen| judge(&odds, &store, &elsewhere, seen);
            (Front::start(&upstream, rule).await, storage, server)
        });
        Self {
            front: Some(front),
            storage: Some(storage),
            server: Some(server),
            runtime: Some(runtime),
            _root: root,
        }
    }

    /// `127.0.0.1:<port>` of the odd registry.
    pub(crate) fn host(&self) -> &str {
        self.front.as_ref().unwrap().host()
    }

    /// The same content at a registry that is not odd.
    pub(crate) fn plain(&self) -> String {
        self.server.as_ref().unwrap().address().to_string()
    }

    /// All requests to the odd registry.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.front.as_ref().unwrap().seen()
    }

    /// All requests to the other origin that redirects lead to.
    pub(crate) fn storage(&self) -> Vec<Seen> {
        self.storage.as_ref().unwrap().seen()
    }
}

impl Drop for OddRegistry {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let entered = runtime.enter();
            drop((self.front.take(), self.storage.take(), self.server.take()));
            drop(entered);
            runtime.shutdown_background();
        }
    }
}

/// What all oddities together make of a request.
fn judge(odds: &[Odd], store: &Store, storage: &str, seen: &Seen) -> Act {
    let moved = unmoved(seen);
    let mut changes: Vec<Change> = Vec::new();
    for odd in odds {
        match odd.judge(store, storage, seen, moved.is_some()) {
            Act::Pass => {}
            Act::Change(change) => changes.push(change),
            act => return act,
        }
    }
    match moved {
        Some(path) => Act::Rewrite(path),
        None if changes.is_empty() => Act::Pass,
        None => Act::Change(Box::new(|answer| changes.into_iter().for_each(|change| change(answer)))),
    }
}

impl Odd {
    fn judge(&self, store: &Store, storage: &str, seen: &Seen, moved: bool) -> Act {
        let path = seen.uri.path();
        let head = seen.method == Method::HEAD;
        let writes = [Method::POST, Method::PATCH, Method::PUT].contains(&seen.method);
        match self {
            Self::MissingIs(status) => missing(*status, seen),
            Self::Head(status) if head => refuse(*status),
            Self::HeadOfBlobs(status) if head && path.contains("/blobs/") => refuse(*status),
            Self::Referrers(status, text) if path.contains("/referrers/") => {
                Act::Answer(*status, Vec::new(), (*text).to_owned())
            }
            Self::WritesMove(status, to) if writes && !moved => redirect(*status, *to, storage, seen),
            Self::BlobsMove(status, to) if seen.reads_blob() && !moved => {
                redirect(*status, *to, storage, seen)
            }
            Self::SeeOther if writes => Act::Change(Box::new(|answer| {
                if answer.status().is_success() {
                    *answer.status_mut() = StatusCode::SEE_OTHER;
                }
            })),
            Self::NoSinglePut(status) if puts_blob(seen) && seen.header("content-length") != "0" => {
                refuse(*status)
            }
            Self::ChunksOnly if seen.method == Method::PATCH && seen.header("content-range").is_empty() => {
                refuse(416)
            }
            Self::Link(link) if path.ends_with("/tags/list") => {
                let link = *link;
                Act::Change(Box::new(move |answer| relink(answer, link)))
            }
            Self::NoPageSize(status) if seen.uri.query().is_some_and(|query| query.contains("n=")) => {
                refuse(*status)
            }
            Self::Token(text) => token(text, seen),
            Self::NoDigest => Act::Change(Box::new(|answer| {
                answer.headers_mut().remove("docker-content-digest");
            })),
            Self::Gzip if seen.method == Method::GET => Act::Change(Box::new(compress)),
            Self::Immutable(status, text) if seen.method == Method::PUT && exists(store, path) => {
                Act::Answer(*status, Vec::new(), (*text).to_owned())
            }
            Self::SubjectTag if !writes && path.contains("/manifests/sha256-") && !path.contains('.') => {
                Act::Rewrite(path.replace("/manifests/sha256-", "/manifests/sha256:"))
            }
            _ => Act::Pass,
        }
    }
}

/// The path that a redirect led away from.
fn unmoved(seen: &Seen) -> Option<String> {
    seen.uri.path_and_query()?.as_str().strip_prefix(MOVED).map(str::to_owned)
}

fn refuse(status: u16) -> Act {
    Act::Answer(status, Vec::new(), String::new())
}

fn redirect(status: u16, to: Where, storage: &str, seen: &Seen) -> Act {
    let origin = match to {
        Where::Path => String::new(),
        Where::Here => format!("http://{}", seen.header("host")),
        Where::Storage => format!("http://{storage}"),
    };
    Act::Answer(status, vec![("location", format!("{origin}{MOVED}{}", seen.uri))], String::new())
}

/// A registry that does not tell strangers what is missing. It gives tokens to everybody.
fn missing(status: u16, seen: &Seen) -> Act {
    if seen.uri.path() == "/token" {
        return Act::Answer(200, Vec::new(), r#"{"token":"of-anybody"}"#.to_owned());
    }
    let challenge = format!(r#"Bearer realm="http://{}/token",service="odd""#, seen.header("host"));
    Act::Change(Box::new(move |answer| {
        if answer.status() == StatusCode::NOT_FOUND {
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
    }))
}

fn token(text: &str, seen: &Seen) -> Act {
    if seen.uri.path() == "/token" {
        return Act::Answer(200, Vec::new(), text.to_owned());
    }
    if seen.header("authorization").starts_with("Bearer ") {
        return Act::Pass;
    }
    let challenge = format!(r#"Bearer realm="http://{}/token",service="odd""#, seen.header("host"));
    Act::Answer(401, vec![("www-authenticate", challenge)], String::new())
}

/// The end of an upload.
fn puts_blob(seen: &Seen) -> bool {
    seen.method == Method::PUT && seen.uri.path().contains("/blobs/uploads/")
}

/// Whether a path is that of a tag that there is.
fn exists(store: &Store, path: &str) -> bool {
    let named = path.strip_prefix("/v2/").and_then(|path| path.rsplit_once("/manifests/"));
    named.is_some_and(|(name, tag)| match (RepositoryName::parse(name), Tag::parse(tag)) {
        (Some(name), Some(tag)) => store.tagged(&name, &tag).unwrap().is_some(),
        _ => false,
    })
}

/// Makes another header of `<target>; rel="next"`.
fn relink(answer: &mut hyper::Response<bytes::Bytes>, link: fn(&str) -> String) {
    let Some(header) = answer.headers_mut().remove(LINK) else { return };
    let target = header.to_str().unwrap().split(['<', '>']).nth(1).unwrap();
    answer.headers_mut().insert(LINK, link(target).parse().unwrap());
}

fn compress(answer: &mut hyper::Response<bytes::Bytes>) {
    if !answer.status().is_success() || answer.headers().contains_key(LOCATION) {
        return;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(answer.body()).unwrap();
    *answer.body_mut() = encoder.finish().unwrap().into();
    let length = answer.body().len();
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    answer.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
}
