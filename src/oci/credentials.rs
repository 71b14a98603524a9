//! Who we are to a registry.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::docker_config::DockerConfig;
use super::error::OciError;
use super::reference::Repository;
use crate::secret::Secret;
use crate::world::Env;

/// What a registry wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// User and password; sent to the registry itself, or exchanged for a token.
    Password {
        /// The user. Google's registries take `oauth2accesstoken` and an access token.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token that the registry's token server exchanges (Docker's `identitytoken`).
    Identity(Secret),
    /// A token that the registry itself takes as Bearer (Docker's `registrytoken`).
    Bearer(Secret),
}

/// Credentials that whoever made them may replace while clients use them. There may be none yet.
#[derive(Debug, Clone, Default)]
pub struct Renewed(Arc<RwLock<Option<Credentials>>>);

impl Renewed {
    /// Those from now on, in every clone.
    pub fn set(&self, credentials: Credentials) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
    }

    fn get(&self) -> Option<Credentials> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where credentials came from; errors name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// There are none.
    Anonymous,
    /// Inputs of this run.
    Given,
    /// A file in Docker's or podman's format.
    File(PathBuf),
    /// A credential helper, `docker-credential-gcloud`.
    Helper(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("no credentials"),
            Self::Given => f.write_str("the given credentials"),
            Self::File(path) => write!(f, "the login in {}", path.display()),
            Self::Helper(program) => write!(f, "the credentials of {program}"),
        }
    }
}

/// Credentials, and where they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) credentials: Option<Credentials>,
    pub(super) origin: Origin,
}

/// All credentials of a run: given ones first, then what Docker and podman know, else anonymous.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    given: Vec<(String, Renewed)>,
    files: Vec<DockerConfig>,
}

impl Keyring {
    /// The logins that `REGISTRY_AUTH_FILE` and Docker's `config.json` (in `DOCKER_CONFIG`, else
    /// `~/.docker`) hold. A file that does not exist holds none.
    ///
    /// # Errors
    /// When a file exists and cannot be read.
    pub fn from_env(env: &Env) -> Result<Self, OciError> {
        let docker = env
            .path("DOCKER_CONFIG")
            .or_else(|| env.path("HOME").map(|home| home.join(".docker")))
            .map(|directory| directory.join("config.json"));
        let mut files = Vec::new();
        for path in env.path("REGISTRY_AUTH_FILE").into_iter().chain(docker) {
            files.extend(DockerConfig::read(&path, env)?);
        }
        Ok(Self { given: Vec::new(), files })
    }

    /// Adds credentials for a host (`ghcr.io`) or for what is below a path of it
    /// (`europe-docker.pkg.dev/project/tenant`): the longest prefix wins.
    #[must_use]
    pub fn with(self, prefix: &str, credentials: Credentials) -> Self {
        let given = Renewed::default();
        given.set(credentials);
        self.with_renewed(prefix, given)
    }

    /// The same with credentials that may be replaced later.
    #[must_use]
    pub fn with_renewed(mut self, prefix: &str, credentials: Renewed) -> Self {
        self.given.push((normal(prefix), credentials));
        self
    }

    /// Those that were given for `repository`, as they are now.
    pub(super) fn given(&self, repository: &Repository) -> Option<Found> {
        let given = self.given.iter().filter_map(|(prefix, given)| Some((prefix.as_str(), given.get()?)));
        let credentials = longest_prefix(given, repository)?;
        Some(Found { credentials: Some(credentials), origin: Origin::Given })
    }

    /// The credentials for `repository`.
    pub(super) async fn find(&self, repository: &Repository) -> Result<Found, OciError> {
        if let Some(found) = self.given(repository) {
            return Ok(found);
        }
        for file in &self.files {
            if let Some(found) = file.find(repository).await? {
                return Ok(found);
            }
        }
        Ok(Found { credentials: None, origin: Origin::Anonymous })
    }
}

/// A key of Docker's files as a plain `host[/path]`: no scheme, no API version, and Docker Hub's
/// names all the same.
pub(super) fn normal(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

/// The value whose key, a host or a host with a path, covers most of the repository's name.
pub(super) fn longest_prefix<'a, T>(
    entries: impl Iterator<Item = (&'a str, T)>,
    repository: &Repository,
) -> Option<T> {
    let whole = repository.to_string();
    entries
        .filter(|(prefix, _)| {
            whole.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, value)| value)
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
            .with("https://r.io/a/", password("a"))
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
            assert_eq!(found.origin, Origin::Given);
        }
        let found = ring.find(&"r.io.evil.example/a".parse().unwrap()).await.unwrap();
        assert_eq!(found, Found { credentials: None, origin: Origin::Anonymous });
        let found = ring.find(&"r.io:5000/a".parse().unwrap()).await.unwrap();
        assert_eq!(found.origin, Origin::Anonymous);
    }

    #[tokio::test]
    async fn renewed_credentials_count_from_the_next_look_on() {
        let renewed = Renewed::default();
        let ring = Keyring::default().with("r.io", password("host")).with_renewed("r.io/a", renewed.clone());
        let now = async || ring.find(&"r.io/a/b".parse().unwrap()).await.unwrap().credentials;
        assert_eq!(now().await, Some(password("host")), "there are none yet");
        for text in ["first", "second"] {
            renewed.set(password(text));
            assert_eq!(now().await, Some(password(text)));
        }
    }

    #[test]
    fn all_names_of_docker_hub_are_one() {
        for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io/v2/"]
        {
            assert_eq!(normal(key), "docker.io");
        }
        assert_eq!(normal("http://localhost:5000/"), "localhost:5000");
    }
}
