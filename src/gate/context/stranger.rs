//! Whether the checked-out code may be a stranger's: settled before make, git's hooks or any other program
//! reads it.

use super::reviewed::Reviewed;
use super::versions::facts;
use super::{Job, Paths, Request};
use crate::edges::git::Git;
use crate::gate::plan::{Facts, Stranger, stranger};
use crate::inputs::{Command, OnFork};
use sys::error::Failure;

/// Applies the rule of the input `on-fork`. `version` and `release` read nothing of the repository but its
/// commits.
///
/// # Errors
/// Where a stranger's code is to fail, and where it is not known whose it is.
pub async fn refuse_strangers(
    request: &mut Request,
    job: Option<&Job>,
    paths: &Paths,
    git: &Git,
) -> Result<(), Failure> {
    let Some(job) = job else { return Ok(()) };
    let inputs = &request.inputs;
    if inputs.on_fork == OnFork::Run || matches!(request.command, Command::Version | Command::Release) {
        return Ok(());
    }
    let facts = facts(request, job, paths, git).await?;
    let found = match stranger(&facts) {
        // A commit of the main branch that the event does not name, such as a newer one.
        Some(Stranger::Head { .. }) => {
            let of_main = Reviewed::new(request, job, paths, git)?.by_main(&facts.head).await?;
            stranger(&Facts { of_main, ..facts })
        }
        found => found,
    };
    if let Some(stranger) = found {
        request.skipped = stranger.settle(inputs.on_fork)?;
    }
    Ok(())
}
