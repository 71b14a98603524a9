//! Whether the checked-out code may be a stranger's, and what happens then.

use super::eligibility::{EVENTS, Facts, Named, is_pull_request};
use crate::domain::version::Commit;
use crate::inputs::OnFork;
use sys::error::{Exit, Failure};

/// Events that only people with write access cause. They may choose the commit that is checked out.
const BY_WRITERS: [&str; 2] = ["pull_request", "merge_group"];

/// Why the code may be a stranger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// A pull request from a fork, to which GitHub gives neither id token nor secrets.
    Fork,
    /// A commit that the event does not name. The job may have secrets.
    Head { head: Commit, event: String },
}

/// Decides from the facts of the event. A commit in the history of the main branch (`of_main`) is never a
/// stranger's.
pub fn stranger(facts: &Facts) -> Option<Stranger> {
    if facts.lacks_secrets {
        return Some(Stranger::Fork);
    }
    let by_writers = EVENTS.into_iter().chain(BY_WRITERS).any(|event| event == facts.event);
    let named = |named: &Named| named.commit == facts.head && !is_pull_request(&named.name);
    let known = facts.head == facts.event_sha
        || facts.own_heads.contains(&facts.head)
        || facts.of_main
        || by_writers && !facts.fork && facts.named.as_ref().is_some_and(named);
    (!known).then(|| Stranger::Head { head: facts.head.clone(), event: facts.event.clone() })
}

impl Stranger {
    /// Applies the input `on-fork`. Returns the reason for skipping everything, or `None` if the run goes on.
    ///
    /// # Errors
    /// If the run must fail.
    pub fn settle(&self, on_fork: OnFork) -> Result<Option<String>, Failure> {
        match on_fork {
            OnFork::Run => Ok(None),
            OnFork::Skipped => Ok(Some(self.reason())),
            OnFork::Failure => Err(Failure::new(Exit::Failed, self.reason(), self.help().to_owned())),
        }
    }

    /// The reason in one sentence.
    fn reason(&self) -> String {
        match self {
            Self::Fork => {
                "this pull request comes from a fork, to which GitHub gives neither id token nor secrets, so \
                           nothing is built, deployed or tested"
                    .to_owned()
            }
            Self::Head { head, event } => format!(
                "the checked-out commit {head} is not one that the event `{event}` names, so it may be a stranger's, \
                 and nothing is built, deployed or tested"
            ),
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Fork => {
                "push the branch to this repository to run the gate on it, or set `on-fork: skipped`"
            }
            Self::Head { .. } => {
                "check out the event's own commit (actions/checkout without `ref`), and test pull requests on the \
                 event `pull_request`; where every commit that is checked out here was reviewed, set `on-fork: run`"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::eligibility::tests::{commit, push};
    use super::*;

    /// An event for commit `a`, with commit `b` checked out.
    fn other_head(event: &str) -> Facts {
        Facts { event: event.to_owned(), head: commit('b'), ..push() }
    }

    const EVERY: [&str; 8] = [
        "push",
        "schedule",
        "workflow_dispatch",
        "pull_request",
        "pull_request_target",
        "workflow_run",
        "issue_comment",
        "merge_group",
    ];

    #[test]
    fn a_commit_that_the_event_does_not_name_may_be_a_stranger_s() {
        for event in EVERY {
            let facts = other_head(event);
            assert_eq!(stranger(&facts), Some(Stranger::Head { head: commit('b'), event: event.to_owned() }));
            assert_eq!(stranger(&Facts { head: commit('a'), ..facts.clone() }), None, "the event's own");
            assert_eq!(stranger(&Facts { own_heads: vec![commit('b')], ..facts.clone() }), None);
            assert_eq!(stranger(&Facts { of_main: true, ..facts.clone() }), None);
            assert_eq!(
                stranger(&Facts { lacks_secrets: true, of_main: true, ..facts }),
                Some(Stranger::Fork)
            );
        }
    }

    #[test]
    fn only_events_of_writers_may_name_another_commit_and_never_a_pull_request() {
        let named = |name: &str| Some(Named { name: name.to_owned(), commit: commit('b') });
        for event in EVERY {
            let facts = Facts { named: named("release-7"), ..other_head(event) };
            let by_writers = !["pull_request_target", "workflow_run", "issue_comment"].contains(&event);
            assert_eq!(stranger(&facts).is_none(), by_writers, "{event}");
            assert!(stranger(&Facts { fork: true, ..facts.clone() }).is_some(), "{event}");
            for name in ["refs/pull/7/head", "refs/pull/7/merge", "refs/remotes/pull/7/head"] {
                assert!(stranger(&Facts { named: named(name), ..facts.clone() }).is_some(), "{event} {name}");
            }
        }
        let elsewhere = Some(Named { name: "main".to_owned(), commit: commit('c') });
        assert!(stranger(&Facts { named: elsewhere, ..other_head("push") }).is_some());
    }

    #[test]
    fn it_fails_or_is_skipped_and_says_why_in_one_sentence() {
        for stranger in
            [Stranger::Fork, Stranger::Head { head: commit('b'), event: "workflow_run".to_owned() }]
        {
            let failure = stranger.settle(OnFork::Failure).err().map(|failure| failure.to_string());
            let skipped = stranger.settle(OnFork::Skipped).ok().flatten();
            assert_eq!(skipped, Some(stranger.reason()));
            assert!(!stranger.reason().contains(". "));
            assert!(failure.is_some_and(|failure| failure.contains(&stranger.reason())));
            assert!(stranger.settle(OnFork::Run).is_ok_and(|reason| reason.is_none()));
        }
    }
}
