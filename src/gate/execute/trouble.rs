//! What the cluster says of a target that failed in it.

use jiff::Timestamp;

use super::Execution;
use crate::domain::outcome::{Status, StepResult};
use crate::gate::plan::Target;
use sys::retry::{Policy, Retrying};
use workflow_commands::neutralize;

/// Nobody waits long for help: one more try.
const ATTEMPTS: u32 = 2;

impl Execution<'_> {
    /// The result of a target, with what is wrong in its namespace where it failed there.
    pub(super) async fn explained(
        &self,
        target: &Target,
        since: Timestamp,
        result: StepResult,
    ) -> StepResult {
        let failed = matches!(result.status, Status::Failed | Status::TimedOut);
        let Some(namespace) = target.namespace.as_deref().filter(|_| failed && target.deploys) else {
            return result;
        };
        let retrying =
            Retrying { policy: Policy { attempts: ATTEMPTS, ..Policy::default() }, ..Retrying::default() };
        // None where targets get an empty kubeconfig.
        let Ok(api) = self.api(retrying) else { return result };
        let mut stop = self.stop.clone();
        let trouble = tokio::select! {
            trouble = api.trouble(namespace, since) => trouble,
            _ = stop.wait() => Vec::new(),
        };
        let clean = |line: String| neutralize(&self.masker.clean(&line)).into_owned();
        StepResult { cluster: trouble.into_iter().map(clean).collect(), ..result }
    }
}
