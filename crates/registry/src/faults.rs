//! Faults that tests inject. Local runs pass none.

use std::fmt;
use std::sync::Arc;

/// A request as it came in, before anything was done with it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its number in order of arrival, from 1, over all connections and the token endpoint.
    pub number: usize,
    /// `GET`, `PUT`, …
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
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
/// connection. It may have effects of its own, such as moving a tag with a [`super::Store`] on the same root.
#[derive(Clone)]
pub struct Faults(Arc<dyn Fn(Asked<'_>) -> Option<Fault> + Send + Sync>);

impl Faults {
    /// Asks `decide` for each request.
    pub fn new(decide: impl Fn(Asked<'_>) -> Option<Fault> + Send + Sync + 'static) -> Self {
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
