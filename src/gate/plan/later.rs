//! The later gates: extended-test and prod, each about a version that was promoted to it.

use super::build::Planner;
use super::{Action, Eligibility, Facts, Job, eligibility};
use crate::domain::environment::Stage;
use crate::domain::version::{Commit, Kind, Prefix};
use sys::error::Failure;

/// What a later gate is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// The gate.
    pub stage: Stage,
    /// The version; none where no version awaits the gate.
    pub version: Option<String>,
    /// The version's tag, with the prefix, where it was looked up.
    pub tag: Option<String>,
    /// The commit of that tag; of the event, where there is none.
    pub commit: Commit,
    /// Why it is this version, or why there is none.
    pub because: String,
    /// What the reader should know before.
    pub notes: Vec<String>,
    /// The same, where it is worth a warning.
    pub warnings: Vec<String>,
}

impl Later {
    /// Whether the gate may promote. The four events, forks and the ref are judged as in fast feedback. HEAD
    /// is not: what is tested and promoted is the tag of a version that an earlier gate promoted,
    /// whatever commit the event is about.
    pub fn eligibility(&self, facts: &Facts, main_branch: &str, prefix: &Prefix) -> Eligibility {
        let facts = Facts { head: facts.event_sha.clone(), ..facts.clone() };
        let ineligible = eligibility(&facts, main_branch, prefix).ineligible;
        Eligibility { kind: self.kind(), commit: self.commit.clone(), ineligible }
    }

    /// What the version is made from.
    pub fn kind(&self) -> Kind {
        Kind::Given(self.version.clone().unwrap_or_default())
    }
}

impl Planner<'_> {
    /// The gate of a stage: its images are recorded, tested, and promoted to the next stage.
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
