use std::path::Path;

use super::{AssetFile, ReleaseError};
use crate::domain::version::{Prefix, Version, VersionError};
use crate::edges::github::{GitHub, GitHubError, Release, Upload};
use sys::error::{Exit, Failure};

/// Where the text of a release comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// GitHub lists the changes since this tag, or since the beginning.
    Generated(Option<String>),
    /// This text.
    Text(String),
}

/// The text for the input `release-notes`. `None` if GitHub generates it.
///
/// # Errors
///
/// If the file cannot be read.
pub fn notes(input: &str, directory: &Path) -> Result<Option<Source>, Failure> {
    match input {
        "generated" => Ok(None),
        "none" => Ok(Some(Source::Text(String::new()))),
        path => {
            let text = std::fs::read_to_string(directory.join(path)).map_err(|error| Failure {
                // The user may have given the text itself, so the error does not show the input as a path.
                what: format!("`release-notes` names no file that can be read in {}", directory.display()),
                causes: vec![error.to_string()],
                help: Some(
                    "`release-notes` is `generated`, `none` or the path of a Markdown file".to_owned(),
                ),
                exit: Exit::Usage,
            })?;
            Ok(Some(Source::Text(text)))
        }
    }
}

/// A published release with all its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The URL of its page.
    pub url: String,
    /// How many files this run uploaded.
    pub uploaded: usize,
    /// Whether this run published it.
    pub now: bool,
}

/// Creates or completes the GitHub release of a version whose tag exists. p2p creates a draft, uploads the files,
/// and publishes the draft last, so readers never see an incomplete release. A published release keeps its text and
/// files, and gets the files that it lacks.
///
/// # Errors
///
/// [`ReleaseError::OtherAsset`] if a published file has other content, and GitHub's errors.
pub async fn publish(
    github: &GitHub,
    prefix: &Prefix,
    version: Version,
    source: &Source,
    files: &[AssetFile],
) -> Result<Published, ReleaseError> {
    let tag = prefix.tag(version);
    if let Some(release) = github.release(&tag).await? {
        let uploaded = complete(github, &release, files).await?;
        return Ok(Published { url: release.html_url.into(), uploaded, now: false });
    }
    let draft = draft(github, &tag, source).await?;
    let mut uploaded = 0;
    let published = async {
        uploaded = complete(github, &draft, files).await?;
        publish_draft(github, prefix, version, &draft).await
    };
    let error = match published.await {
        Ok(release) => return Ok(Published { url: release.html_url.into(), uploaded, now: true }),
        Err(error) => error,
    };
    match github.release(&tag).await? {
        // GitHub published the draft, but its answer was lost.
        Some(release) if release.id == draft.id => {
            Ok(Published { url: release.html_url.into(), uploaded, now: true })
        }
        // Another run published the version first, perhaps before it could see our draft.
        Some(release) => {
            github.delete_draft(&draft).await?;
            let uploaded = complete(github, &release, files).await?;
            Ok(Published { url: release.html_url.into(), uploaded, now: false })
        }
        None => Err(error),
    }
}

async fn publish_draft(
    github: &GitHub,
    prefix: &Prefix,
    version: Version,
    draft: &Release,
) -> Result<Release, ReleaseError> {
    let latest = match github.latest_release().await? {
        Some(latest) => prefix.version(&latest.tag_name).is_none_or(|latest| latest <= version),
        None => true,
    };
    // GitHub would create the tag itself, on the default branch.
    if github.tag_commit(&draft.tag_name).await?.is_none() {
        return Err(VersionError::Gone { tag: draft.tag_name.clone() }.into());
    }
    Ok(github.publish(draft, latest).await?)
}

/// The draft for the tag. If two runs created drafts at the same time, the older one stays.
async fn draft(github: &GitHub, tag: &str, source: &Source) -> Result<Release, ReleaseError> {
    if let Some(first) = github.drafts(tag).await?.into_iter().next() {
        return Ok(first);
    }
    let own = match source {
        Source::Generated(previous) => {
            let notes = github.generate_notes(tag, previous.as_deref()).await?;
            github.create_draft(tag, &notes.name, &notes.body).await?
        }
        Source::Text(body) => github.create_draft(tag, tag, body).await?,
    };
    let first = github.drafts(tag).await?.into_iter().next();
    match first.filter(|first| first.id < own.id) {
        Some(first) => {
            github.delete_draft(&own).await?;
            Ok(first)
        }
        None => Ok(own),
    }
}

/// Uploads the files that are missing, and replaces files in a draft that differ.
async fn complete(github: &GitHub, release: &Release, files: &[AssetFile]) -> Result<usize, ReleaseError> {
    if files.is_empty() {
        return Ok(0);
    }
    let there = github.assets(release).await?;
    let mut uploaded = 0;
    for AssetFile { name, path, size, digest } in files {
        let upload = Upload { name, file: path, size: *size, digest };
        match there.iter().find(|asset| asset.name == *name) {
            Some(asset) if upload.is(asset) => continue,
            Some(asset) if !release.draft && asset.state == "uploaded" => {
                return Err(ReleaseError::OtherAsset { tag: release.tag_name.clone(), name: name.clone() });
            }
            // Nobody has seen it, or an upload was interrupted.
            Some(asset) => github.delete_asset(asset).await?,
            None => {}
        }
        match github.upload(release, upload).await {
            Ok(()) => uploaded += 1,
            Err(GitHubError::File { file, source, .. }) => return Err(ReleaseError::File { file, source }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(uploaded)
}
