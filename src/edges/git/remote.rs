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

/// A remote repository, and the token for it.
#[derive(Clone, Copy)]
pub(super) struct Remote<'a> {
    pub(super) url: &'a str,
    pub(super) token: Option<&'a Secret>,
}

impl Git {
    /// All version tags with `prefix` in the repository at `url`, ascending. This takes one request and does not
    /// depend on the depth of the checkout.
    ///
    /// # Errors
    ///
    /// Every failed read, after the retries. A failure never looks like an empty list.
    pub async fn ls_remote_tags(
        &self,
        url: &str,
        prefix: &Prefix,
        token: Option<&Secret>,
    ) -> Result<Vec<VersionTag>, GitError> {
        // A prefix contains no special characters of patterns.
        let printed = self.ls_remote(Remote { url, token }, &format!("refs/tags/{prefix}*")).await?;
        let tags = parse_ls_remote(prefix, &printed.stdout);
        tags.map_err(|source| GitError::Tags { url: without_credentials(url), source })
    }

    /// The commit of a tag in the repository at `url`, or `None` if there is no such tag. `tag` is a valid name.
    ///
    /// # Errors
    ///
    /// Every failed read, after the retries.
    pub async fn remote_tag(
        &self,
        url: &str,
        tag: &str,
        token: Option<&Secret>,
    ) -> Result<Option<Commit>, GitError> {
        // An annotated tag has a second line, `<tag>^{}`, with its commit.
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
        // Outside the checkout, because the checkout's configuration may contain another token.
        let outside = private::temporary()?;
        let arguments = ["ls-remote", "--tags", "--", remote.url, pattern];
        self.ask_remote(remote, &command, outside.path(), &arguments).await
    }

    /// Runs a command that uses a remote repository. Retries failures that may be temporary.
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
    // A transfer that stalls is worth another try.
    let mut configuration = vec![
        ("http.lowSpeedLimit".to_owned(), "1".to_owned()),
        ("http.lowSpeedTime".to_owned(), "30".to_owned()),
    ];
    if let Some(basic) = basic {
        // git uses the most specific URL, and an empty value removes earlier ones.
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

/// Turns `https://user:password@host/…` into `https://host/…`.
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
