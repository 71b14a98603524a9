//! Whether a commit may be tagged and promoted, and if not, why.

use std::fmt;

use serde::Serialize;

use crate::domain::version::{Commit, Kind, Prefix};

/// The facts of the event that the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// `GITHUB_EVENT_NAME`.
    pub event: String,
    /// `GITHUB_REF`.
    pub git_ref: String,
    /// `GITHUB_SHA`, or the commit of the annotated tag that it names.
    pub event_sha: Commit,
    /// The commit that is checked out.
    pub head: Commit,
    /// Other commits of this repository that the event names.
    pub own_heads: Vec<Commit>,
    /// Whether GitHub withholds the id token and the secrets from the job.
    pub lacks_secrets: bool,
    /// The commit that the input `checkout-version` names.
    pub named: Option<Named>,
    /// Whether HEAD is known to belong to the main branch although the event names another commit: HEAD is in the
    /// history of the event's commit, or it has a version tag.
    pub of_main: bool,
    /// The input `version`, if p2p uses it unchanged.
    pub given: Option<String>,
    /// `pull_request.head.sha` of the event.
    pub pull_request_head: Option<Commit>,
    /// Whether the pull request comes from another repository.
    pub fork: bool,
}

/// A commit, and the name that the input gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    pub name: String,
    /// The commit in this checkout.
    pub commit: Commit,
}

/// Why a commit is neither tagged nor promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ineligible {
    /// The event does not allow it.
    Event(String),
    /// The pull request comes from a fork.
    Fork,
    /// The ref is neither the main branch nor a version tag.
    Ref(String),
    /// The ref is a version tag, but another commit is checked out.
    OfAnother {
        /// The tag's ref.
        git_ref: String,
        head: Commit,
    },
    /// HEAD is neither the event's commit nor the one that `checkout-version` names.
    Head {
        head: Commit,
        /// The commit of the event.
        event_sha: Commit,
    },
    /// The ref is the tag of another version than the input `version`.
    OtherVersion { tag: String, given: String },
    /// The input `version` has the form that branches and pull requests get.
    OfBranch(String),
    /// `checkout-version` names a pull request.
    PullRequest(String),
    /// HEAD does not belong to the main branch, although `checkout-version` names it. The input can name anybody's
    /// commit.
    Foreign {
        head: Commit,
        /// The commit of the event.
        event_sha: Commit,
    },
}

/// Whether a commit may be tagged and promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eligibility {
    /// What its version is computed from.
    pub kind: Kind,
    /// The commit under test: the head of a pull request, not the merge commit.
    pub commit: Commit,
    /// Why nothing is promoted, and on the main branch why no tag is created. `None` if both are allowed.
    pub ineligible: Option<Ineligible>,
}

/// The events on which p2p creates tags and promotes images. Other events, `pull_request_target` and `workflow_run`
/// among them, may also carry the main branch's ref.
pub const EVENTS: [&str; 4] = ["push", "schedule", "workflow_dispatch", "repository_dispatch"];

/// Decides whether the commit of `facts` may be tagged and promoted. `main_branch` is a full ref.
pub fn eligibility(facts: &Facts, main_branch: &str, prefix: &Prefix) -> Eligibility {
    let own = facts.head == facts.event_sha;
    let ineligible = if facts.fork {
        Some(Ineligible::Fork)
    } else if !EVENTS.contains(&facts.event.as_str()) {
        Some(Ineligible::Event(facts.event.clone()))
    } else if own {
        None
    } else {
        match facts.named.as_ref().filter(|named| named.commit == facts.head) {
            None => Some(Ineligible::Head { head: facts.head.clone(), event_sha: facts.event_sha.clone() }),
            Some(Named { name, .. }) => is_pull_request(name).then(|| Ineligible::PullRequest(name.clone())),
        }
    };
    let tagged = facts.git_ref.strip_prefix("refs/tags/").and_then(|tag| prefix.version(tag));
    let (kind, ineligible) = match (ineligible, tagged) {
        (Some(ineligible), _) => (Kind::Elsewhere, Some(ineligible)),
        (None, Some(version)) if own => (Kind::VersionTag(version), None),
        // Another commit must not get the version of this tag.
        (None, Some(_)) => {
            let (git_ref, head) = (facts.git_ref.clone(), facts.head.clone());
            (Kind::Elsewhere, Some(Ineligible::OfAnother { git_ref, head }))
        }
        (None, _) if facts.git_ref == main_branch && (own || facts.of_main) => (Kind::MainBranch, None),
        (None, _) if facts.git_ref == main_branch => {
            let (head, event_sha) = (facts.head.clone(), facts.event_sha.clone());
            (Kind::Elsewhere, Some(Ineligible::Foreign { head, event_sha }))
        }
        (None, _) => (Kind::Elsewhere, Some(Ineligible::Ref(facts.git_ref.clone()))),
    };
    let ineligible = ineligible.or_else(|| foreign_version(facts.given.as_deref()?, &kind, prefix));
    let kind = if ineligible.is_some() { Kind::Elsewhere } else { kind };
    Eligibility { kind, commit: commit_under_test(facts), ineligible }
}

/// Why the input `version` cannot be the version of this commit: it has the form `<previous>-<full commit id>` of a
/// branch or a pull request, or it differs from the pushed tag.
fn foreign_version(given: &str, kind: &Kind, prefix: &Prefix) -> Option<Ineligible> {
    let commit = given.rsplit_once('-').map(|(_, commit)| commit.parse::<Commit>());
    if matches!(commit, Some(Ok(_))) {
        return Some(Ineligible::OfBranch(given.to_owned()));
    }
    let Kind::VersionTag(version) = kind else { return None };
    let (tag, given) = (prefix.tag(*version), given.to_owned());
    (prefix.tag_of(&given) != tag).then_some(Ineligible::OtherVersion { tag, given })
}

/// Whether a name is one of the refs that GitHub keeps for pull requests, or the name that `actions/checkout` gives
/// them.
pub(super) fn is_pull_request(name: &str) -> bool {
    ["refs/pull/", "refs/remotes/pull/"].iter().any(|front| name.starts_with(front))
}

/// The commit that is checked out. For a merge commit by GitHub, it is the head of the pull request.
/// `pull_request_target` checks out the base by default, and its ref is the base branch.
fn commit_under_test(facts: &Facts) -> Commit {
    let git_ref = &facts.git_ref;
    let merge =
        facts.event == "pull_request" || git_ref.starts_with("refs/pull/") && git_ref.ends_with("/merge");
    match &facts.pull_request_head {
        Some(head) if merge && facts.head == facts.event_sha => head.clone(),
        _ => facts.head.clone(),
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => write!(f, "the event `{event}` never tags or promotes"),
            Self::Fork => write!(f, "a pull request from a fork never tags or promotes"),
            Self::Ref(git_ref) => write!(f, "`{git_ref}` is neither the main branch nor a version tag"),
            Self::OfAnother { git_ref, head } => {
                write!(f, "`{git_ref}` is the tag of another commit than the checked-out {head}")
            }
            Self::Head { head, event_sha } => write!(
                f,
                "the checked-out commit {head} is neither the event's commit {event_sha} nor the one that \
                 `checkout-version` names"
            ),
            Self::OtherVersion { tag, given } => {
                write!(f, "`{tag}` is not the tag of the version {given}, which the input `version` gives")
            }
            Self::OfBranch(given) => {
                write!(
                    f,
                    "the version {given} ends in a commit's id: its image comes from a branch or a pull request"
                )
            }
            Self::PullRequest(name) => {
                write!(
                    f,
                    "`checkout-version` names the pull request `{name}`, which is never tagged or promoted"
                )
            }
            Self::Foreign { head, event_sha } => write!(
                f,
                "the commit {head} that `checkout-version` names is neither in the history of the event's commit \
                 {event_sha} nor on a version tag: it may be anybody's"
            ),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::gate::plan) fn commit(digit: char) -> Commit {
        #[expect(clippy::unwrap_used, reason = "forty hexadecimal digits are a commit")]
        digit.to_string().repeat(40).parse().unwrap()
    }

    /// A push to the main branch, with the pushed commit checked out.
    pub(in crate::gate::plan) fn push() -> Facts {
        Facts {
            event: "push".to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            event_sha: commit('a'),
            head: commit('a'),
            own_heads: Vec::new(),
            lacks_secrets: false,
            named: None,
            of_main: false,
            given: None,
            pull_request_head: None,
            fork: false,
        }
    }

    fn of(facts: &Facts) -> Eligibility {
        eligibility(facts, "refs/heads/main", &Prefix::default())
    }

    /// What the version is computed from, and why nothing is tagged or promoted: `main`, `tag 1.2.3`, `elsewhere:
    /// event`.
    fn message(facts: &Facts) -> String {
        let Eligibility { kind, ineligible, .. } = of(facts);
        let kind = match kind {
            Kind::MainBranch => "main".to_owned(),
            Kind::VersionTag(version) => format!("tag {version}"),
            Kind::Elsewhere => "elsewhere".to_owned(),
            other => format!("{other:?}"),
        };
        match ineligible {
            None => kind,
            Some(Ineligible::Event(_)) => format!("{kind}: event"),
            Some(Ineligible::Fork) => format!("{kind}: fork"),
            Some(Ineligible::Ref(_)) => format!("{kind}: ref"),
            Some(Ineligible::OfAnother { .. }) => format!("{kind}: of another"),
            Some(Ineligible::Head { .. }) => format!("{kind}: head"),
            Some(Ineligible::OtherVersion { .. }) => format!("{kind}: other version"),
            Some(Ineligible::OfBranch(_)) => format!("{kind}: of a branch"),
            Some(Ineligible::PullRequest(_)) => format!("{kind}: pull request"),
            Some(Ineligible::Foreign { .. }) => format!("{kind}: foreign"),
        }
    }

    /// Every event with every ref. HEAD is the event's commit.
    #[test]
    fn four_events_tag_and_promote_on_main_and_on_version_tags_alone() {
        let may = ["push", "schedule", "workflow_dispatch", "repository_dispatch"];
        let never = [
            "",
            "PUSH",
            "push ",
            "check_run",
            "check_suite",
            "create",
            "delete",
            "deployment",
            "deployment_status",
            "discussion",
            "fork",
            "gollum",
            "issue_comment",
            "issues",
            "label",
            "merge_group",
            "milestone",
            "page_build",
            "public",
            "pull_request",
            "pull_request_review",
            "pull_request_target",
            "registry_package",
            "release",
            "status",
            "watch",
            "workflow_call",
            "workflow_run",
        ];
        for (git_ref, expected) in [
            ("refs/heads/main", "main"),
            ("refs/tags/v1.2.3", "tag 1.2.3"),
            ("refs/tags/v1.2.3-rc.1", "elsewhere: ref"),
            ("refs/tags/1.2.3", "elsewhere: ref"),
            ("refs/tags/api-v1.2.3", "elsewhere: ref"),
            ("refs/tags/main", "elsewhere: ref"),
            ("refs/heads/v1.2.3", "elsewhere: ref"),
            ("refs/heads/maintenance", "elsewhere: ref"),
            ("refs/heads/x/main", "elsewhere: ref"),
            ("refs/pull/7/merge", "elsewhere: ref"),
            ("refs/heads/gh-readonly-queue/main/pr-7-abc", "elsewhere: ref"),
            ("main", "elsewhere: ref"),
            ("", "elsewhere: ref"),
        ] {
            for event in may {
                let facts = Facts { event: event.to_owned(), git_ref: git_ref.to_owned(), ..push() };
                assert_eq!(message(&facts), expected, "{event} {git_ref}");
                assert_eq!(message(&Facts { fork: true, ..facts }), "elsewhere: fork", "{event} {git_ref}");
            }
            for event in never {
                let facts = Facts { event: event.to_owned(), git_ref: git_ref.to_owned(), ..push() };
                assert_eq!(message(&facts), "elsewhere: event", "{event} {git_ref}");
                assert_eq!(message(&Facts { fork: true, ..facts }), "elsewhere: fork", "{event} {git_ref}");
            }
        }
    }

    #[test]
    fn head_is_the_event_s_commit_or_the_named_one() {
        let (event, other, third) = (commit('a'), commit('b'), commit('c'));
        // On the main branch: HEAD is known to belong to the main branch, and it is not.
        for (head, named, [of_main, foreign], on_tag) in [
            (&event, None, ["main", "main"], "tag 1.2.3"),
            (&event, Some(&event), ["main", "main"], "tag 1.2.3"),
            // The checked-out commit decides, not the input.
            (&event, Some(&other), ["main", "main"], "tag 1.2.3"),
            (&other, None, ["elsewhere: head", "elsewhere: head"], "elsewhere: head"),
            (&other, Some(&event), ["elsewhere: head", "elsewhere: head"], "elsewhere: head"),
            (&other, Some(&third), ["elsewhere: head", "elsewhere: head"], "elsewhere: head"),
            // The tag's version belongs to the tag's commit.
            (&other, Some(&other), ["main", "elsewhere: foreign"], "elsewhere: of another"),
        ] {
            let named = named.map(|commit| Named { name: "hotfix".to_owned(), commit: commit.clone() });
            let facts = Facts { head: head.clone(), named, ..push() };
            let known = Facts { of_main: true, ..facts.clone() };
            assert_eq!(
                (message(&known), message(&facts)),
                (of_main.to_owned(), foreign.to_owned()),
                "{facts:?}"
            );
            let facts = Facts { git_ref: "refs/tags/v1.2.3".to_owned(), ..known };
            assert_eq!(message(&facts), on_tag, "{facts:?}");
        }
    }

    #[test]
    fn the_name_of_a_pull_request_lifts_no_bar() {
        for (name, expected) in [
            ("refs/pull/7/head", "elsewhere: pull request"),
            ("refs/pull/7/merge", "elsewhere: pull request"),
            ("refs/remotes/pull/7/head", "elsewhere: pull request"),
            // A branch may have this name.
            ("pull/7/head", "main"),
            ("refs/heads/refs/pull/7/head", "main"),
        ] {
            let named = Some(Named { name: name.to_owned(), commit: commit('b') });
            let facts = Facts { head: commit('b'), of_main: true, named, ..push() };
            assert_eq!(message(&facts), expected, "{name}");
            assert_eq!(
                message(&Facts { head: commit('a'), ..facts }),
                "main",
                "the event's own commit is main's"
            );
        }
    }

    #[test]
    fn a_given_version_is_the_tag_s_own_and_no_branch_s() {
        let of_branch = format!("1.2.3-{}", "a".repeat(40));
        let of_branch_by_sha256 = format!("0.0.0-{}", "0123456789abcdef".repeat(4));
        for (given, on_main, on_tag) in [
            ("1.2.3", "main", "tag 1.2.3"),
            // A registry may write versions with a `v`, so a later gate may pass one.
            ("v1.2.3", "main", "tag 1.2.3"),
            ("1.2.4", "main", "elsewhere: other version"),
            ("2024.1-custom", "main", "elsewhere: other version"),
            ("1.2.3-abcdef0", "main", "elsewhere: other version"),
            (&of_branch, "elsewhere: of a branch", "elsewhere: of a branch"),
            (&of_branch_by_sha256, "elsewhere: of a branch", "elsewhere: of a branch"),
        ] {
            let facts = Facts { given: Some(given.to_owned()), ..push() };
            assert_eq!(message(&facts), on_main, "{given}");
            let on = |git_ref: &str| message(&Facts { git_ref: git_ref.to_owned(), ..facts.clone() });
            assert_eq!(on("refs/tags/v1.2.3"), on_tag, "{given}");
            assert_eq!(on("refs/heads/topic"), "elsewhere: ref", "the first reason is the one that is told");
        }
    }

    #[test]
    fn the_commit_under_test_is_head_but_for_a_merge_commit() {
        let facts = Facts { pull_request_head: Some(commit('c')), ..push() };
        for (event, git_ref, expected) in [
            ("pull_request", "refs/pull/7/merge", 'c'),
            ("pull_request", "refs/heads/main", 'c'),
            ("pull_request_review", "refs/pull/7/merge", 'c'),
            ("pull_request_review_comment", "refs/pull/7/merge", 'c'),
            ("pull_request_target", "refs/heads/main", 'a'),
            ("push", "refs/heads/main", 'a'),
            ("workflow_run", "refs/heads/main", 'a'),
        ] {
            let facts = Facts { event: event.to_owned(), git_ref: git_ref.to_owned(), ..facts.clone() };
            assert_eq!(of(&facts).commit, commit(expected), "{event} {git_ref}");
            // Whoever checks out another commit tests that commit.
            let other = Facts { head: commit('b'), ..facts.clone() };
            assert_eq!(of(&other).commit, commit('b'), "{event} {git_ref}");
            assert_eq!(of(&Facts { pull_request_head: None, ..facts }).commit, commit('a'));
        }
    }

    #[test]
    fn the_main_branch_is_a_whole_ref() {
        let facts = Facts { git_ref: "refs/heads/trunk".to_owned(), ..push() };
        assert_eq!(eligibility(&facts, "refs/heads/trunk", &Prefix::default()).kind, Kind::MainBranch);
        assert_eq!(eligibility(&facts, "refs/heads/tru", &Prefix::default()).kind, Kind::Elsewhere);
    }
}
