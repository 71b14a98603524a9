//! The promotion: the tested bytes go to the next stage, and nothing else does.

use super::images::parse;
use super::{Execution, Progress, Said};
use crate::error::{Exit, Failure};
use crate::oci::{CopyOptions, CopyReport, Digest, Listener, Which};
use crate::outcome::{Event, Image, Promoted, StepResult};
use crate::plan::{Promotion, Step};
use crate::report::size;

impl Execution<'_> {
    /// Copies each image to the next stage, byte for byte.
    pub(super) async fn promote_natively(&self, promotion: &Promotion, progress: &mut Progress) -> Said {
        let images = self.tested(promotion, progress).await?;
        self.unmoved(promotion, &images, progress).await?;
        let version = progress.plan.version.version.clone();
        let mut said = Vec::new();
        for image in &images {
            let source = parse(&format!("{}/{}", promotion.source, image.name))?;
            let destination = parse(&format!("{}/{}", promotion.destination, image.name))?;
            let digest: Digest = image.digest.parse()?;
            let options = CopyOptions { listener: Listener::default(), ..CopyOptions::default() };
            let copied = self
                .edges
                .oci
                .copy(&source, &digest, &destination, std::slice::from_ref(&version), &options)
                .await?;
            said.push(summary(&image.name, &copied));
            self.promoted(promotion, image, &version, progress)?;
        }
        Ok(Some(said.join("; ")))
    }

    /// Lets the team's own target promote, with the same checks before and after.
    pub(super) async fn promote_by_make(
        &self,
        step: &Step,
        promotion: &Promotion,
        progress: &mut Progress,
    ) -> StepResult {
        let Some(target) = &promotion.by else {
            return self.own(&step.job, &step.name, progress).await;
        };
        let images = match self.tested(promotion, progress).await {
            Ok(images) => images,
            Err(failure) => return StepResult::failed(&step.name, 0.0, failure),
        };
        if let Err(failure) = self.unmoved(promotion, &images, progress).await {
            return StepResult::failed(&step.name, 0.0, failure);
        }
        let result = self.alone(step, target, progress).await;
        if !result.status.passes() {
            return result;
        }
        match self.arrived(promotion, &images, progress).await {
            Ok(()) => result,
            Err(failure) => {
                StepResult { log: result.log, ..StepResult::failed(&step.name, result.seconds, failure) }
            }
        }
    }

    /// The tags at the source still name what was tested.
    async fn unmoved(
        &self,
        promotion: &Promotion,
        images: &[Image],
        progress: &Progress,
    ) -> Result<(), Failure> {
        let version = &progress.plan.version.version;
        for image in images {
            let source = parse(&format!("{}/{}", promotion.source, image.name))?;
            let now = self.edges.oci.resolve(&source, &Which::Tag(version.clone())).await?;
            let now = now.map(|found| found.digest.to_string());
            if now.as_deref() != Some(&*image.digest) {
                return Err(differs(
                    &format!("{source}:{version} is not the image that was tested"),
                    &image.digest,
                    now.as_deref(),
                    "the tag was moved or the image built again after the tests; run the gate again on this commit",
                ));
            }
        }
        Ok(())
    }

    /// The tags at the destination name what was tested.
    async fn arrived(
        &self,
        promotion: &Promotion,
        images: &[Image],
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let version = progress.plan.version.version.clone();
        for image in images {
            let destination = parse(&format!("{}/{}", promotion.destination, image.name))?;
            let now = self.edges.oci.resolve(&destination, &Which::Tag(version.clone())).await?;
            let now = now.map(|found| found.digest.to_string());
            if now.as_deref() != Some(&*image.digest) {
                return Err(differs(
                    &format!("{destination}:{version} is not the image that was tested"),
                    &image.digest,
                    now.as_deref(),
                    "the promotion target must copy the tested image unchanged, as `promotion: native` does; \
                     remove the other one from there before the next stage takes it",
                ));
            }
            self.promoted(promotion, image, &version, progress)?;
        }
        Ok(())
    }

    fn promoted(
        &self,
        promotion: &Promotion,
        image: &Image,
        version: &str,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let at = |place: &str| -> Result<String, Failure> {
            Ok(parse(&format!("{place}/{}", image.name))?.tag(version)?.to_string())
        };
        let promoted = Promoted {
            name: image.name.clone(),
            source: at(&promotion.source)?,
            destination: at(&promotion.destination)?,
            digest: image.digest.clone(),
        };
        self.reporter.tell(&Event::Promoted(&promoted));
        progress.promoted.push(promoted);
        Ok(())
    }
}

fn summary(name: &str, copied: &CopyReport) -> String {
    if copied.unchanged {
        return format!("{name} was there already");
    }
    let tallies =
        [(&copied.moved, "transferred"), (&copied.mounted, "mounted"), (&copied.skipped, "there already")];
    let blobs: Vec<_> = tallies
        .into_iter()
        .filter(|(tally, _)| tally.blobs > 0)
        .map(|(tally, how)| format!("{} {how} ({})", tally.blobs, size(tally.bytes)))
        .collect();
    match blobs.as_slice() {
        [] => format!("{name} copied"),
        blobs => format!("{name} copied, its blobs: {}", blobs.join(", ")),
    }
}

fn differs(what: &str, tested: &str, now: Option<&str>, help: &str) -> Failure {
    Failure {
        what: what.to_owned(),
        causes: vec![match now {
            Some(now) => format!("{tested} was tested, and this is {now}"),
            None => format!("{tested} was tested, and there is no such tag"),
        }],
        help: Some(help.to_owned()),
        exit: Exit::Failed,
    }
}
