//! Checks that the build pushed the images that are recorded after it. A build that pushes nothing leaves an earlier
//! image under its tag, and p2p must not test and promote that one.

use std::collections::BTreeMap;

use super::{Execution, Progress};
use crate::domain::environment::BUILD;
use crate::domain::image::{Image, ImagePath};
use crate::gate::plan::{Job, Names, Place, Plan, Step};
use crate::gate::record::NotRead;
use oci::{Digest, Reference};
use registry::Moment;
use sys::error::{Exit, Failure};

/// The tags before the build.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The digests of the tags that existed, according to the registry.
    digests: BTreeMap<Reference, Digest>,
    /// The moment before the build, for the embedded registry.
    moment: Moment,
}

/// Whether a step is the build.
pub(super) fn builds(step: &Step) -> bool {
    matches!(&step.job, Job::Target(target) if target.target == BUILD)
}

impl Execution<'_> {
    /// Reads the tags that the build will push.
    pub(super) async fn look_before(&self, progress: &mut Progress) {
        let mut before = Before::default();
        if let Some(pushes) = &self.edges.pushes {
            before.moment = pushes.now();
        } else if let Some(path) = recorded_at(&progress.plan).cloned() {
            // Some Makefiles know the names only after the build. Nothing is known about these images.
            let names = match &progress.plan.images.names {
                Names::Names(names) => names.clone(),
                Names::PrintedBy(_) => self.image_names(progress).await.unwrap_or_default(),
            };
            for name in names {
                let Ok(repository) = path.image(&name).repository() else { continue };
                let Ok(reference) = repository.tag(&progress.plan.version.version) else { continue };
                // If the registry does not answer now, the step that reads the image reports it.
                if let Ok(Some(found)) = self.edges.oci.resolve(&repository, &reference.which()).await {
                    before.digests.insert(reference, found.digest);
                }
            }
        }
        progress.before = Some(before);
    }

    /// The tags that were pushed to the embedded registry since the build began. `None` for another registry. A
    /// client need not push bytes again that the tag names already.
    pub(super) fn pushed_here(&self, progress: &Progress) -> Option<Vec<String>> {
        let before = progress.before.as_ref()?;
        Some(self.edges.pushes.as_ref()?.since(&before.moment))
    }

    /// Whether this build pushed an image.
    ///
    /// # Errors
    /// If the image is known to come from another build.
    pub(super) async fn pushed(
        &self,
        image: &Image,
        pushed_here: Option<&[String]>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        if let Some(tags) = pushed_here {
            let tag = format!("{}:{}", image.reference.repository.name(), progress.plan.version.version);
            return if tags.contains(&tag) { Ok(()) } else { Err(of_an_earlier_run(image)) };
        }
        let before = progress.before.as_ref().and_then(|before| before.digests.get(&image.reference));
        if before != Some(&image.digest) {
            return Ok(());
        }
        if self.run_context.place == Place::Github
            && let Some(commit) = self.other_commit(image, progress).await?
        {
            return Err(of_another_commit(image, &commit));
        }
        self.warn(
            progress,
            &format!(
                "{} had the digest {} before the build: p2p-build pushed the same image again, or it pushed none and \
                 this is an earlier build's",
                image.reference, image.digest
            ),
        );
        Ok(())
    }

    /// The commit in the records of an image, if it is not the commit of this run.
    async fn other_commit(&self, image: &Image, progress: &Progress) -> Result<Option<String>, Failure> {
        let plan = &progress.plan;
        let promoted_to = plan.steps.iter().find_map(|step| match &step.job {
            Job::Promote(promotion) => Some(&promotion.destination),
            _ => None,
        });
        let mut commits = Vec::new();
        for place in recorded_at(plan).into_iter().chain(promoted_to) {
            let repository = place.image(&image.name).repository()?;
            let kept = match self.edges.ledger.read(&repository, &image.digest).await {
                Err(NotRead::TooMany(failure)) => return Err(failure),
                // Without its records, nothing is known about an image.
                kept => kept.unwrap_or_default(),
            };
            let records = kept.into_iter().filter_map(|kept| kept.record.ok().flatten());
            let records = records.filter(|record| record.version.as_ref() == Some(&plan.version.version));
            commits.extend(records.filter_map(|record| record.by.commit));
        }
        let ours = commits.iter().any(|commit| plan.commit() == Some(commit));
        Ok(commits.into_iter().next().filter(|_| !ours))
    }
}

/// The registry path where the images of the build are recorded.
fn recorded_at(plan: &Plan) -> Option<&ImagePath> {
    plan.steps.iter().find_map(|step| match &step.job {
        Job::Images { repository, earlier, .. } if earlier.is_empty() => Some(repository),
        _ => None,
    })
}

fn of_an_earlier_run(image: &Image) -> Failure {
    Failure {
        what: format!("p2p-build did not push {}: the image of that name is an earlier run's", image.reference),
        causes: Vec::new(),
        help: Some(
            "let `p2p-build` push the image in each run, also where nothing has changed; it is not tested in its place"
                .to_owned(),
        ),
        exit: Exit::Failed,
    }
}

fn of_another_commit(image: &Image, commit: &str) -> Failure {
    Failure {
        what: format!(
            "p2p-build did not push {}: the image there is that of another commit",
            image.reference
        ),
        causes: vec![format!(
            "its record names the commit {commit}, and its digest is as it was before the build"
        )],
        help: Some(
            "let `p2p-build` push the image, and give each commit a `version` of its own; nothing was tested"
                .to_owned(),
        ),
        exit: Exit::Failed,
    }
}
