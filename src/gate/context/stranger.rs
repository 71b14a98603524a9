//! Decides what happens if the checked-out code may be a stranger's, before make, git's hooks or any other program
//! reads it.

use super::reviewed::Reviewed;
use super::versions::facts;
use super::{Host, Paths, Request};
use crate::domain::environment::Stage;
use crate::gate::plan::{Facts, Stranger, stage, stranger};
use crate::inputs::{Command, OnFork};
use sys::error::Failure;

impl Host<'_> {
    /// Refuses to run parts of later gates on commits that nobody reviewed. Then applies the input `on-fork`, and
    /// returns the reason if everything is skipped. `version` and `release` read nothing of the repository but its
    /// commits.
    ///
    /// # Errors
    /// If a stranger's code must fail the run, or if p2p cannot find out whose code it is.
    pub(crate) async fn refuse_strangers(
        &self,
        request: &Request,
        paths: &Paths,
    ) -> Result<Option<String>, Failure> {
        let Some(job) = &self.job else { return Ok(None) };
        if is_of_a_later_gate(request) {
            let head = facts(request, job, paths, &self.git).await?.head;
            self.refuse_unreviewed(request, paths, &format!("the checked-out commit is {head}"), &head)
                .await?;
        }
        let on_fork = request.inputs.on_fork;
        if on_fork == OnFork::Run || matches!(request.command, Command::Version | Command::Release) {
            return Ok(None);
        }
        let facts = facts(request, job, paths, &self.git).await?;
        let found = match stranger(&facts) {
            // A commit of the main branch that the event does not name, for example a newer one.
            Some(Stranger::Head { .. }) => {
                let of_main = Reviewed::new(request, job, paths, &self.git)?.by_main(&facts.head).await?;
                stranger(&Facts { of_main, ..facts })
            }
            found => found,
        };
        found.map_or(Ok(None), |stranger| stranger.settle(on_fork))
    }
}

/// Whether a command runs a part of a later gate on the current checkout. `p2p extended-test` and `p2p prod` check
/// out a version's tag themselves.
fn is_of_a_later_gate(request: &Request) -> bool {
    let later = |target: &String| {
        Stage::of_target(target).is_some_and(|stage| stage != Stage::FastFeedback)
            || Stage::promoted_by(target) == Some(Stage::Prod)
    };
    match request.command {
        Command::Run => request.targets.iter().any(later),
        Command::Promote => stage(&request.targets).is_ok_and(|to| to == Stage::Prod),
        _ => false,
    }
}
