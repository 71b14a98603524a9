//! A login.

use serde_json::{Value as Json, json};

use super::entry::encode;
use super::error::LoginsError;
use workflow_commands::Secret;

/// A login to a registry, or to a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The host with an optional path: `ghcr.io`, `europe-west2-docker.pkg.dev/acme/tenant/shop`.
    pub registry: String,
    /// The user name. It cannot contain a `:`.
    pub username: String,
    pub password: Secret,
}

impl Login {
    /// The host in the form of references.
    pub(super) fn host(&self) -> &str {
        self.registry.split('/').next().unwrap_or_default()
    }

    /// The entry for an `auths` map.
    pub(super) fn entry(&self) -> Json {
        json!({ "auth": encode(&self.username, self.password.expose()) })
    }

    /// Checks that docker and similar tools can use this login.
    pub fn check(&self) -> Result<(), LoginsError> {
        if self.host().is_empty() || self.registry.contains("://") {
            return Err(LoginsError::Registry { registry: self.registry.clone() });
        }
        if self.username.is_empty() || self.username.contains(':') {
            return Err(LoginsError::Username { registry: self.registry.clone() });
        }
        Ok(())
    }
}
