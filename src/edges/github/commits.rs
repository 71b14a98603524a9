use std::ops::ControlFlow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::Error;
use super::client::GitHub;
use crate::domain::version::Commit;

/// A file as a commit holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path from the root of the repository, with slashes.
    pub path: String,
    /// What git calls its mode.
    pub mode: Mode,
    /// What it holds; of a link, where it leads.
    pub content: Vec<u8>,
}

/// What sort of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A file.
    Plain,
    /// A file that can be run.
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

/// A commit as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// The id of its tree.
    pub tree: String,
    /// Its parents.
    pub parents: Vec<String>,
    /// Its message.
    pub message: String,
}

#[derive(serde::Deserialize)]
struct Id {
    sha: String,
}

impl GitHub {
    /// The messages of the commits that `head` has and `base` has not
    /// ([compare two commits](https://docs.github.com/en/rest/commits/commits#compare-two-commits)):
    /// those since their common ancestor, whatever the checkout holds.
    pub async fn messages_since(&self, base: &Commit, head: &Commit) -> Result<Vec<String>, Error> {
        #[derive(serde::Deserialize)]
        struct Comparison {
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
        let what = self.what(&format!("compare commit {} with {}", head.short(), base.short()));
        let mut messages = Vec::new();
        self.pages(&what, &format!("/compare/{base}...{head}"), |page: Comparison| {
            messages.extend(page.commits.into_iter().map(|listed| listed.commit.message));
            ControlFlow::Continue(())
        })
        .await?;
        Ok(messages)
    }

    /// Whether `commit` is `tip` or in its history, by
    /// [the same comparison](https://docs.github.com/en/rest/commits/commits#compare-two-commits). What
    /// GitHub does not have is in nothing's history.
    pub async fn contains(&self, tip: &Commit, commit: &Commit) -> Result<bool, Error> {
        #[derive(serde::Deserialize)]
        struct Comparison {
            status: String,
        }
        let what = self.what(&format!("compare commit {} with {}", commit.short(), tip.short()));
        // What differs is not asked for: a page of one commit is the smallest.
        let path = format!("/compare/{tip}...{commit}?per_page=1");
        let answer = self.send(&what, &Method::GET, &path, None).await?;
        if answer.status == 404 {
            self.visible(&what).await?;
            return Ok(false);
        }
        if answer.status != 200 {
            return Err(answer.refusal(&what));
        }
        let Comparison { status } = answer.json(&what)?;
        Ok(matches!(status.as_str(), "behind" | "identical"))
    }

    /// A commit ([get a commit object](https://docs.github.com/en/rest/git/commits#get-a-commit-object)).
    pub async fn commit(&self, commit: &Commit) -> Result<CommitFacts, Error> {
        #[derive(serde::Deserialize)]
        struct Object {
            tree: Id,
            parents: Vec<Id>,
            message: String,
        }
        let what = self.what(&format!("read the commit {}", commit.short()));
        let Object { tree, parents, message } = self.get(&what, &format!("/git/commits/{commit}")).await?;
        Ok(CommitFacts {
            tree: tree.sha,
            parents: parents.into_iter().map(|parent| parent.sha).collect(),
            message,
        })
    }

    /// Makes the tree that is `base` with these files added or replaced, and returns its id: the same
    /// one for the same content
    /// ([create a tree](https://docs.github.com/en/rest/git/trees#create-a-tree)).
    pub async fn create_tree(&self, base: &str, files: &[TreeFile]) -> Result<String, Error> {
        let mut entries: Vec<Value> = Vec::new();
        for TreeFile { path, mode, content } in files {
            let mut entry = json!({ "path": path, "mode": mode.word(), "type": "blob" });
            // Text goes along; of anything else a blob is made first.
            entry[if std::str::from_utf8(content).is_ok() { "content" } else { "sha" }] =
                match std::str::from_utf8(content) {
                    Ok(text) => text.into(),
                    Err(_) => self.create_blob(path, content).await?.into(),
                };
            entries.push(entry);
        }
        let what = self.what("create the tree of the release");
        let body = json!({ "base_tree": base, "tree": entries });
        self.create(&what, "/git/trees", &body).await
    }

    /// ([create a blob](https://docs.github.com/en/rest/git/blobs#create-a-blob)).
    async fn create_blob(&self, path: &str, content: &[u8]) -> Result<String, Error> {
        let what = self.what(&format!("create the blob of {path}"));
        let body = json!({ "content": STANDARD.encode(content), "encoding": "base64" });
        self.create(&what, "/git/blobs", &body).await
    }

    /// Makes a commit with one parent, which nothing leads to yet, and returns its id
    /// ([create a commit](https://docs.github.com/en/rest/git/commits#create-a-commit)). The author is the
    /// token's owner, and GitHub signs it where that is an app.
    pub async fn create_commit(&self, message: &str, tree: &str, parent: &Commit) -> Result<Commit, Error> {
        let what = self.what("create the commit of the release");
        let body = json!({ "message": message, "tree": tree, "parents": [parent.as_str()] });
        let id = self.create(&what, "/git/commits", &body).await?;
        id.parse().map_err(|_| Error::Unexpected {
            what,
            status: 201,
            answer: format!("no commit id: '{id}'"),
        })
    }

    async fn create(&self, what: &str, path: &str, body: &Value) -> Result<String, Error> {
        let answer = self.send(what, &Method::POST, path, Some(body)).await?;
        if answer.status == 201 { Ok(answer.json::<Id>(what)?.sha) } else { Err(answer.refusal(what)) }
    }
}
