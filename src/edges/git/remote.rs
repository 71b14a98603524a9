use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::GitError;
use super::answer::{Class, classify, message};
use super::program::{Call, Git};
use crate::domain::version::{Commit, Prefix, VersionTag, parse_ls_remote};
use sys::private;
use sys::process::Captured;
use sys::retry::{Again, Failed};
use workflow_commands::Secret;

/// A repository elsewhere, and the token that gives access to it.
#[derive(Clone, Copy)]
pub(super) struct Remote<'a> {
    pub(super) url: &'a str,
    pub(super) token: Option<&'a Secret>,
}

impl Git {
    /// All version tags of `prefix` in the repository at `url`, ascending: the truth of this
    /// moment, in one request and whatever the depth of the checkout.
    ///
    /// # Errors
    ///
    /// Every read that failed, after the retries; never an empty list in its place.
    pub async fn ls_remote_tags(
        &self,
        url: &str,
        prefix: &Prefix,
        token: Option<&Secret>,
    ) -> Result<Vec<VersionTag>, GitError> {
        // A prefix holds none of the characters that mean something in a pattern.
        let printed = self.ls_remote(Remote { url, token }, &format!("refs/tags/{prefix}*")).await?;
        let tags = parse_ls_remote(prefix, &printed.stdout);
        tags.map_err(|source| GitError::Tags { url: without_credentials(url), source })
    }

    /// The commit that a tag of the repository at `url` leads to, or `None` where there is no such
    /// tag. `tag` is a name that git takes.
    ///
    /// # Errors
    ///
    /// Every read that failed, after the retries.
    pub async fn remote_tag(
        &self,
        url: &str,
        tag: &str,
        token: Option<&Secret>,
    ) -> Result<Option<Commit>, GitError> {
        // An annotated tag has a second line, `<tag>^{}`, with the commit that it leads to.
        let printed = self.ls_remote(Remote { url, token }, &format!("refs/tags/{tag}*")).await?;
        let text = String::from_utf8_lossy(&printed.stdout);
        let named = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
            lines.find(|(_, found)| *found == name).and_then(|(commit, _)| commit.parse().ok())
        };
        Ok(named(&format!("refs/tags/{tag}^{{}}")).or_else(|| named(&format!("refs/tags/{tag}"))))
    }

    async fn ls_remote(&self, remote: Remote<'_>, pattern: &str) -> Result<Captured, GitError> {
        let command = format!("git ls-remote --tags {} '{pattern}'", without_credentials(remote.url));
        // Outside any checkout: the checkout's own configuration holds another token.
        let outside = private::temporary()?;
        let arguments = ["ls-remote", "--tags", "--", remote.url, pattern];
        self.ask_remote(remote, &command, outside.path(), &arguments).await
    }

    /// Runs a command that talks to a remote repository. Retries while the failure may pass.
    pub(super) async fn ask_remote(
        &self,
        Remote { url, token }: Remote<'_>,
        command: &str,
        directory: &Path,
        arguments: &[&str],
    ) -> Result<Captured, GitError> {
        let shown = without_credentials(url);
        let basic = token.map(|token| STANDARD.encode(format!("x-access-token:{}", token.expose())));
        let secrets: Vec<&str> = token.map(Secret::expose).into_iter().chain(basic.as_deref()).collect();
        let call = || {
            let mut call = remote_call(command, directory, arguments, url, basic.as_deref());
            call.variables.extend(self.pin().filter(|_| token.is_some()));
            call
        };
        let attempt = |attempts| {
            let (shown, secrets) = (&shown, &secrets);
            async move {
                let stays = |error| Failed { error, again: Again::No };
                let printed = self.run(call()).await.map_err(stays)?;
                if printed.code == Some(0) {
                    return Ok(printed);
                }
                let answer = message(&printed.stderr, secrets).replace(url, shown);
                let (url, command) = (shown.clone(), command.to_owned());
                Err(match classify(&printed.stderr) {
                    Class::Transient => {
                        let error = GitError::Unreachable { url, answer, attempts };
                        Failed { error, again: Again::After(None) }
                    }
                    Class::Authentication => {
                        stays(GitError::Authentication { url, token: token.is_some(), answer })
                    }
                    Class::NotFound => stays(GitError::NotFound { url, answer }),
                    Class::Certificate => stays(GitError::Certificate { url, answer }),
                    Class::Other => stays(GitError::Failed { command, code: printed.code, answer }),
                })
            }
        };
        self.retrying.run(command, attempt).await
    }
}

fn remote_call<'a>(
    shown: &str,
    directory: &'a Path,
    arguments: &[&str],
    url: &str,
    basic: Option<&str>,
) -> Call<'a> {
    // A transfer that stalls is a failure worth another try, not a wait for the time limit.
    let mut configuration = vec![
        ("http.lowSpeedLimit".to_owned(), "1".to_owned()),
        ("http.lowSpeedTime".to_owned(), "30".to_owned()),
    ];
    if let Some(basic) = basic {
        // Git follows the most specific URL, and an empty value forgets the ones before.
        let key = format!("http.{url}.extraHeader");
        configuration.push((key.clone(), String::new()));
        configuration.push((key, format!("AUTHORIZATION: basic {basic}")));
        configuration.push(("credential.helper".to_owned(), String::new()));
    }
    let ceiling = directory.parent().unwrap_or(directory).as_os_str().to_owned();
    Call {
        shown: shown.to_owned(),
        directory,
        arguments: arguments.iter().map(Into::into).collect(),
        configuration,
        variables: vec![("GIT_CEILING_DIRECTORIES", ceiling)],
    }
}

/// `https://user:password@host/…` as `https://host/…`.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_credentials() {
        for (url, shown) in [
            ("https://user:pa@ss@host:8443/acme/shop", "https://host:8443/acme/shop"),
            ("https://host/acme/shop@1", "https://host/acme/shop@1"),
            ("https://token@host", "https://host"),
            ("/srv/git/shop.git", "/srv/git/shop.git"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
