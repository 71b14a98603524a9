use super::ReleaseError;
use crate::domain::version::{self, Commit, Line, Motion, Version, VersionError};
use crate::edges::github::{GitHub, GitHubError, GitTag, Reason, TagUpdate};
use crate::gate::allocation::{PATIENCE, Remote};
use sys::retry::{Policy, Retrying};

/// How often the floating tags are tried. Each try that fails is another release's success.
const ATTEMPTS: u32 = 40;

/// How often an answer is doubted that a server which is behind could give.
const DOUBTS: u32 = 3;

/// A floating tag, and how its move ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub tag: String,
    /// Created, moved or left.
    pub motion: Motion,
}

/// Moves the floating tags of the lines that `release` belongs to onto the commit of its tag, as
/// [`version::follow`] decides. `commit` is where that tag must be, where it is known.
///
/// Any number of releases may be at it: each tag moves only while it is where it was read
/// ([`crate::edges::github::GitHub::move_tags`]), so the highest release of each line has it in the end, and
/// at no moment a lower one than before.
///
/// # Errors
///
/// [`VersionError::Gone`] and [`VersionError::Moved`] where the version tag is not as it was made,
/// [`VersionError::Stray`], and those of the edges.
pub async fn follow(
    remote: &Remote,
    release: Version,
    commit: Option<&Commit>,
    lines: &[Line],
) -> Result<Vec<Moved>, ReleaseError> {
    let Remote { github, prefix, .. } = remote;
    let own = prefix.tag(release);
    let mut doubts = 0;
    let policy = Policy { attempts: ATTEMPTS, ..PATIENCE };
    let contest = Retrying { policy, watcher: github.watcher().clone() };
    for attempt in 1.. {
        let to = there(github, &own, commit).await?;
        let floating = read(remote, release, lines).await?;
        let decided = decide(remote, release, lines, &floating, &to).await?;
        let (why, failure) = match decided {
            // A list of tags that is behind does not know what a newer release moved one to.
            Err(stray) => {
                doubts += 1;
                (stray.to_string(), Some(stray.into()))
            }
            Ok(moved) => {
                let updates = updates(&moved, &floating, &to);
                if updates.is_empty() {
                    return Ok(moved);
                }
                let Err(refusal) = github.move_tags(&updates).await else { return Ok(moved) };
                // GitHub does not say whether a tag was elsewhere; the tags do.
                if read(remote, release, lines).await? == floating {
                    doubts += if matches!(refusal, GitHubError::Refused { reason: Reason::Unexpected, .. }) {
                        1
                    } else {
                        DOUBTS
                    };
                    (refusal.to_string(), Some(refusal.into()))
                } else {
                    ("another release moved them".to_owned(), None)
                }
            }
        };
        if let Some(failure) = failure.filter(|_| doubts >= DOUBTS) {
            return Err(failure);
        }
        if !contest.yield_to_others(&format!("move the floating tags to {own}"), &why, attempt).await {
            return Err(ReleaseError::Restless { attempts: attempt, why });
        }
    }
    Ok(Vec::new())
}

/// The commit of the version tag, which must be `wanted` where that is known.
async fn there(github: &GitHub, tag: &str, wanted: Option<&Commit>) -> Result<Commit, ReleaseError> {
    match (github.tag_commit(tag).await?, wanted) {
        (None, _) => Err(VersionError::Gone { tag: tag.to_owned() }.into()),
        (Some(found), Some(wanted)) if found != *wanted => {
            Err(VersionError::Moved { tag: tag.to_owned(), found, wanted: wanted.clone() }.into())
        }
        (Some(found), _) => Ok(found),
    }
}

/// What becomes of each floating tag, or the one that is on no release of its line.
async fn decide(
    remote: &Remote,
    release: Version,
    lines: &[Line],
    floating: &[Option<GitTag>],
    to: &Commit,
) -> Result<Result<Vec<Moved>, VersionError>, ReleaseError> {
    // Which release a tag is on matters only where it is elsewhere.
    let elsewhere = floating.iter().flatten().any(|tag| tag.commit != *to);
    let tags = if elsewhere { remote.tags().await? } else { Vec::new() };
    let moved = lines.iter().zip(floating).map(|(line, tag)| {
        let name = line.tag(&remote.prefix, release);
        let at = tag.as_ref().map(|tag| &tag.commit);
        let motion = if at == Some(to) {
            Motion::Stay(release)
        } else {
            version::follow(*line, &remote.prefix, release, at, &tags)?
        };
        Ok(Moved { tag: name, motion })
    });
    Ok(moved.collect())
}

fn updates(moved: &[Moved], floating: &[Option<GitTag>], to: &Commit) -> Vec<TagUpdate> {
    let pairs = moved.iter().zip(floating);
    let moving = pairs.filter(|(moved, _)| !matches!(moved.motion, Motion::Stay(_)));
    let update = |(moved, tag): (&Moved, &Option<GitTag>)| TagUpdate {
        tag: moved.tag.clone(),
        from: tag.as_ref().map(|tag| tag.id.clone()),
        to: to.clone(),
    };
    moving.map(update).collect()
}

async fn read(remote: &Remote, release: Version, lines: &[Line]) -> Result<Vec<Option<GitTag>>, GitHubError> {
    let mut floating = Vec::with_capacity(lines.len());
    for line in lines {
        floating.push(remote.github.tag(&line.tag(&remote.prefix, release)).await?);
    }
    Ok(floating)
}
