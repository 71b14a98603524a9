use super::ReleaseError;
use crate::domain::version::{self, Commit, Line, Motion, Version, VersionError};
use crate::edges::github::{GitHub, GitHubError, GitTag, Reason, TagUpdate};
use crate::gate::allocation::{PATIENCE, Remote};
use sys::retry::{Policy, Retrying};

/// How often p2p tries to move the floating tags. Each failed try means that another release has moved them.
const ATTEMPTS: u32 = 40;

/// How often p2p asks again after an answer that may come from a server that lags behind.
const DOUBTS: u32 = 3;

/// A floating tag and the result of its move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub tag: String,
    pub motion: Motion,
}

/// Moves the floating tags of `release` to the commit of its tag, as [`version::follow`] decides. `commit` is where
/// that tag must be, if it is known.
///
/// Several releases may run at once. A tag moves only if it is still where p2p read it
/// ([`crate::edges::github::GitHub::move_tags`]). So the highest release of each line wins, and a tag never moves
/// backwards.
///
/// # Errors
///
/// [`VersionError::Gone`] and [`VersionError::Moved`] if the version tag has changed, [`VersionError::Stray`], and
/// the errors of the edges.
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
            // A list of tags that lags behind may lack a newer release.
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
                // GitHub does not say whether a tag has moved, so p2p reads the tags.
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

/// The commit of the version tag. It must be `wanted`, if that is known.
async fn there(github: &GitHub, tag: &str, wanted: Option<&Commit>) -> Result<Commit, ReleaseError> {
    match (github.tag_commit(tag).await?, wanted) {
        (None, _) => Err(VersionError::Gone { tag: tag.to_owned() }.into()),
        (Some(found), Some(wanted)) if found != *wanted => {
            Err(VersionError::Moved { tag: tag.to_owned(), found, wanted: wanted.clone() }.into())
        }
        (Some(found), _) => Ok(found),
    }
}

/// Decides what to do with each floating tag. An error if one is not on a release of its line.
async fn decide(
    remote: &Remote,
    release: Version,
    lines: &[Line],
    floating: &[Option<GitTag>],
    to: &Commit,
) -> Result<Result<Vec<Moved>, VersionError>, ReleaseError> {
    // The release of a tag matters only if the tag has to move.
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
