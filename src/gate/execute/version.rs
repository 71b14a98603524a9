//! The step `version`: allocates the final version of this run.

use super::{Allocation, Execution, Message, Progress};
use crate::gate::allocation::{self, PATIENCE, Subject};
use crate::gate::plan::PlannedVersion;
use sys::error::Failure;

impl Execution<'_> {
    /// Creates the version tag if the plan says so. If another run has taken the planned version, the plan continues
    /// with the version that this run gets.
    pub(super) async fn allocate_version(&self, progress: &mut Progress) -> Message {
        let planned = progress.plan.version.clone();
        if !planned.create {
            return Ok(Some(match planned.version.as_str() {
                "" => planned.because,
                version => format!("{version} ({})", planned.because),
            }));
        }
        let Some(remote) = &self.edges.remote else {
            return Err(Failure::usage(
                "a version tag can be created on GitHub only",
                "run in GitHub Actions",
            ));
        };
        let Allocation { repository, commit, kind, listing, bump } = remote;
        let subject = Subject { prefix: &repository.prefix, commit, kind, bump: *bump };
        let read = async || repository.tags().await;
        let settled =
            allocation::allocate(subject, listing.clone(), read, &repository.github, &PATIENCE).await?;
        progress.tag_created = settled.created;
        let because = match (settled.version == planned.version, settled.created) {
            (true, true) => planned.because.clone(),
            (false, true) => format!("the tags changed after {} was planned", planned.version),
            (_, false) => "the commit got its tag meanwhile".to_owned(),
        };
        let version = PlannedVersion {
            version: settled.version,
            previous: settled.previous.map(|previous| previous.to_string()),
            tag: settled.tag,
            create: false,
            because,
        };
        let message = match &version.tag {
            Some(tag) if settled.created => format!("created the tag {tag} ({})", version.because),
            _ => format!("{} ({})", version.version, version.because),
        };
        progress.plan = progress.plan.clone().with_version(version);
        Ok(Some(message))
    }
}
