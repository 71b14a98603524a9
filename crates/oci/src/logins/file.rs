//! A login file. An entry is checked only when it is needed, so an invalid entry of one registry never prevents the
//! login to another.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::entry::{self, Credentials};
use super::error::LoginsError;
use super::key::longest_prefix;
use sys::private::{self, Links};
use workflow_commands::Secret;

/// The longest file that is read, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// A login file. The parts about logins are separate fields, and the rest is kept unchanged.
#[derive(Clone, Default, PartialEq)]
pub struct LoginFile {
    path: PathBuf,
    /// The logins by host, or by host and path.
    pub auths: Map<String, Json>,
    /// The helper program of each host.
    pub helpers: Map<String, Json>,
    rest: Map<String, Json>,
}

/// What provides the login to a host, besides the file itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper<'a> {
    /// The program for this host.
    OfHost(&'a str),
    /// The program for all hosts without a helper of their own.
    OfAll(&'a str),
    /// Nothing.
    Nobody,
}

impl LoginFile {
    /// Reads a file. A missing or empty file contains no logins.
    ///
    /// # Errors
    /// If the file exists but cannot be read, or is not JSON.
    pub fn read(path: &Path) -> Result<Self, LoginsError> {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        // The user's own file may be a link. A target may have put anything in its place.
        let bytes = match private::read(path, Links::Follow, MOST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file),
            Err(source) => return Err(LoginsError::File { path: path.to_owned(), source }),
        };
        let text = without_mark(&bytes);
        if text.is_empty() {
            return Ok(file);
        }
        // serde_json's message may quote the file, which contains passwords. The line is enough.
        let not_logins = |line| LoginsError::NotLogins { path: path.to_owned(), line };
        let json = serde_json::from_slice(text).map_err(|error| not_logins(error.line()))?;
        let Json::Object(mut rest) = json else {
            return if json.is_null() { Ok(file) } else { Err(not_logins(1)) };
        };
        file.auths = map(rest.shift_remove("auths")).ok_or_else(|| not_logins(1))?;
        file.helpers = map(rest.shift_remove("credHelpers")).unwrap_or_default();
        file.rest = rest;
        Ok(file)
    }

    /// Writes a private file in one step.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        private::write(path, self.json().to_string().as_bytes())
    }

    /// The path that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file.
    pub fn json(&self) -> Json {
        let mut json = self.rest.clone();
        json.insert("auths".to_owned(), self.auths.clone().into());
        if !self.helpers.is_empty() {
            json.insert("credHelpers".to_owned(), self.helpers.clone().into());
        }
        json.into()
    }

    /// The file in a form that docker and podman accept. A single invalid entry makes them refuse all.
    #[must_use]
    pub fn cleaned(mut self) -> Self {
        self.auths =
            self.auths.into_iter().filter_map(|(key, entry)| Some((key, entry::clean(&entry)?))).collect();
        self.helpers.retain(|_, helper| helper.is_string());
        self
    }

    /// The program for all hosts without a helper of their own.
    pub fn store(&self) -> Option<&str> {
        self.rest.get("credsStore").and_then(Json::as_str).map(str::trim).filter(|store| !store.is_empty())
    }

    /// The helpers and the store that the file names.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.helpers.values().filter_map(Json::as_str).map(str::trim).chain(self.store())
    }

    /// The program that has the login to `name`, a host with an optional path. As in the docker CLI, an empty helper
    /// means that neither a helper nor the store has it.
    pub fn helper(&self, name: &str) -> Helper<'_> {
        let helpers = self.helpers.iter().filter_map(|(key, helper)| match helper {
            Json::Null => Some((key.as_str(), "")),
            helper => Some((key.as_str(), helper.as_str()?.trim())),
        });
        match longest_prefix(helpers, name) {
            Some("") => Helper::Nobody,
            Some(helper) => Helper::OfHost(helper),
            None => self.store().map_or(Helper::Nobody, Helper::OfAll),
        }
    }

    /// The secrets in the file.
    pub fn secrets(&self) -> Vec<Secret> {
        self.auths.values().flat_map(entry::secrets).collect()
    }

    /// The login in the file itself for `name`, a host with an optional path. The longest matching key wins.
    ///
    /// # Errors
    /// If that entry is invalid. Entries of other hosts are ignored.
    pub fn login(&self, name: &str) -> Result<Option<Credentials>, LoginsError> {
        let entries = self.auths.iter().map(|(key, entry)| (key.as_str(), (key, entry::credentials(entry))));
        // In the docker CLI, an empty entry means that a store has the login.
        let Some((key, found)) = longest_prefix(entries.filter(|(_, (_, found))| *found != Ok(None)), name)
        else {
            return Ok(None);
        };
        found.map_err(|reason| LoginsError::Entry { path: self.path.clone(), key: key.clone(), reason })
    }
}

/// Shows only the path and the number of entries, because the content may be secret.
impl fmt::Debug for LoginFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginFile")
            .field("path", &self.path)
            .field("logins", &self.auths.len())
            .finish_non_exhaustive()
    }
}

/// A map that may be missing or empty, even as another empty type. `None` for anything else.
fn map(json: Option<Json>) -> Option<Map<String, Json>> {
    match json {
        None | Some(Json::Null) => Some(Map::new()),
        Some(Json::Object(map)) => Some(map),
        // PHP and others write an empty map as a list.
        Some(Json::Array(list)) if list.is_empty() => Some(Map::new()),
        Some(_) => None,
    }
}

/// The text without a byte order mark and surrounding white space.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text).trim_ascii()
}
