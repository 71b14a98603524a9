//! Diagnostics of the cluster for a target that failed in it.

use jiff::Timestamp;

use super::Execution;
use crate::gate::outcome::{Status, StepResult};
use crate::gate::plan::Target;
use sys::retry::{Policy, Retrying};
use workflow_commands::neutralize;

/// Two attempts: diagnostics must not keep the user waiting.
const ATTEMPTS: u32 = 2;

impl Execution<'_> {
    /// The result of a target; if the target deploys and failed, with the diagnostics of its namespace.
    pub(super) async fn with_diagnostics(
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
        // There is no cluster to ask where targets get an empty kubeconfig.
        let Ok(api) = self.api(retrying) else { return result };
        let mut stop = self.stop.clone();
        let lines = tokio::select! {
            lines = api.diagnostics(namespace, since) => lines,
            _ = stop.wait() => Vec::new(),
        };
        let clean = |line: String| neutralize(&self.masker.clean(&line)).into_owned();
        StepResult { cluster: lines.into_iter().map(clean).collect(), ..result }
    }
}
