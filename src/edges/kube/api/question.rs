//! A request to the API server.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value as Json;

/// How long the server may take for an answer of its own. A healthy server needs milliseconds.
const PROMPT: Duration = Duration::from_secs(5);

/// How long a change may take. The server first calls webhooks, and each may take ten seconds by default.
const CHANGE: Duration = Duration::from_secs(15);

/// A request, with the time limit of each try.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// The request in words, for the log and errors.
    pub(super) what: &'a str,
    pub(super) method: Method,
    /// Begins with a slash, consists of checked names, and may contain a query.
    path: &'a str,
    pub(super) body: Option<Json>,
    pub(super) limit: Duration,
    /// Whether to try only once, because p2p can do without the answer.
    pub(super) once: bool,
    /// Whether the server should return only the metadata of objects.
    pub(super) metadata_only: bool,
}

impl<'a> Question<'a> {
    /// Reads an object.
    pub(super) fn get(what: &'a str, path: &'a str) -> Self {
        Self { what, method: Method::GET, path, body: None, limit: PROMPT, once: false, metadata_only: false }
    }

    /// Lets the server compute something without creating an object.
    pub(super) fn review(what: &'a str, path: &'a str, body: Json) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(what, path) }
    }

    /// Creates an object.
    pub(super) fn create(what: &'a str, path: &'a str, body: Json) -> Self {
        Self { limit: CHANGE, ..Self::review(what, path, body) }
    }

    /// Requests only the metadata of objects, if `only` is true. The rest may be secret.
    pub(super) fn metadata_only(self, only: bool) -> Self {
        Self { metadata_only: only, ..self }
    }

    /// Tries only once.
    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// The URL. The server may be below a path, as with Rancher.
    pub(super) fn url(&self, base: &Url) -> Url {
        let (path, query) =
            self.path.split_once('?').map_or((self.path, None), |(path, query)| (path, Some(query)));
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }
}
