use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use octocrab::models::git::CreateTreeEntry;
use octocrab::models::git::GitCommitObject;

use super::GitHubError;
use super::client::GitHub;
use crate::domain::version::Commit;

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path from the root of the repository, with slashes.
    pub path: String,
    /// What sort of file it is.
    pub mode: Mode,
    /// Its bytes; of a link, its target.
    pub content: Vec<u8>,
}

/// What sort of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A file.
    Plain,
    /// A program.
    Executable,
    /// A symbolic link.
    Link,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
        }
    }
}

/// A comparison of two commits. octocrab's own type requires every file and author.
#[derive(serde::Deserialize)]
struct Comparison {
    status: String,
    total_commits: usize,
    commits: Vec<Listed>,
}

#[derive(serde::Deserialize)]
struct Listed {
    commit: Message,
}

#[derive(serde::Deserialize)]
struct Message {
    message: String,
}

impl GitHub {
    /// The messages of the commits that `head` has and `base` has not
    /// ([compare two commits](https://docs.github.com/en/rest/commits/commits#compare-two-commits)):
    /// those since their common ancestor, whatever the checkout has.
    pub async fn messages_since(&self, base: &Commit, head: &Commit) -> Result<Vec<String>, GitHubError> {
        let call = self.call(&format!("compare commit {} with {}", head.short(), base.short()))?;
        let mut messages = Vec::new();
        for number in 1_u32.. {
            let path = format!("/compare/{base}...{head}?per_page=100&page={number}");
            let page: Comparison = call.get(&path).await?;
            let before = messages.len();
            messages.extend(page.commits.into_iter().map(|listed| listed.commit.message));
            if messages.len() >= page.total_commits || messages.len() == before {
                break;
            }
        }
        Ok(messages)
    }

    /// Whether `commit` is `tip` or in its history, by
    /// [the same comparison](https://docs.github.com/en/rest/commits/commits#compare-two-commits). A commit that
    /// GitHub does not have is in no history.
    pub async fn contains(&self, tip: &Commit, commit: &Commit) -> Result<bool, GitHubError> {
        let call = self.call(&format!("compare commit {} with {}", commit.short(), tip.short()))?;
        // The commits are not needed: a page of one is the smallest.
        match call.get::<Comparison>(&format!("/compare/{tip}...{commit}?per_page=1")).await {
            Ok(Comparison { status, .. }) => Ok(matches!(status.as_str(), "behind" | "identical")),
            Err(error) if error.is_not_found() => call.visible().await.map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// A commit ([get a commit object](https://docs.github.com/en/rest/git/commits#get-a-commit-object)).
    pub async fn commit(&self, commit: &Commit) -> Result<GitCommitObject, GitHubError> {
        let call = self.call(&format!("read the commit {}", commit.short()))?;
        call.done(call.repository().git().get_commit(commit.as_str()).await)
    }

    /// Creates the tree that is `base` with these files added or replaced, and returns its id: the same
    /// one for the same content
    /// ([create a tree](https://docs.github.com/en/rest/git/trees#create-a-tree)).
    pub async fn create_tree(&self, base: &str, files: &[TreeFile]) -> Result<String, GitHubError> {
        let mut entries = Vec::new();
        for TreeFile { path, mode, content } in files {
            let entry = CreateTreeEntry::new(path, mode.word(), "blob");
            // The tree holds text itself; anything else becomes a blob first.
            entries.push(match std::str::from_utf8(content) {
                Ok(text) => entry.with_content(text),
                Err(_) => entry.with_sha(self.create_blob(path, content).await?),
            });
        }
        let call = self.call("create the tree of the release")?;
        Ok(call.done(call.repository().git().create_tree(entries).base_tree(base).send().await)?.sha)
    }

    /// ([create a blob](https://docs.github.com/en/rest/git/blobs#create-a-blob)).
    async fn create_blob(&self, path: &str, content: &[u8]) -> Result<String, GitHubError> {
        let call = self.call(&format!("create the blob of {path}"))?;
        let request = call.repository().git().create_blob(STANDARD.encode(content)).encoding("base64");
        Ok(call.done(request.send().await)?.sha)
    }

    /// Creates a commit with one parent, which nothing leads to yet, and returns its id
    /// ([create a commit](https://docs.github.com/en/rest/git/commits#create-a-commit)). The author is the
    /// token's owner, and GitHub signs it if that is an app.
    pub async fn create_commit(
        &self,
        message: &str,
        tree: &str,
        parent: &Commit,
    ) -> Result<Commit, GitHubError> {
        let call = self.call("create the commit of the release")?;
        let git = call.repository().git();
        let request = git.create_commit(message, tree).parents(vec![parent.to_string()]);
        let id = call.done(request.send().await)?.sha;
        id.parse().map_err(|_| GitHubError::unexpected(&call.what, 201, format!("no commit id: '{id}'")))
    }
}
