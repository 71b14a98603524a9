//! Whether the build pushed the images that are recorded after it. A build that pushes nothing leaves the image
//! of an earlier one under its tag, which must not be tested and promoted in its place.

use std::collections::BTreeMap;

use super::{Execution, Progress};
use crate::domain::environment::BUILD;
use crate::domain::image::{Image, ImagePath};
use crate::gate::plan::{Job, Names, Place, Plan, Step};
use oci::{Digest, Reference};
use registry::Moment;
use sys::error::{Exit, Failure};

/// What there was before the build.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The digests of the tags that existed, according to the registry.
    digests: BTreeMap<Reference, Digest>,
    /// When that was, for our own registry.
    moment: Moment,
}

/// Whether a step is the build.
pub(super) fn builds(step: &Step) -> bool {
    matches!(&step.job, Job::Target(target) if target.target == BUILD)
}

impl Execution<'_> {
    /// Looks at the tags that the build will push.
    pub(super) async fn look_before(&self, progress: &mut Progress) {
        let mut before = Before::default();
        if let Some(pushes) = &self.edges.pushes {
            before.moment = pushes.now();
        } else if let Some(path) = recorded_at(&progress.plan).cloned() {
            // A Makefile may know the names only after the build. Nothing is known about those images.
            let names = match &progress.plan.images.names {
                Names::Names(names) => names.clone(),
                Names::PrintedBy(_) => self.image_names(progress).await.unwrap_or_default(),
            };
            for name in names {
                let Ok(repository) = path.image(&name).repository() else { continue };
                let Ok(reference) = repository.tag(&progress.plan.version.version) else { continue };
                // A registry that does not answer now will say so when it is asked for the image itself.
                if let Ok(Some(found)) = self.edges.oci.resolve(&repository, &reference.which()).await {
                    before.digests.insert(reference, found.digest);
                }
            }
        }
        progress.before = Some(before);
    }

    /// The tags that were pushed to our own registry since the build began; nothing where it is another's. A
    /// client that finds the same bytes under the tag need not push them again.
    pub(super) fn pushed_here(&self, progress: &Progress) -> Option<Vec<String>> {
        let before = progress.before.as_ref()?;
        Some(self.edges.pushes.as_ref()?.since(&before.moment))
    }

    /// Whether an image is the one that this build pushed.
    ///
    /// # Errors
    /// Where it is known to be another's.
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

    /// The commit that the records of an image name, where they name another one than this run's.
    async fn other_commit(&self, image: &Image, progress: &Progress) -> Result<Option<String>, Failure> {
        let plan = &progress.plan;
        let promoted_to = plan.steps.iter().find_map(|step| match &step.job {
            Job::Promote(promotion) => Some(&promotion.destination),
            _ => None,
        });
        let mut commits = Vec::new();
        for place in recorded_at(plan).into_iter().chain(promoted_to) {
            let repository = place.image(&image.name).repository()?;
            // Without its records nothing is known of an image.
            let kept = self.edges.ledger.read(&repository, &image.digest).await.unwrap_or_default();
            let records = kept.into_iter().filter_map(|kept| kept.record.ok().flatten());
            let records = records.filter(|record| record.version.as_ref() == Some(&plan.version.version));
            commits.extend(records.filter_map(|record| record.by.commit));
        }
        let ours = commits.iter().any(|commit| plan.commit() == Some(commit));
        Ok(commits.into_iter().next().filter(|_| !ours))
    }
}

/// Where the images of the build are recorded.
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
