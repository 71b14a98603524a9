use std::ops::ControlFlow;

use http::Method;
use serde_json::{Value, json};

use super::Error;
use super::client::GitHub;
use super::refs::encoded;

/// A GitHub release. Drafts are seen only by those who may write.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Release {
    /// Its number.
    pub id: u64,
    /// The tag that it is about.
    pub tag_name: String,
    /// Whether it is not published yet.
    pub draft: bool,
    /// Its page.
    pub html_url: String,
    /// Where files are uploaded: a URI template (RFC 6570).
    pub upload_url: String,
}

/// What a release says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// The title.
    pub name: String,
    /// Markdown.
    pub body: String,
}

impl GitHub {
    /// The published release of a tag
    /// ([get a release by tag name](https://docs.github.com/en/rest/releases/releases#get-a-release-by-tag-name)).
    pub async fn release(&self, tag: &str) -> Result<Option<Release>, Error> {
        let what = self.what(&format!("read the release {tag}"));
        self.maybe(&what, &format!("/releases/tags/{}", encoded(tag))).await
    }

    /// The release that GitHub calls the latest, if there is any.
    pub async fn latest_release(&self) -> Result<Option<Release>, Error> {
        self.maybe(&self.what("read the latest release"), "/releases/latest").await
    }

    async fn maybe(&self, what: &str, path: &str) -> Result<Option<Release>, Error> {
        let answer = self.send(what, &Method::GET, path, None).await?;
        match answer.status {
            200 => answer.json(what).map(Some),
            404 => Ok(None),
            _ => Err(answer.refusal(what)),
        }
    }

    /// All drafts for a tag, the oldest first. GitHub finds drafts by no name, so the list is read
    /// ([list releases](https://docs.github.com/en/rest/releases/releases#list-releases)).
    pub async fn drafts(&self, tag: &str) -> Result<Vec<Release>, Error> {
        let what = self.what(&format!("list the releases to find the draft of {tag}"));
        let mut drafts = Vec::new();
        self.pages(&what, "/releases", |page: Vec<Release>| {
            drafts.extend(page.into_iter().filter(|release| release.draft && release.tag_name == tag));
            ControlFlow::Continue(())
        })
        .await?;
        drafts.sort_unstable_by_key(|release| release.id);
        Ok(drafts)
    }

    /// What GitHub writes about the changes since the tag `previous`
    /// ([generate release notes](https://docs.github.com/en/rest/releases/releases#generate-release-notes-content-for-a-release)).
    pub async fn generate_notes(&self, tag: &str, previous: Option<&str>) -> Result<Notes, Error> {
        #[derive(serde::Deserialize)]
        struct Body {
            name: String,
            body: String,
        }
        let what = self.what(&format!("generate the notes of the release {tag}"));
        let mut body = json!({ "tag_name": tag });
        if let Some(previous) = previous {
            body["previous_tag_name"] = previous.into();
        }
        let answer = self.send(&what, &Method::POST, "/releases/generate-notes", Some(&body)).await?;
        if answer.status != 200 {
            return Err(answer.refusal(&what));
        }
        let Body { name, body } = answer.json(&what)?;
        Ok(Notes { name, body })
    }

    /// Makes a draft for a tag that is there
    /// ([create a release](https://docs.github.com/en/rest/releases/releases#create-a-release)).
    pub async fn create_draft(&self, tag: &str, notes: &Notes) -> Result<Release, Error> {
        let what = self.what(&format!("create a draft of the release {tag}"));
        let body = json!({ "tag_name": tag, "name": notes.name, "body": notes.body, "draft": true });
        let answer = self.send(&what, &Method::POST, "/releases", Some(&body)).await?;
        if answer.status == 201 { answer.json(&what) } else { Err(answer.refusal(&what)) }
    }

    /// Publishes a draft
    /// ([update a release](https://docs.github.com/en/rest/releases/releases#update-a-release)).
    pub async fn publish(&self, draft: &Release, latest: bool) -> Result<Release, Error> {
        let what = self.what(&format!("publish the release {}", draft.tag_name));
        let latest = if latest { "true" } else { "false" };
        let body: Value = json!({ "tag_name": draft.tag_name, "draft": false, "make_latest": latest });
        let path = format!("/releases/{}", draft.id);
        let answer = self.send(&what, &Method::PATCH, &path, Some(&body)).await?;
        if answer.status == 200 { answer.json(&what) } else { Err(answer.refusal(&what)) }
    }

    /// Deletes a draft; one that is gone is none that must be deleted.
    pub async fn delete_draft(&self, draft: &Release) -> Result<(), Error> {
        let what = self.what(&format!("delete a second draft of the release {}", draft.tag_name));
        let answer = self.send(&what, &Method::DELETE, &format!("/releases/{}", draft.id), None).await?;
        if matches!(answer.status, 204 | 404) { Ok(()) } else { Err(answer.refusal(&what)) }
    }
}
