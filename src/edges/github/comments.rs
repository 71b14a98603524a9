//! Comments on pull requests that are kept up to date: one for each marker, which readers do not see.

use serde_json::json;

use super::GitHubError;
use super::client::GitHub;
use super::messages::limited;

/// The most characters of a comment that GitHub accepts.
pub const COMMENT_LIMIT: usize = 65_536;

/// How often a comment is written. Jobs that run at the same time may overwrite each other's text.
const WRITES: usize = 3;

/// Without the rights.
const RIGHTS: &str = "the token may not write comments. Give the job `permissions: pull-requests: write`; workflows of forks and \
                      of Dependabot may never write";

#[derive(serde::Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: String,
    #[serde(default)]
    author_association: String,
    user: Option<User>,
}

#[derive(serde::Deserialize)]
struct User {
    #[serde(rename = "type", default)]
    kind: String,
}

impl Comment {
    /// The text below the marker. Anybody may copy the marker into a comment, so comments of strangers do not count:
    /// they could change our text afterwards.
    fn text(&self, marker: &str) -> Option<String> {
        let stranger = self.user.as_ref().is_some_and(|user| user.kind == "User")
            && !["OWNER", "MEMBER", "COLLABORATOR", ""].contains(&self.author_association.as_str());
        let body = self.body.replace("\r\n", "\n");
        let text = body.strip_prefix(marker)?;
        (!stranger && (text.is_empty() || text.starts_with('\n'))).then(|| text.trim().to_owned())
    }
}

/// The line that marks a comment as the one of `name`. Browsers do not show it, whatever the name is.
pub fn comment_marker(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/ ".contains(&byte);
    let encoded = name.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    });
    format!("<!-- p2p: {} -->", encoded.collect::<String>())
}

impl GitHub {
    /// Keeps the one comment with this marker on a pull request up to date. `text` makes the new text from the one
    /// that is there; without a new text nothing is written. It may be asked several times
    /// ([issue comments](https://docs.github.com/en/rest/issues/comments)).
    ///
    /// # Errors
    /// A sentence that says why there is no comment: nothing fails without it.
    pub async fn keep_comment(
        &self,
        pull_request: u64,
        marker: &str,
        text: impl Fn(Option<&str>) -> Option<String>,
    ) -> Result<(), String> {
        let failed = format!("no comment on pull request {pull_request}");
        limited(&failed, RIGHTS, self.write_comment(pull_request, marker, text)).await
    }

    async fn write_comment(
        &self,
        pull_request: u64,
        marker: &str,
        text: impl Fn(Option<&str>) -> Option<String>,
    ) -> Result<(), GitHubError> {
        let call = self.call(&format!("comment on pull request {pull_request}"))?;
        let list = format!("/issues/{pull_request}/comments");
        let mut created = None;
        for _ in 0..WRITES {
            let all: Vec<Comment> = call.list(&list).await?;
            let found = all.iter().filter_map(|comment| Some((comment.id, comment.text(marker)?)));
            let first = found.min_by_key(|(id, _)| *id);
            if first.is_none() && created.is_some() {
                // The list does not show it yet.
                break;
            }
            let before = first.as_ref().map(|(_, text)| text.as_str());
            let after = text(before);
            if let (Some((first, _)), Some(own)) = (&first, created)
                && *first != own
            {
                // Another job was faster.
                call.remove(&format!("/issues/comments/{own}")).await?;
                created = None;
            }
            let Some(after) = after.filter(|after| before != Some(after.trim())) else { break };
            let body = json!({ "body": format!("{marker}\n{}", after.trim()) });
            match first {
                None => created = call.add(&list, &body).await?["id"].as_u64(),
                Some((id, _)) => call.change(&format!("/issues/comments/{id}"), &body).await?,
            }
        }
        Ok(())
    }
}
