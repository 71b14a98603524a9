//! A login file: Docker's `config.json`, or the auth file of skopeo and its kin.

use std::io;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::LoginsError;
use crate::private::{self, Links};

/// The longest file that is read, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// The two parts that concern us; the rest is kept as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LoginFile {
    /// Logins by host, or by host and path.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) auths: Map<String, Json>,
    /// The helper program of a host.
    #[serde(
        default,
        rename = "credHelpers",
        deserialize_with = "null_is_empty",
        skip_serializing_if = "Map::is_empty"
    )]
    pub(super) helpers: Map<String, Json>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Json>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(value: D) -> Result<Map<String, Json>, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

impl LoginFile {
    /// Reads a file. One that is not there, or has nothing in it, holds no logins.
    pub(super) fn read(path: &Path) -> Result<Self, LoginsError> {
        // The user's own may be links; a target may have left what nobody can read.
        let text = match private::read(path, Links::Follow, MOST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(LoginsError::Read { path: path.to_owned(), source }),
        };
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // What serde_json says may quote the file, which holds passwords: only the line is told.
        serde_json::from_slice(&text)
            .map_err(|error| LoginsError::NotLogins { path: path.to_owned(), line: error.line() })
    }

    /// Writes a private file in one step.
    pub(super) fn write(&self, path: &Path) -> Result<(), LoginsError> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::from);
        bytes
            .and_then(|bytes| private::write(path, &bytes))
            .map_err(|source| LoginsError::Write { path: path.to_owned(), source })
    }

    /// Whether a store has the logins of all hosts without a helper of their own.
    pub(super) fn has_store(&self) -> bool {
        self.rest.get("credsStore").and_then(Json::as_str).is_some_and(|store| !store.is_empty())
    }
}
