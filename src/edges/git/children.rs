use std::collections::BTreeMap;
use std::path::Path;

use super::GitError;
use super::answer::message;
use super::program::{Call, Git};
use super::remote::{Remote, without_credentials};
use crate::domain::version::{Commit, Prefix, released_by_object};
use sys::private;
use workflow_commands::Secret;

impl Git {
    /// The release commits that tags with `prefix` point to, each with the commit that it releases
    /// ([`crate::domain::version::released_by`]). Fetches the commits of all these tags in one request, a few
    /// hundred bytes each, without history and files.
    ///
    /// # Errors
    ///
    /// As [`Git::ls_remote_tags`].
    pub async fn release_commits(
        &self,
        url: &str,
        prefix: &Prefix,
        token: Option<&Secret>,
    ) -> Result<BTreeMap<Commit, Commit>, GitError> {
        let command = format!("git fetch --depth=1 {} 'refs/tags/{prefix}*'", without_credentials(url));
        let store = private::temporary()?;
        self.succeed(store.path(), &["init", "--quiet", "--bare", "."]).await?;
        let tags = format!("+refs/tags/{prefix}*:refs/tags/{prefix}*");
        let arguments =
            ["fetch", "--quiet", "--depth=1", "--filter=tree:0", "--no-tags", "--", url, tags.as_str()];
        self.ask_remote(Remote { url, token }, &command, store.path(), &arguments).await?;
        let objects = self.succeed(store.path(), &["cat-file", "--batch-all-objects", "--batch"]).await?;
        Ok(parse_batch(&objects))
    }

    async fn succeed(&self, directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let shown = format!("git {}", arguments.join(" "));
        let printed = self
            .run(Call {
                shown: shown.clone(),
                directory,
                arguments: arguments.iter().map(Into::into).collect(),
                configuration: Vec::new(),
                // Objects that the filter left out must not be fetched later.
                variables: vec![("GIT_NO_LAZY_FETCH", "1".into())],
            })
            .await?;
        match printed.code {
            Some(0) => Ok(printed.stdout),
            code => Err(GitError::Failed { command: shown, code, answer: message(&printed.stderr, &[]) }),
        }
    }
}

/// Reads the output of `git cat-file --batch`: `<id> <type> <size>`, the object, a newline.
fn parse_batch(mut output: &[u8]) -> BTreeMap<Commit, Commit> {
    let mut found = BTreeMap::new();
    while let Some(end) = memchr::memchr(b'\n', output) {
        let (header, rest) = output.split_at(end);
        let header = String::from_utf8_lossy(header);
        let mut words = header.split(' ');
        let (id, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some(size) = words.next().and_then(|size| size.parse::<usize>().ok()) else { break };
        let Some(object) = rest.get(1..=size) else { break };
        if let (Ok(commit), "commit", Some(released)) = (id.parse(), kind, released_by_object(object)) {
            found.insert(commit, released);
        }
        output = rest.get(size + 2..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;
    use crate::domain::version::release_message;

    #[test]
    fn only_release_commits_are_found() {
        let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(40).parse::<Commit>().unwrap());
        let commit = |message: &str| format!("tree {c}\nparent {b}\n\n{message}");
        let objects = [
            (&a, "commit", commit(&release_message("v1.0.0", &b))),
            (&b, "commit", commit("Fix a bug\n")),
            (&c, "tag", format!("object {a}\ntype commit\n\nv1.0.0\n")),
        ];
        let printed: Vec<String> =
            objects.iter().map(|(id, kind, text)| format!("{id} {kind} {}\n{text}\n", text.len())).collect();
        let printed = printed.concat();
        assert_eq!(parse_batch(printed.as_bytes()), [(a, b)].into());
        assert!(parse_batch(b"").is_empty());
    }
}
