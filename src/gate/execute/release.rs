//! The steps of `release`: the release commit, the GitHub release, the floating tags.

use super::{Allocation, Execution, Message, Progress};
use crate::domain::version::{Kind, Line, Motion, Version};
use crate::edges::git;
use crate::gate::release::{self, Files, Source, asset_files, committed_files, notes};
use crate::inputs::ReleaseCommit;
use sys::error::Failure;

impl Execution<'_> {
    /// Puts the version tag on a child of the commit.
    pub(super) async fn release_commit(
        &self,
        tag: &str,
        files: &[String],
        progress: &mut Progress,
    ) -> Message {
        let remote = self.remote()?;
        let directory = &self.run_context.paths.directory;
        let root = git::toplevel(directory).unwrap_or(&self.run_context.paths.workspace);
        let files = committed_files(&Files { input: "release-files", globs: files, directory }, root)?;
        let child = release::put(&remote.repository.github, tag, &remote.commit, &files).await?;
        progress.tag_created = child.created;
        progress.plan.version.tag = Some(tag.to_owned());
        Ok(Some(if child.created {
            format!("created the tag {tag} on the release commit {}", child.commit.short())
        } else {
            format!("the tag {tag} is on the release commit {}", child.commit.short())
        }))
    }

    /// Creates or completes the GitHub release.
    pub(super) async fn release(&self, assets: &[String], text: &str, progress: &mut Progress) -> Message {
        let remote = self.remote()?;
        let version = released(progress)?;
        let directory = &self.run_context.paths.directory;
        let files = asset_files(&Files { input: "release-assets", globs: assets, directory })?;
        let prefix = &remote.repository.prefix;
        let previous = progress.plan.version.previous.as_deref().and_then(|text| text.parse().ok());
        let previous = previous.filter(|previous| *previous != Version::ZERO);
        let previous = previous.map(|previous| prefix.tag(previous));
        let source = notes(text, directory)?.unwrap_or(Source::Generated(previous));
        let published = release::publish(&remote.repository.github, prefix, version, &source, &files);
        let published = Box::pin(published).await?;
        let uploaded = match (published.uploaded, files.len()) {
            (0, 0) => String::new(),
            (uploaded, all) => format!(", {uploaded} of {all} files uploaded"),
        };
        let what = if published.now { "published" } else { "was published already" };
        Ok(Some(format!("{what}{uploaded}: {}", published.url)))
    }

    /// Moves the floating tags.
    pub(super) async fn floating_tags(&self, lines: &[Line], progress: &mut Progress) -> Message {
        let remote = self.remote()?;
        let Some(tag) = &progress.plan.version.tag else {
            return Ok(Some("the version has no tag yet; `release` moves them".to_owned()));
        };
        let version = released(progress)?;
        // Only this release may use its release commit.
        let own = remote.repository.release_commit == ReleaseCommit::Own
            || matches!(remote.kind, Kind::VersionTag(_));
        let commit = own.then_some(&remote.commit);
        let moved = release::follow(&remote.repository, version, commit, lines).await?;
        let moved: Vec<_> = moved
            .iter()
            .map(|moved| match moved.motion {
                Motion::Create => format!("created {}", moved.tag),
                Motion::Move(from) => {
                    format!("moved {} from {}", moved.tag, remote.repository.prefix.tag(from))
                }
                Motion::Stay(at) => format!("left {} on {}", moved.tag, remote.repository.prefix.tag(at)),
            })
            .collect();
        Ok(Some(format!("{tag}: {}", moved.join(", "))))
    }

    fn remote(&self) -> Result<&Allocation, Failure> {
        let none = || Failure::usage("tags and releases are made on GitHub only", "run in GitHub Actions");
        self.edges.remote.as_ref().ok_or_else(none)
    }
}

fn released(progress: &Progress) -> Result<Version, Failure> {
    Ok(progress.plan.version.version.parse()?)
}
