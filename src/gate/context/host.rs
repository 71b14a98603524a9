//! Where p2p runs.

use super::{GithubJob, Request};
use crate::edges::git::Git;
use crate::gate::plan::{EVENTS, Place};
use crate::gate::record::{Refs, Rule};
use sys::error::Failure;
use sys::world::World;

/// Where p2p runs, and the git program there. It is the same for all environments of a run.
pub(crate) struct Host<'a> {
    /// The environment, the clock and the working directory.
    pub world: &'a World,
    /// The job, on GitHub.
    pub job: Option<GithubJob>,
    /// The git program.
    pub git: Git,
}

impl Host<'_> {
    /// GitHub or a laptop.
    pub(crate) fn place(&self) -> Place {
        if self.job.is_some() { Place::Github } else { Place::Local }
    }

    /// Whose records of gates count, whatever the commit.
    ///
    /// # Errors
    /// Where `version-prefix` is wrong.
    pub(crate) fn rule(&self, request: &Request) -> Result<Rule, Failure> {
        let inputs = &request.inputs;
        let refs = Refs { main_branch: inputs.main_branch_ref(), prefix: inputs.prefix()?, events: &EVENTS };
        Ok(Rule::here(&self.world.env, self.job.is_some(), refs))
    }
}
