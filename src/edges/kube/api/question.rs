//! One question to the API server.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value as Json;

/// How long an answer may take that the server gives by itself. A healthy one needs milliseconds.
const PROMPT: Duration = Duration::from_secs(5);

/// How long a change may take: webhooks are asked first, and each may take ten seconds by default.
const CHANGE: Duration = Duration::from_secs(15);

/// A request, and how long each try of it may take.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// What is asked, for the log and errors.
    pub(super) what: &'a str,
    pub(super) method: Method,
    /// Begins with a slash, is made of checked names and may hold a query.
    path: &'a str,
    pub(super) body: Option<Json>,
    pub(super) limit: Duration,
    /// Whether there is one try only, because we can do without the answer.
    pub(super) once: bool,
    /// Whether the server leaves out everything but the metadata of objects.
    pub(super) metadata_only: bool,
}

impl<'a> Question<'a> {
    /// Reads an object.
    pub(super) fn get(what: &'a str, path: &'a str) -> Self {
        Self { what, method: Method::GET, path, body: None, limit: PROMPT, once: false, metadata_only: false }
    }

    /// Has the server compute something; nothing is created.
    pub(super) fn review(what: &'a str, path: &'a str, body: Json) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(what, path) }
    }

    /// Creates an object.
    pub(super) fn create(what: &'a str, path: &'a str, body: Json) -> Self {
        Self { limit: CHANGE, ..Self::review(what, path, body) }
    }

    /// Asks for the metadata of objects alone, if `only`: the rest may be secret.
    pub(super) fn metadata_only(self, only: bool) -> Self {
        Self { metadata_only: only, ..self }
    }

    /// Is tried once.
    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// Its URL. The server may be below a path, as behind Rancher.
    pub(super) fn url(&self, base: &Url) -> Url {
        let (path, query) =
            self.path.split_once('?').map_or((self.path, None), |(path, query)| (path, Some(query)));
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }
}
