//! The later gates, extended-test and prod. Each works on a version that was promoted to it.

use super::build::Planner;
use super::{Action, Eligibility, Facts, Job, eligibility};
use crate::domain::environment::Stage;
use crate::domain::version::{Commit, Kind, Prefix};
use sys::error::Failure;

/// The version of a later gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    pub stage: Stage,
    /// The version. `None` if no version waits for the gate.
    pub version: Option<String>,
    /// The version's tag, with the prefix, if p2p looked it up.
    pub tag: Option<String>,
    /// The commit of that tag. Without a tag, the commit of the event.
    pub commit: Commit,
    /// Why it is this version, or why there is none.
    pub because: String,
    /// Notes for the top of the log.
    pub notes: Vec<String>,
    /// Warnings for the top of the log.
    pub warnings: Vec<String>,
}

impl Later {
    /// Whether the gate may promote. The rules for events, forks and refs are those of fast feedback. HEAD does not
    /// matter, because the gate tests and promotes the tag of a version that an earlier gate promoted.
    pub fn eligibility(&self, facts: &Facts, main_branch: &str, prefix: &Prefix) -> Eligibility {
        let facts = Facts { head: facts.event_sha.clone(), ..facts.clone() };
        let ineligible = eligibility(&facts, main_branch, prefix).ineligible;
        Eligibility { kind: self.kind(), commit: self.commit.clone(), ineligible }
    }

    /// What the version is computed from.
    pub fn kind(&self) -> Kind {
        Kind::Given(self.version.clone().unwrap_or_default())
    }
}

impl Planner<'_> {
    /// Adds the steps of a later gate: its images are recorded, tested, and promoted to the next stage.
    pub(super) fn later(&mut self, stage: Stage) -> Result<(), Failure> {
        let Some(test) = stage.targets().next() else { return Ok(()) };
        if let Some(Later { version: None, .. }) = self.known.later {
            self.target(test, Some(Action::Skip { reason: "nothing to do".to_owned(), warn: false }));
            return Ok(());
        }
        self.need(&[test])?;
        self.own("version", Job::Version);
        self.record(stage, stage.earlier())?;
        self.target(test, None);
        self.later_scan(stage, test);
        match stage.next().filter(|_| self.known.promotes) {
            Some(next) => self.promotion(next),
            None => Ok(()),
        }
    }
}
