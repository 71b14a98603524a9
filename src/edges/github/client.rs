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

/// How many redirects are followed: GitHub redirects for repositories that were renamed.
const REDIRECTS: usize = 5;

/// One repository on GitHub, as its REST API shows it.
#[derive(Debug)]
pub struct GitHub {
    server: String,
    owner: String,
    name: String,
    token: Option<Secret>,
    retrying: Retrying,
    clients: Clients,
}

/// One call to GitHub, under way.
pub(super) struct Call {
    pub(super) crab: Octocrab,
    owner: String,
    name: String,
    pub(super) what: String,
}

impl GitHub {
    /// The repository `owner/name` at the API of `api_url` (`GITHUB_API_URL`). Sends nothing yet.
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

    /// Tries each request as often as `policy` allows, and reports each repetition to `watcher`.
    #[must_use]
    pub fn retrying(self, policy: Policy, watcher: Watcher) -> Self {
        Self { retrying: Retrying { policy, watcher }, ..self }
    }

    /// Hears of each repetition.
    pub(crate) fn watcher(&self) -> &Watcher {
        &self.retrying.watcher
    }

    /// A call that does `verb` in this repository. Sends nothing yet, but nothing else than the network can fail
    /// afterwards.
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

    /// What `GET path` below the repository returns.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GitHubError> {
        self.done(self.crab.get(self.route(path), None::<&()>).await)
    }

    /// The answer to `POST path` below the repository.
    pub(super) async fn add(&self, path: &str, body: &Value) -> Result<Value, GitHubError> {
        self.done(self.crab.post(self.route(path), Some(body)).await)
    }

    /// Does `PATCH path` below the repository.
    pub(super) async fn change(&self, path: &str, body: &Value) -> Result<(), GitHubError> {
        self.done(self.crab.patch::<Value, _, _>(self.route(path), Some(body)).await).map(drop)
    }

    /// Does `DELETE path` below the repository.
    pub(super) async fn remove(&self, path: &str) -> Result<(), GitHubError> {
        self.done(self.crab._delete(self.route(path), None::<&()>).await).map(drop)
    }

    fn route(&self, path: &str) -> String {
        format!("/repos/{}/{}{path}", self.owner, self.name)
    }

    /// All items of a list, page by page
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

    /// Whether the token may see the repository: a hidden one answers 404 to everything.
    pub(super) async fn visible(&self) -> Result<(), GitHubError> {
        self.get::<serde::de::IgnoredAny>("").await.map(drop)
    }

    /// The result of octocrab, with the error that the transport found.
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
