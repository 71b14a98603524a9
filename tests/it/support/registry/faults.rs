//! Faults that tests inject.

use std::fmt;
use std::sync::Arc;

use ::registry::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

/// A request as it came in, before anything was done with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Its number in order of arrival, from 1, over all connections and the token endpoint.
    pub(crate) number: usize,
    /// `GET`, `PUT`, …
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) path: &'a str,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is reset before the request is looked at.
    Reset,
    /// The connection is reset after so many bytes of the request's body; they are kept. A shorter
    /// request is done, and its answer lost.
    BreakOff(usize),
    /// Nothing is ever answered; the connection stays open.
    Stall,
    /// The request is done, and the answer's body stops after so many bytes; the connection stays open.
    StallAfter(usize),
    /// Nothing is done; this status is answered, with these headers.
    Status(u16, Vec<(String, String)>),
    /// The request is done, and the connection ends after so many bytes of the answer's body.
    Truncate(usize),
    /// One bit of the first byte is flipped, in the body that comes in and in the one that goes out.
    Corrupt,
    /// The request is done, and the answer's `Docker-Content-Digest` names other bytes.
    LyingDigest,
    /// Nothing is done; 401 with the challenge of this registry is answered.
    Unauthorized,
}

/// Decides for each request whether something goes wrong with it.
///
/// The function is called on the server's threads before the request is done, one call at a time for a
/// connection. It may have effects of its own, such as moving a tag with a `registry::Store` on the same root.
#[derive(Clone)]
pub(crate) struct Faults(Arc<dyn Fn(Asked<'_>) -> Option<Fault> + Send + Sync>);

impl Faults {
    /// Asks `decide` for each request.
    pub(crate) fn new(decide: impl Fn(Asked<'_>) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    /// What goes wrong with this request.
    pub(super) fn of(&self, asked: Asked<'_>) -> Option<Fault> {
        (self.0)(asked)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

/// Flips the lowest bit of the first byte.
pub(super) fn flipped(body: Body) -> Body {
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
pub(super) enum End {
    Broken,
    Never,
}

/// Lets `left` bytes pass.
pub(super) fn cut(body: Body, left: usize, end: End) -> Body {
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
