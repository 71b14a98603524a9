//! The machine that p2p runs on.

use super::{GithubJob, Request};
use crate::edges::git::Git;
use crate::gate::plan::{EVENTS, Place};
use crate::gate::record::{Refs, Rule, SigningSettings};
use crate::inputs::Records;
use sys::error::Failure;
use sys::world::World;

/// The machine that p2p runs on, and its git. All environments of a run share it.
pub(crate) struct Host<'a> {
    /// The environment, the clock and the working directory.
    pub world: &'a World,
    pub job: Option<GithubJob>,
    pub git: Git,
}

impl Host<'_> {
    pub(crate) fn place(&self) -> Place {
        if self.job.is_some() { Place::Github } else { Place::Local }
    }

    /// The rule that decides whose records of gates count.
    ///
    /// # Errors
    /// If `version-prefix` is wrong.
    pub(crate) fn rule(&self, request: &Request, settings: &SigningSettings) -> Result<Rule, Failure> {
        let (inputs, env) = (&request.inputs, &self.world.env);
        let refs = Refs {
            main_branch: inputs.main_branch_ref(),
            release_branches: inputs.release_branches.clone().map(|words| words.0).unwrap_or_default(),
            prefix: Some(inputs.prefix()?),
            events: &EVENTS,
        };
        let rule = Rule::here(env, self.job.is_some(), refs);
        // A laptop has no identity, so it signs nothing and requires no signatures.
        let signed = match &rule.repository {
            Some(repository) if inputs.promotion_record == Records::Signed => {
                Some(settings.allowed(env, repository, rule.repository_id.clone()))
            }
            _ => None,
        };
        Ok(Rule { signed, ..rule })
    }
}
