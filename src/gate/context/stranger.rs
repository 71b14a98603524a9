//! Whether the checked-out code may be a stranger's: settled before make, git's hooks or any other program
//! reads it.

use super::reviewed::Reviewed;
use super::versions::facts;
use super::{Host, Paths, Request};
use crate::gate::plan::{Facts, Stranger, stranger};
use crate::inputs::{Command, OnFork};
use sys::error::Failure;

impl Host<'_> {
    /// Applies the rule of the input `on-fork`: gives the reason for which everything is skipped, if it is.
    /// `version` and `release` read nothing of the repository but its commits.
    ///
    /// # Errors
    /// Where a stranger's code is to fail, and where it is not known whose it is.
    pub(crate) async fn refuse_strangers(
        &self,
        request: &Request,
        paths: &Paths,
    ) -> Result<Option<String>, Failure> {
        let Some(job) = &self.job else { return Ok(None) };
        let on_fork = request.inputs.on_fork;
        if on_fork == OnFork::Run || matches!(request.command, Command::Version | Command::Release) {
            return Ok(None);
        }
        let facts = facts(request, job, paths, &self.git).await?;
        let found = match stranger(&facts) {
            // A commit of the main branch that the event does not name, such as a newer one.
            Some(Stranger::Head { .. }) => {
                let of_main = Reviewed::new(request, job, paths, &self.git)?.by_main(&facts.head).await?;
                stranger(&Facts { of_main, ..facts })
            }
            found => found,
        };
        found.map_or(Ok(None), |stranger| stranger.settle(on_fork))
    }
}
