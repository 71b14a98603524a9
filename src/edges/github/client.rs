use std::error::Error as _;

use octocrab::repos::RepoHandler;
use octocrab::{AuthState, Octocrab, OctocrabBuilder, Page};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::GitHubError;
use super::transport::Transport;
use sys::http::{Clients, SILENCE, bearer};
use sys::retry::{Policy, Retrying, Watcher};
use workflow_commands::Secret;

/// How many redirects p2p follows. GitHub redirects from the old names of repositories.
const REDIRECTS: usize = 5;

/// A repository in GitHub's REST API.
#[derive(Debug)]
pub struct GitHub {
    server: String,
    owner: String,
    pub(super) name: String,
    token: Option<Secret>,
    retrying: Retrying,
    clients: Clients,
}

/// A call to GitHub.
pub(super) struct Call {
    pub(super) crab: Octocrab,
    owner: String,
    name: String,
    pub(super) what: String,
}

impl GitHub {
    /// The repository `owner/name` at the API of `api_url` (`GITHUB_API_URL`). Sends no request yet.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Repository`] and [`GitHubError::Url`].
    pub fn new(api_url: &str, repository: &str, token: Option<Secret>) -> Result<Self, GitHubError> {
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let parts = repository.split_once('/').filter(|(owner, name)| plain(owner) && plain(name));
        let Some((owner, name)) = parts else {
            return Err(GitHubError::Repository { repository: repository.to_owned() });
        };
        let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.query().is_none();
        if !Url::parse(api_url).is_ok_and(|url| usable(&url)) {
            return Err(GitHubError::Url { url: api_url.to_owned() });
        }
        Ok(Self {
            server: api_url.trim_end_matches('/').to_owned(),
            owner: owner.to_owned(),
            name: name.to_owned(),
            token,
            retrying: Retrying::default(),
            clients: Clients::new(Some(SILENCE), REDIRECTS),
        })
    }

    /// Repeats requests according to `policy`, and reports each retry to `watcher`.
    #[must_use]
    pub fn retrying(self, policy: Policy, watcher: Watcher) -> Self {
        Self { retrying: Retrying { policy, watcher }, ..self }
    }

    /// Gets each retry.
    pub(crate) fn watcher(&self) -> &Watcher {
        &self.retrying.watcher
    }

    /// Prepares a call that does `verb` in this repository. Sends no request yet. Afterwards, only the network can
    /// fail.
    pub(super) fn call(&self, verb: &str) -> Result<Call, GitHubError> {
        let transport = self.transport(verb)?;
        let what = transport.what.clone();
        let built = OctocrabBuilder::new_empty().with_service(transport).with_auth(AuthState::None).build();
        match built {
            Ok(crab) => Ok(Call { crab, owner: self.owner.clone(), name: self.name.clone(), what }),
        }
    }

    pub(super) fn transport(&self, verb: &str) -> Result<Transport, GitHubError> {
        let what = format!("{verb} in {}/{} at {}", self.owner, self.name, self.server);
        let Some(token) = &self.token else { return Err(GitHubError::NoToken { what }) };
        let Some(bearer) = bearer(token) else { return Err(GitHubError::MalformedToken { what }) };
        let failed = |why| GitHubError::Client { server: self.server.clone(), why };
        let url = Url::parse(&self.server).map_err(|error| failed(error.to_string()))?;
        let client = self.clients.of(&url).map_err(|error| failed(error.reason))?.clone();
        let (server, retrying) = (self.server.clone(), self.retrying.clone());
        Ok(Transport { client, server, bearer, retrying, what })
    }
}

impl Call {
    pub(super) fn repository(&self) -> RepoHandler<'_> {
        self.crab.repos(&self.owner, &self.name)
    }

    /// Sends `GET path` below the repository, and parses the answer.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GitHubError> {
        self.done(self.crab.get(self.route(path), None::<&()>).await)
    }

    /// Sends `POST path` below the repository, and returns the answer.
    pub(super) async fn add(&self, path: &str, body: &Value) -> Result<Value, GitHubError> {
        self.done(self.crab.post(self.route(path), Some(body)).await)
    }

    /// Sends `PATCH path` below the repository.
    pub(super) async fn change(&self, path: &str, body: &Value) -> Result<(), GitHubError> {
        self.done(self.crab.patch::<Value, _, _>(self.route(path), Some(body)).await).map(drop)
    }

    /// Sends `DELETE path` below the repository.
    pub(super) async fn remove(&self, path: &str) -> Result<(), GitHubError> {
        self.done(self.crab._delete(self.route(path), None::<&()>).await).map(drop)
    }

    /// Sends `POST path` below the repository's owner, which must be an organization.
    pub(super) async fn add_to_owner(&self, path: &str, body: &Value) -> Result<Value, GitHubError> {
        self.done(self.crab.post(format!("/orgs/{}{path}", self.owner), Some(body)).await)
    }

    fn route(&self, path: &str) -> String {
        format!("/repos/{}/{}{path}", self.owner, self.name)
    }

    /// All items of a list, from all pages
    /// ([pagination](https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api)).
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, GitHubError> {
        let mut items = Vec::new();
        for number in 1_u32.. {
            let route = format!("{path}?per_page=100&page={number}");
            let page: Page<T> = self.done(self.crab.get(self.route(&route), None::<&()>).await)?;
            items.extend(page.items);
            if page.next.is_none() {
                break;
            }
        }
        Ok(items)
    }

    /// Checks that the token may see the repository. A hidden repository answers 404 to everything.
    pub(super) async fn visible(&self) -> Result<(), GitHubError> {
        self.get::<serde::de::IgnoredAny>("").await.map(drop)
    }

    /// The result of octocrab, with the error of the transport if there is one.
    pub(super) fn done<T>(&self, result: octocrab::Result<T>) -> Result<T, GitHubError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(octocrab::Error::Service { source, .. }) => match source.downcast::<GitHubError>() {
                Ok(error) => return Err(*error),
                Err(other) => other.to_string(),
            },
            Err(error) => error.source().map_or_else(|| error.to_string(), ToString::to_string),
        };
        Err(GitHubError::unexpected(&self.what, 200, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_repository_and_no_address() {
        for repository in ["", "shop", "/shop", "acme/", "acme/shop/x", "acme/sh op", "acme/../x", "acme/.."]
        {
            let made = GitHub::new("https://api.github.com", repository, None);
            assert!(matches!(made, Err(GitHubError::Repository { .. })));
        }
        for url in ["", "api.github.com", "ftp://x", "/api", "https://", "https://x?y"] {
            assert!(matches!(GitHub::new(url, "acme/shop", None), Err(GitHubError::Url { .. })), "{url}");
        }
        assert!(GitHub::new("https://ghe.example:8443/api/v3/", "acme/shop.io", None).is_ok());
    }
}
