//! The step `images`: finds the images that the build pushed and records their digests.

use super::private::Private;
use super::promotion::differs;
use super::{Execution, Message, Progress};
use crate::domain::environment::Stage;
use crate::domain::image::{Image, ImagePath, Tested};
use crate::edges::make;
use crate::gate::outcome::{Event, StepResult};
use crate::gate::plan::{Action, Job, Names, Place, Plan, Promotion, Step};
use crate::inputs::Command;
use oci::{Reference, Repository, TagOrDigest};
use sys::error::{Exit, Failure};

impl Execution<'_> {
    /// Finds the digest of each image in the registry and records it. Only these digests are promoted.
    pub(super) async fn record(&self, path: &ImagePath, required: bool, progress: &mut Progress) -> Message {
        let version = progress.plan.version.version.clone();
        let pushed = self.pushed_here(progress);
        let names = self.image_names(progress).await?;
        let mut absent = Vec::new();
        for name in &names {
            let repository = path.image(name).repository()?;
            let reference = repository.tag(&version)?;
            match self.edges.oci.resolve(&repository, &TagOrDigest::Tag(version.clone())).await {
                Ok(Some(found)) => {
                    let (client, digest) = (self.edges.oci.clone(), found.digest.clone());
                    let size = tokio::spawn(async move { client.size(&repository, &digest).await });
                    let image = Image { name: name.clone(), reference, digest: found.digest, size: None };
                    self.pushed(&image, pushed.as_deref(), progress).await?;
                    self.reporter.emit(&Event::Recorded(&image));
                    progress.images.push(image);
                    progress.sizes.push(size);
                }
                Ok(None) => absent.push((repository, reference)),
                // A scan that does not know of an image is not complete.
                Err(error) if required || progress.plan.command == Command::Scan => return Err(error.into()),
                Err(error) => {
                    self.warn(progress, &format!("the image {reference} could not be looked up: {error}"));
                }
            }
        }
        let listed = !names.is_empty() || progress.plan.images.has_no_names();
        let none = if listed {
            self.missing(&absent, required, progress).await?
        } else {
            Some("`p2p-images` names none, so this module has no image".to_owned())
        };
        let images = progress.images.len();
        let message = format!("{images} image{} recorded", if images == 1 { "" } else { "s" });
        Ok(Some(none.map_or(message.clone(), |none| format!("{message}: {none}"))))
    }

    /// Decides about images that are missing in the registry: either there is a valid reason, or each one gets a
    /// warning.
    async fn missing(
        &self,
        absent: &[(Repository, Reference)],
        required: bool,
        progress: &mut Progress,
    ) -> Result<Option<String>, Failure> {
        let Some((_, first)) = absent.first() else { return Ok(None) };
        let mut by_default = progress.plan.images.by_default && progress.images.is_empty();
        for (repository, _) in absent {
            // An image that already has a version belongs to this module.
            by_default = by_default && !self.holds_versions(repository).await;
        }
        if by_default {
            return Ok(Some(format!(
                "there is none at {first}, and only the default list of an include names it, so this module has no image"
            )));
        }
        if required {
            return Err(self::absent(&progress.plan, &first.to_string()));
        }
        for (_, reference) in absent {
            let text = format!(
                "the image {reference} is not in the registry; set `image-names` if it has another name"
            );
            self.warn(progress, &text);
        }
        Ok(None)
    }

    /// Whether a repository has any tag, according to its registry.
    async fn holds_versions(&self, repository: &Repository) -> bool {
        let tags = self.edges.oci.tags(repository).await;
        tags.is_ok_and(|tags| tags.is_some_and(|tags| !tags.is_empty()))
    }

    /// The names of the images. Asks the Makefile if the plan says so.
    pub(super) async fn image_names(&self, progress: &Progress) -> Result<Vec<String>, Failure> {
        let target = match &progress.plan.images.names {
            Names::Names(names) => return Ok(names.clone()),
            Names::PrintedBy(target) => target,
        };
        let directory = &self.run_context.paths.directory;
        self.run_context.restore_credentials()?;
        let private = Private::make(self, target, false).await?;
        let spec = self.spec(target, &private, directory, &self.run_context.paths.workspace);
        let assignments: Vec<_> = target.assignments().collect();
        Ok(make::images(directory, &spec.env, &assignments, &self.run_context.paths.temp).await?)
    }

    /// Checks that the tags still name the recorded images. A test of other bytes would prove nothing about them.
    /// Right after the recording there is nothing to check.
    pub(super) async fn look_again(&self, running: &[&Step], progress: &mut Progress) -> Result<(), Failure> {
        let tests = running.iter().any(|step| matches!(step.job, Job::Target(_)));
        let last = progress.steps.len().checked_sub(1).and_then(|last| progress.plan.steps.get(last));
        let just_recorded = last.is_some_and(|step| matches!(step.job, Job::Images { .. }));
        if !tests || just_recorded {
            return Ok(());
        }
        self.compare(progress).await
    }

    /// The result of a later gate's last target, which may deploy by tag. It fails if the tag no longer names the
    /// recorded image and no later step would notice.
    pub(super) async fn last_result(
        &self,
        step: &Step,
        result: StepResult,
        progress: &mut Progress,
    ) -> StepResult {
        let steps = &progress.plan.steps;
        let later = |step: &Step| matches!(&step.job, Job::Images { earlier, .. } if !earlier.is_empty());
        let looks =
            |step: &Step| step.action == Action::Run && matches!(step.job, Job::Target(_) | Job::Promote(_));
        let last = !steps.iter().skip_while(|other| other.name != step.name).skip(1).any(looks);
        if !result.status.passes() || !last || !steps.iter().any(later) {
            return result;
        }
        match self.compare(progress).await {
            Ok(()) => result,
            Err(failure) => StepResult::failed(&step.name, result.seconds, failure),
        }
    }

    /// Returns an error if an image's tag no longer names the recorded digest.
    async fn compare(&self, progress: &mut Progress) -> Result<(), Failure> {
        for image in progress.images.clone() {
            let reference = &image.reference;
            match self.edges.oci.resolve(&reference.repository, &reference.which()).await {
                Ok(now) => {
                    let now = now.map(|found| found.digest);
                    if now.as_ref() != Some(&image.digest) {
                        return Err(differs(
                            &format!("{reference} is no longer the image that was recorded"),
                            &image.digest,
                            now.as_ref(),
                            "a target or another run pushed to this tag; let only `p2p-build` push, and run the gate again",
                        ));
                    }
                }
                // The promotion checks the tag again.
                Err(error) => {
                    self.warn(progress, &format!("{reference} could not be looked at again: {error}"));
                }
            }
        }
        Ok(())
    }

    /// The images to promote: those recorded in this run, else those of an earlier job, else those that the tags
    /// name now. They may be empty only if the team's own target promotes.
    pub(super) async fn tested(
        &self,
        promotion: &Promotion,
        progress: &mut Progress,
    ) -> Result<Vec<Tested>, Failure> {
        let native = promotion.by.is_none();
        let recorded = progress.plan.steps.iter().any(|step| {
            matches!(step.job, Job::Images { .. }) && progress.steps.iter().any(|done| done.name == step.name)
        });
        // If an earlier job passed on images, only these count, even if there are none. The tags may name other
        // images now.
        let images = &progress.plan.images;
        let handed_over = images.handed_over || !images.recorded.is_empty();
        let missing_app_name = progress.plan.images.has_no_names();
        if progress.images.is_empty() && !handed_over && !recorded && !missing_app_name {
            self.warn(
                progress,
                "no digests were recorded in this run or given by the input `images`: what the tags name now is \
                 promoted, and its record says of no gate that it was passed",
            );
            let required = native || progress.plan.images.required;
            self.record(&promotion.source, required, progress).await?;
        }
        let images = progress.images();
        if images.is_empty() && self.has_no_image(progress).await? {
            return Ok(images);
        }
        match (images.is_empty(), native) {
            (true, true) => Err(nothing_to_promote()),
            // The plan contains this warning already.
            (true, false) if missing_app_name => Ok(images),
            (true, false) => {
                self.warn(
                    progress,
                    "no image is known by its digest, so what the promotion target does is not checked",
                );
                Ok(images)
            }
            (false, _) => Ok(images),
        }
    }

    /// Whether a module without a recorded image really has none: its list is empty, or comes from an include by
    /// default.
    async fn has_no_image(&self, progress: &Progress) -> Result<bool, Failure> {
        let images = &progress.plan.images;
        Ok(images.by_default || !images.has_no_names() && self.image_names(progress).await?.is_empty())
    }
}

/// Checks that each image of a later gate is the one that an earlier job recorded, or that this run recorded in the
/// first of several environments.
pub(super) fn unchanged(progress: &Progress) -> Result<(), Failure> {
    let images = &progress.plan.images;
    let (which, help) = if images.handed_over {
        (
            "that the input `images` names",
            "the tag was moved after the earlier gate; run that gate again, or leave `images` out",
        )
    } else {
        (
            "of the first environment",
            "one version is one image in all environments of a gate: promote it from the gate before to each of them",
        )
    };
    for image in &progress.images {
        let recorded = images.recorded.iter().find(|recorded| recorded.name == image.name);
        if let Some(recorded) = recorded.filter(|recorded| recorded.digest != image.digest) {
            return Err(differs(
                &format!("{} is not the image {which}", image.reference),
                &recorded.digest,
                Some(&image.digest),
                help,
            ));
        }
    }
    Ok(())
}

fn nothing_to_promote() -> Failure {
    Failure {
        what: "there is no image to promote".to_owned(),
        causes: Vec::new(),
        help: Some(
            "name the images by `image-names`, or let the target `p2p-images` print their names".to_owned(),
        ),
        exit: Exit::Failed,
    }
}

/// The gate whose promotion put the images here. `None` if the build put them here.
fn before(plan: &Plan) -> Option<&'static str> {
    let promoted = plan.steps.iter().find_map(|step| match &step.job {
        Job::Promote(promotion) => promotion.stage.earlier().last(),
        _ => None,
    });
    let read = match plan.command {
        Command::Prod => Stage::Prod,
        Command::ExtendedTest => Stage::ExtendedTest,
        Command::Promote => *promoted?,
        _ => return None,
    };
    read.earlier().last().map(|stage| stage.word())
}

/// The error for a required image that is missing.
fn absent(plan: &Plan, reference: &str) -> Failure {
    let first = match (before(plan), plan.place) {
        (None, _) => "`p2p-build` must push it under just this name".to_owned(),
        (Some(gate), Place::Local) => format!("run `p2p {gate}` first, which promotes it there"),
        (Some(gate), Place::Github) => {
            format!("`{gate}` must have promoted this version first; `version` names another")
        }
    };
    Failure {
        what: format!("the image {reference} is not in the registry"),
        causes: Vec::new(),
        help: Some(format!(
            "{first}; `image-names` or the target `p2p-images` says what the images are called"
        )),
        exit: Exit::Failed,
    }
}
