use octocrab::models::repos::{Release, ReleaseNotes};

use super::GitHubError;
use super::client::GitHub;
use super::refs::encoded;

impl GitHub {
    /// The published release of a tag
    /// ([get a release by tag name](https://docs.github.com/en/rest/releases/releases#get-a-release-by-tag-name)).
    pub async fn release(&self, tag: &str) -> Result<Option<Release>, GitHubError> {
        let call = self.call(&format!("read the release {tag}"))?;
        found(call.done(call.repository().releases().get_by_tag(&encoded(tag)).await))
    }

    /// The release that GitHub marks as the latest, if there is one.
    pub async fn latest_release(&self) -> Result<Option<Release>, GitHubError> {
        let call = self.call("read the latest release")?;
        found(call.done(call.repository().releases().get_latest().await))
    }

    /// All drafts for a tag, the oldest first. GitHub cannot find drafts by name, so this reads the list ([list
    /// releases](https://docs.github.com/en/rest/releases/releases#list-releases)).
    pub async fn drafts(&self, tag: &str) -> Result<Vec<Release>, GitHubError> {
        let call = self.call(&format!("list the releases to find the draft of {tag}"))?;
        let mut drafts: Vec<Release> = call.list("/releases").await?;
        drafts.retain(|release| release.draft && release.tag_name == tag);
        drafts.sort_unstable_by_key(|release| release.id);
        Ok(drafts)
    }

    /// GitHub's description of the changes since the tag `previous` ([generate release
    /// notes](https://docs.github.com/en/rest/releases/releases#generate-release-notes-content-for-a-release)).
    pub async fn generate_notes(
        &self,
        tag: &str,
        previous: Option<&str>,
    ) -> Result<ReleaseNotes, GitHubError> {
        let call = self.call(&format!("generate the notes of the release {tag}"))?;
        let repository = call.repository();
        let releases = repository.releases();
        let request = releases.generate_release_notes(tag);
        let request = match previous {
            Some(previous) => request.previous_tag_name(previous),
            None => request,
        };
        call.done(request.send().await)
    }

    /// Creates a draft for an existing tag ([create a
    /// release](https://docs.github.com/en/rest/releases/releases#create-a-release)).
    pub async fn create_draft(&self, tag: &str, name: &str, body: &str) -> Result<Release, GitHubError> {
        let call = self.call(&format!("create a draft of the release {tag}"))?;
        let repository = call.repository();
        call.done(repository.releases().create(tag).name(name).body(body).draft(true).send().await)
    }

    /// Publishes a draft
    /// ([update a release](https://docs.github.com/en/rest/releases/releases#update-a-release)).
    pub async fn publish(&self, draft: &Release, latest: bool) -> Result<Release, GitHubError> {
        use octocrab::repos::releases::MakeLatest;
        let call = self.call(&format!("publish the release {}", draft.tag_name))?;
        let latest = if latest { MakeLatest::True } else { MakeLatest::False };
        let repository = call.repository();
        let releases = repository.releases();
        let request = releases.update(draft.id.0).tag_name(&draft.tag_name).draft(false);
        call.done(request.make_latest(latest).send().await)
    }

    /// Deletes a draft, if it still exists.
    pub async fn delete_draft(&self, draft: &Release) -> Result<(), GitHubError> {
        let call = self.call(&format!("delete a second draft of the release {}", draft.tag_name))?;
        found(call.done(call.repository().releases().delete(draft.id.0).await)).map(drop)
    }
}

/// Turns "not found" into `None`.
pub(super) fn found<T>(result: Result<T, GitHubError>) -> Result<Option<T>, GitHubError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
