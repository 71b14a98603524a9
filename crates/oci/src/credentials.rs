//! The credentials for registries.

use std::sync::Arc;

use super::error::OciError;
use super::helper;
use super::origin::{CredentialsOrigin, Found};
use super::reference::Repository;
pub use crate::logins::Credentials;
use crate::logins::{LoginFile, UserFiles, longest_prefix, normal};
use sys::sync::Mutex;
use sys::world::Env;
use workflow_commands::Secret;

/// Credentials that their owner may replace while clients use them. They may still be empty.
#[derive(Debug, Clone, Default)]
pub struct RefreshableCredentials(Arc<Mutex<Option<Credentials>>>);

impl RefreshableCredentials {
    /// Replaces the credentials in every clone.
    pub fn set(&self, credentials: Credentials) {
        *self.0.lock() = Some(credentials);
    }

    fn get(&self) -> Option<Credentials> {
        self.0.lock().clone()
    }
}

/// All credentials of a run: given ones first, then those of Docker and podman, otherwise none.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    given: Vec<(String, RefreshableCredentials)>,
    files: Vec<LoginFile>,
    /// The environment of helpers.
    env: Env,
}

impl Keyring {
    /// Reads the logins in the user's files, in the order of [`UserFiles`], and the programs that the files name.
    /// Later changes of the files have no effect.
    ///
    /// # Errors
    /// If a file exists and cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, OciError> {
        let (files, mut env) = (UserFiles::of(env).all()?, env.clone());
        env.hold(files.iter().flat_map(LoginFile::programs).map(helper::program));
        Ok(Self { given: Vec::new(), files, env })
    }

    /// The secrets in the files, whether they are used or not.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.files.iter().flat_map(LoginFile::secrets).collect()
    }

    /// Adds credentials for a host (`ghcr.io`) or a path of it (`europe-docker.pkg.dev/project/tenant`). The longest
    /// prefix wins.
    #[must_use]
    pub fn with(self, prefix: &str, credentials: Credentials) -> Self {
        let given = RefreshableCredentials::default();
        given.set(credentials);
        self.with_renewed(prefix, given)
    }

    /// The same with credentials that may be replaced later.
    #[must_use]
    pub fn with_renewed(mut self, prefix: &str, credentials: RefreshableCredentials) -> Self {
        self.given.push((normal(prefix), credentials));
        self
    }

    /// The given credentials for `repository`, as they are now.
    pub(super) fn given(&self, repository: &Repository) -> Option<Found> {
        let given = self.given.iter().filter_map(|(prefix, given)| Some((prefix.as_str(), given.get()?)));
        let credentials = longest_prefix(given, &repository.to_string())?;
        Some(Found { credentials: Some(credentials), origin: CredentialsOrigin::Given })
    }

    /// The credentials for `repository`.
    pub(super) async fn find(&self, repository: &Repository) -> Result<Found, OciError> {
        if let Some(found) = self.given(repository) {
            return Ok(found);
        }
        let mut nothing = Found::nothing();
        for file in &self.files {
            let found = helper::find(file, repository, &self.env).await?;
            if found.credentials.is_some() {
                return Ok(found);
            }
            if found.origin != CredentialsOrigin::Anonymous {
                nothing = found;
            }
        }
        Ok(nothing)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn password(text: &str) -> Credentials {
        Credentials::Password { username: "u".into(), password: Secret::new(text) }
    }

    #[tokio::test]
    async fn the_longest_prefix_wins_at_path_boundaries() {
        let ring = Keyring::default()
            .with("r.io", password("host"))
            .with("r.io/a/", password("a"))
            .with("r.io/a/b", password("ab"));
        for (name, expected) in [
            ("r.io/x", "host"),
            ("r.io/a", "a"),
            ("r.io/a/bc", "a"),
            ("r.io/a/b/c", "ab"),
            ("r.io/ab", "host"),
        ] {
            let found = ring.find(&name.parse().unwrap()).await.unwrap();
            assert_eq!(found.credentials, Some(password(expected)), "{name}");
            assert_eq!(found.origin, CredentialsOrigin::Given);
        }
        let found = ring.find(&"r.io.evil.example/a".parse().unwrap()).await.unwrap();
        assert_eq!(found, Found { credentials: None, origin: CredentialsOrigin::Anonymous });
        let found = ring.find(&"r.io:5000/a".parse().unwrap()).await.unwrap();
        assert_eq!(found.origin, CredentialsOrigin::Anonymous);
    }

    #[tokio::test]
    async fn renewed_credentials_count_from_the_next_look_on() {
        let renewed = RefreshableCredentials::default();
        let ring = Keyring::default().with("r.io", password("host")).with_renewed("r.io/a", renewed.clone());
        let now = async || ring.find(&"r.io/a/b".parse().unwrap()).await.unwrap().credentials;
        assert_eq!(now().await, Some(password("host")), "there are none yet");
        for text in ["first", "second"] {
            renewed.set(password(text));
            assert_eq!(now().await, Some(password(text)));
        }
    }
}
