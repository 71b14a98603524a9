//! Where a commit stands: whether it may be tagged and promoted, and if not, why.

use std::fmt;

use serde::Serialize;

use crate::version::{Commit, Kind, Prefix};

/// The facts of the event that the decision is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// `GITHUB_EVENT_NAME`.
    pub event: String,
    /// `GITHUB_REF`.
    pub git_ref: String,
    /// `GITHUB_SHA`, peeled to the commit where it names an annotated tag.
    pub event_sha: Commit,
    /// The commit that is checked out.
    pub head: Commit,
    /// The commit that the input `checkout-version` names.
    pub named: Option<Commit>,
    /// `pull_request.head.sha` of the event.
    pub pull_request_head: Option<Commit>,
    /// Whether the pull request comes from another repository.
    pub fork: bool,
}

/// Why a commit is neither tagged nor promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// The event is none of those that may.
    Event(String),
    /// The pull request comes from a fork.
    Fork,
    /// The ref is neither the main branch nor a version tag.
    Ref(String),
    /// HEAD is neither the event's commit nor the one that `checkout-version` names.
    Head {
        /// What is checked out.
        head: Commit,
        /// What the event is about.
        event_sha: Commit,
    },
}

/// Where a commit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What its version is made from.
    pub kind: Kind,
    /// The commit under test: a pull request's own head, not the merge commit.
    pub commit: Commit,
    /// Whether images may be promoted (and, on the main branch, a tag created).
    pub barred: Option<Barred>,
}

/// The events on which tags are created and images promoted. Others carry the main branch's ref
/// too, `pull_request_target` and `workflow_run` among them.
const EVENTS: [&str; 4] = ["push", "schedule", "workflow_dispatch", "repository_dispatch"];

/// Decides where the commit of `facts` stands. `main_branch` is a full ref.
pub fn standing(facts: &Facts, main_branch: &str, prefix: &Prefix) -> Standing {
    let own = facts.head == facts.event_sha;
    let barred = if facts.fork {
        Some(Barred::Fork)
    } else if !EVENTS.contains(&facts.event.as_str()) {
        Some(Barred::Event(facts.event.clone()))
    } else if !own && facts.named.as_ref() != Some(&facts.head) {
        Some(Barred::Head { head: facts.head.clone(), event_sha: facts.event_sha.clone() })
    } else {
        None
    };
    let tagged = facts.git_ref.strip_prefix("refs/tags/").and_then(|tag| prefix.version(tag));
    let (kind, barred) = match (barred, tagged) {
        (Some(barred), _) => (Kind::Elsewhere, Some(barred)),
        // Another commit than the tag's own must not take the tag's number.
        (None, Some(version)) if own => (Kind::VersionTag(version), None),
        (None, _) if facts.git_ref == main_branch => (Kind::MainBranch, None),
        (None, _) => (Kind::Elsewhere, Some(Barred::Ref(facts.git_ref.clone()))),
    };
    Standing { kind, commit: commit_under_test(facts), barred }
}

/// A pull request's own head. `pull_request_target` checks out the base unless told otherwise.
fn commit_under_test(facts: &Facts) -> Commit {
    match (&facts.pull_request_head, facts.event.as_str()) {
        (Some(head), "pull_request") => head.clone(),
        _ => facts.head.clone(),
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => write!(f, "the event `{event}` never tags or promotes"),
            Self::Fork => write!(f, "a pull request from a fork never tags or promotes"),
            Self::Ref(git_ref) => write!(f, "`{git_ref}` is neither the main branch nor a version tag"),
            Self::Head { head, event_sha } => write!(
                f,
                "the checked-out commit {head} is neither the event's commit {event_sha} nor the one that \
                 `checkout-version` names"
            ),
        }
    }
}
