//! Why a target failed: the diagnostics of the cluster, if it deploys.

use jiff::Timestamp;

use super::Execution;
use super::target::{Beside, Ran};
use crate::gate::plan::{Step, Target};
use sys::error::Failure;
use sys::retry::{Policy, Retrying};
use workflow_commands::neutralize;

/// Two attempts: diagnostics must not keep the user waiting.
const ATTEMPTS: u32 = 2;

impl Execution<'_> {
    /// Runs a target, and finds out why it failed if it did.
    pub(super) async fn diagnosed(
        &self,
        step: &Step,
        target: &Target,
        beside: Beside<'_>,
        began: Timestamp,
    ) -> Result<Option<Ran>, Failure> {
        let mut ran = self.target(step, target, beside).await?;
        if let Some(ran) = ran.as_mut().filter(|ran| ran.failed()) {
            ran.cluster = self.cluster_of(target, began).await;
        }
        Ok(ran)
    }

    /// The diagnostics of the namespace of a target that deploys.
    async fn cluster_of(&self, target: &Target, since: Timestamp) -> Vec<String> {
        let Some(namespace) = target.namespace.as_deref().filter(|_| target.deploys) else {
            return Vec::new();
        };
        let retrying =
            Retrying { policy: Policy { attempts: ATTEMPTS, ..Policy::default() }, ..Retrying::default() };
        // There is no cluster to ask where targets get an empty kubeconfig.
        let Ok(api) = self.api(retrying) else { return Vec::new() };
        let mut stop = self.stop.clone();
        let lines = tokio::select! {
            lines = api.diagnostics(namespace, since) => lines,
            _ = stop.wait() => Vec::new(),
        };
        lines.into_iter().map(|line| neutralize(&self.masker.clean(&line)).into_owned()).collect()
    }
}
