use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::subject::Subject;
use super::{Unread, level};
use crate::domain::version::{Commit, Decision, Prefix, Version, VersionError, VersionTag, decide};
use crate::edges::github::{Creation, GitHub, GitHubError};
use sys::error::{Exit, Help};
use sys::retry::{Policy, Retrying};

/// How often and how long a run tries to get a version of its own.
///
/// In each round one run gets the version that all runs want, so with `n` runs no run needs more than `n` tries. A
/// hundred leaves room for refusals of GitHub without a reason. The random waits grow from 0–250 ms to 0–8 s. In a
/// simulation with 64 runs that start together and 0.3 to 0.5 s per request, each run needs at most 15 tries and the
/// last one gets its version after 50 s.
pub const PATIENCE: Policy = Policy {
    attempts: 100,
    base: Duration::from_millis(250),
    cap: Duration::from_secs(8),
    patience: Duration::from_mins(2),
};

/// After this many refusals in a row of a tag that does not exist, p2p looks for another tag that blocks it.
const IN_VAIN: u32 = 5;

/// A list of tags counts as current for this long.
const FRESH: Duration = Duration::from_secs(2);

/// The version tags of the remote repository at one moment.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The tags. Empty if `Kind::needs_tags` says that none are needed.
    pub tags: Vec<VersionTag>,
    /// When the tags were read.
    pub at: Instant,
}

/// The final version of a commit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Allocated {
    /// The version without its prefix.
    pub version: String,
    /// The version before it. `None` if the version was not computed.
    pub previous: Option<Version>,
    /// The name of the version's tag, if it has one.
    pub tag: Option<String>,
    /// Whether this run created that tag.
    pub created: bool,
}

/// For a decision that needs no new tag.
impl From<Decision> for Allocated {
    fn from(decision: Decision) -> Self {
        let Decision { version, previous, tag, create: _ } = decision;
        Self { version, previous, tag, created: false }
    }
}

/// Why no version was allocated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// The rules allow no version.
    #[error(transparent)]
    Decide(#[from] VersionError),
    /// The remote's tags could not be read again.
    #[error(transparent)]
    Read(#[from] Unread),
    /// GitHub did not create the tag.
    #[error(transparent)]
    Create(#[from] GitHubError),
    /// Another tag makes this one impossible.
    #[error("the tag {tag} cannot be created: the tag {other} is in its way")]
    Blocked {
        tag: String,
        /// The other tag.
        other: String,
    },
    /// GitHub refused every try.
    #[error(
        "no version tag could be created on commit {commit} in {attempts} tries; the last, {tag}, was refused: {answer}"
    )]
    Contested {
        commit: Commit,
        /// The last tag that was tried.
        tag: String,
        /// The number of tries.
        attempts: u32,
        /// GitHub's last answer.
        answer: String,
    },
}

impl Help for AllocationError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Decide(error) => error.help(),
            Self::Read(error) => error.help(),
            Self::Create(error) => error.help(),
            Self::Blocked { other, .. } => Some(format!(
                "git keeps refs as files, so a tag 'team/api' forbids every tag 'team/api/…': delete the other one \
                 (git push --delete origin '{other}'), or choose another `version-prefix`"
            )),
            Self::Contested { .. } => {
                Some("run again; if it happens every time, a hook of the server forbids the tag".to_owned())
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Decide(error) => error.exit(),
            Self::Read(error) => error.exit(),
            Self::Create(error) => error.exit(),
            Self::Blocked { .. } => Exit::Failed,
            Self::Contested { .. } => Exit::Unavailable,
        }
    }
}

/// Allocates the version of a commit, and creates its tag if the rules require one.
///
/// `listing` holds the tags that were read before. `read` reads them again. If the list is not fresh, that happens
/// before the first try, because somebody may have pushed a higher tag. If no tag is needed, neither `read` nor
/// GitHub is called.
///
/// # Errors
///
/// [`AllocationError`], each with its help. If the tag was created before the failure, it stays, and the next run on
/// this commit uses it.
pub async fn allocate(
    subject: Subject<'_>,
    listing: Listing,
    read: impl AsyncFn() -> Result<Vec<VersionTag>, Unread>,
    github: &GitHub,
    patience: &Policy,
) -> Result<Allocated, AllocationError> {
    let Listing { tags, at } = listing;
    let mut contest = Contest { subject, github, read, tags, learned: Vec::new(), unsure: None, in_vain: 0 };
    let retrying = Retrying { policy: *patience, watcher: github.watcher().clone() };
    let mut stale = at.elapsed() > FRESH;
    let mut attempt = 1;
    loop {
        let decision = contest.decide().await?;
        let Some(tag) = decision.tag.clone().filter(|_| decision.create) else {
            let created = contest.unsure.is_some() && contest.unsure == decision.tag;
            return Ok(Allocated { created, ..decision.into() });
        };
        if std::mem::take(&mut stale) {
            contest.read_again().await?;
            continue;
        }
        let Some(answer) = contest.create(&tag).await? else {
            return Ok(Allocated { created: true, ..decision.into() });
        };
        let what = format!("create the tag {tag} on commit {}", subject.commit.short());
        if !retrying.yield_to_others(&what, &answer, attempt).await {
            let commit = subject.commit.clone();
            return Err(AllocationError::Contested { commit, tag, attempts: attempt, answer });
        }
        attempt += 1;
        contest.read_again().await?;
        contest.look_for(&tag).await?;
    }
}

/// One of several runs that want a version tag.
struct Contest<'a, R> {
    subject: Subject<'a>,
    github: &'a GitHub,
    /// Reads the remote's tags.
    read: R,
    /// The tags from the last reading.
    tags: Vec<VersionTag>,
    /// Tags that GitHub's API knows, but that `git ls-remote` does not list yet.
    learned: Vec<VersionTag>,
    /// A tag that may or may not exist, because its creation failed without a clear answer.
    unsure: Option<String>,
    /// How often in a row GitHub has refused a tag that does not exist.
    in_vain: u32,
}

impl<R: AsyncFn() -> Result<Vec<VersionTag>, Unread>> Contest<'_, R> {
    /// Decides the version from all known tags.
    async fn decide(&mut self) -> Result<Decision, AllocationError> {
        let Subject { prefix, commit, kind, bump: _ } = self.subject;
        self.tags.extend(self.learned.iter().cloned());
        let level = level(self.subject, &self.tags, self.github).await?;
        Ok(decide(prefix, &self.tags, commit, kind, level)?)
    }

    /// Creates a tag. Returns GitHub's answer if the tag exists already.
    async fn create(&mut self, tag: &str) -> Result<Option<String>, AllocationError> {
        let Subject { prefix, commit, .. } = self.subject;
        match self.github.create_tag(tag, commit).await {
            Ok(Creation::Created) => Ok(None),
            Ok(Creation::Taken { after_failure, answer }) => {
                if after_failure {
                    self.unsure = Some(tag.to_owned());
                }
                Ok(Some(answer))
            }
            // The tag may exist although every answer was lost.
            Err(error @ (GitHubError::Unavailable { .. } | GitHubError::RateLimited { .. })) => {
                let is_ours =
                    |found: &VersionTag| found.commit == *commit && prefix.tag(found.version) == tag;
                let there = (self.read)().await.is_ok_and(|tags| tags.iter().any(is_ours));
                if there { Ok(None) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the tags again. Adds a tag that is no longer listed but still exists to `learned`.
    async fn read_again(&mut self) -> Result<(), AllocationError> {
        let before = std::mem::replace(&mut self.tags, (self.read)().await?);
        let missing = missing(before, &self.tags, &self.learned);
        self.learned.extend(confirmed(missing, self.subject.prefix, self.github).await?);
        Ok(())
    }

    /// Looks up a tag that GitHub refused to create. If the tag is not listed, git's side of the server may lag
    /// behind the API, so p2p asks the API.
    async fn look_for(&mut self, tag: &str) -> Result<(), AllocationError> {
        let prefix = self.subject.prefix;
        if self.tags.iter().any(|found| prefix.tag(found.version) == tag) {
            return Ok(());
        }
        let holder = self.github.tag_commit(tag).await?;
        self.in_vain = if holder.is_none() { self.in_vain + 1 } else { 0 };
        if self.in_vain == IN_VAIN
            && let Some(other) = in_the_way(tag, self.github).await?
        {
            return Err(AllocationError::Blocked { tag: tag.to_owned(), other });
        }
        let version = prefix.version(tag);
        self.learned.extend(version.zip(holder).map(|(version, commit)| VersionTag { version, commit }));
        Ok(())
    }
}

/// A tag that cannot exist together with `tag`, because one is the directory of the other.
async fn in_the_way(tag: &str, github: &GitHub) -> Result<Option<String>, GitHubError> {
    for (slash, _) in tag.match_indices('/') {
        let (above, _) = tag.split_at(slash);
        if github.tag(above).await?.is_some() {
            return Ok(Some(above.to_owned()));
        }
    }
    let below = github.tags(&format!("{tag}/"), |_| true).await?;
    Ok(below.into_iter().next().map(|tag| tag.name))
}

/// The tags of `before` that are missing or moved now.
fn missing(before: Vec<VersionTag>, now: &[VersionTag], learned: &[VersionTag]) -> Vec<VersionTag> {
    let now: BTreeMap<_, _> = now.iter().chain(learned).map(|tag| (tag.version, &tag.commit)).collect();
    before.into_iter().filter(|tag| now.get(&tag.version) != Some(&&tag.commit)).collect()
}

/// A version tag must not disappear or move. `git ls-remote` may lag behind, so the API decides.
async fn confirmed(
    missing: Vec<VersionTag>,
    prefix: &Prefix,
    github: &GitHub,
) -> Result<Vec<VersionTag>, AllocationError> {
    for known in &missing {
        let (tag, wanted) = (prefix.tag(known.version), known.commit.clone());
        match github.tag_commit(&tag).await? {
            Some(found) if found == wanted => {}
            Some(found) => return Err(VersionError::Moved { tag, found, wanted }.into()),
            None => return Err(VersionError::Gone { tag }.into()),
        }
    }
    Ok(missing)
}
