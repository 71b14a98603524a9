//! Tells the organization on GitHub where the images of a run are stored and where they run.

use super::{Execution, Progress};
use crate::domain::environment::{Key, PROD, Stage};
use crate::edges::github::{LinkedArtifact, LinkedImage};
use crate::gate::outcome::{Status, StepResult};
use crate::gate::plan::Step;

impl Execution<'_> {
    /// If that fails, a notice says so.
    pub(super) async fn link(&self, progress: &Progress) {
        let Some(github) = &self.edges.linked else { return };
        let artifacts: Vec<_> = stored(progress).chain(deployed(progress)).collect();
        if artifacts.is_empty() {
            return;
        }
        if let Err(why) = github.link(&artifacts).await {
            self.notice(&why);
        }
    }
}

/// The places that this run promoted images to.
fn stored(progress: &Progress) -> impl Iterator<Item = LinkedArtifact> {
    progress.promoted.iter().map(|promoted| {
        let repository = &promoted.destination.repository;
        LinkedArtifact::Stored {
            image: linked(&promoted.name, promoted.digest.as_str(), progress),
            registry_url: format!("https://{}", repository.registry()),
            repository: repository.name().to_owned(),
        }
    })
}

/// What the target `p2p-prod` deployed. Other targets deploy only for tests.
fn deployed(progress: &Progress) -> impl Iterator<Item = LinkedArtifact> {
    let values = &progress.plan.environment;
    let ran = |step: &StepResult| step.target.as_deref() == Some(PROD) && step.status == Status::Passed;
    let images = if progress.steps.iter().any(ran) { progress.images() } else { Vec::new() };
    let environment = values.environment.as_ref().map_or(Stage::Prod.word(), |name| name.text.as_str());
    let target = progress.plan.steps.iter().filter_map(Step::target).find(|target| target.target == PROD);
    let namespace = target.and_then(|target| target.namespace.as_deref());
    let namespace = namespace.map(|namespace| format!("{namespace}-")).unwrap_or_default();
    images.into_iter().map(move |image| LinkedArtifact::Deployed {
        image: linked(&image.name, image.digest.as_str(), progress),
        logical_environment: environment.to_owned(),
        cluster: values.text(Key::ClusterName).map(str::to_owned),
        deployment_name: format!("{namespace}{}", image.name),
    })
}

fn linked(name: &str, digest: &str, progress: &Progress) -> LinkedImage {
    let version = progress.version().version.clone();
    LinkedImage { name: name.to_owned(), digest: digest.to_owned(), version }
}
