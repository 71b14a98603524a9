//! The promotion: the tested bytes go to the next stage, and nothing else does.

use std::time::Instant;

use super::images::parse;
use super::record::earlier;
use super::{Execution, Progress, Said};
use crate::error::{Exit, Failure};
use crate::inputs;
use crate::oci::{CopyOptions, CopyReport, Digest, OciError, OnExisting, Which};
use crate::outcome::{Event, Image, Promoted, Status, StepResult};
use crate::plan::{Promotion, Step};
use crate::report::{Transfer, attachments, left_behind, size};

impl Execution<'_> {
    /// Copies each image to the next stage, byte for byte.
    pub(super) async fn promote_natively(&self, promotion: &Promotion, progress: &mut Progress) -> Said {
        let images = self.promotable(promotion, progress).await?;
        if images.is_empty() {
            return Ok(Some("this module has no image, so there is none to promote".to_owned()));
        }
        let version = progress.plan.version.version.clone();
        let mut said = Vec::new();
        for image in &images {
            let source = parse(&format!("{}/{}", promotion.source, image.name))?;
            let destination = parse(&format!("{}/{}", promotion.destination, image.name))?;
            let digest: Digest = image.digest.parse()?;
            let transfer = Transfer::default();
            let options = CopyOptions {
                on_existing: match promotion.on_existing {
                    inputs::OnExisting::Fail => OnExisting::Fail,
                    inputs::OnExisting::Overwrite => OnExisting::Overwrite,
                },
                include_referrers: promotion.include_referrers,
                listener: transfer.listener(),
                ..CopyOptions::default()
            };
            let tags = std::slice::from_ref(&version);
            let work = self.edges.oci.copy(&source, &digest, &destination, tags, &options);
            let tell = |line: &str| self.notice(&format!("{}: {line}", image.name));
            let copied = transfer.logged(tell, work).await?;
            for line in attachments(&copied.attached, false) {
                self.notice(&format!("  {line}"));
            }
            if let Some(text) = left_behind(&copied.unread) {
                self.warn(progress, &format!("{}: {text}", image.name));
            }
            said.push(summary(&image.name, &copied));
            self.record_promotion(promotion, image, !promotion.include_referrers, progress).await;
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
        let clock = Instant::now();
        let before = async {
            let images = self.promotable(promotion, progress).await?;
            self.free(promotion, &images, progress).await?;
            Ok(images)
        };
        let images = match self.unless_stopped(&step.name, clock, before).await {
            Ok(images) => images,
            Err(result) => return result,
        };
        let result = self.alone(step, target, progress).await;
        // A signal may have kept it from beginning.
        if !matches!(result.status, Status::Passed | Status::Nothing) {
            return result;
        }
        let after = self.arrived(&target.target, promotion, &images, progress);
        match self.unless_stopped(&step.name, clock, after).await {
            Ok(()) => result,
            Err(failed) => StepResult { log: result.log, ..failed },
        }
    }

    /// The images that may be promoted.
    async fn promotable(
        &self,
        promotion: &Promotion,
        progress: &mut Progress,
    ) -> Result<Vec<Image>, Failure> {
        let images = self.tested(promotion, progress).await?;
        self.unmoved(promotion, &images, progress).await?;
        // Where one that is missing is a warning, it is given with the record of this promotion.
        if promotion.record == inputs::Records::Required {
            let (from, earlier) = (&promotion.source, earlier(promotion.stage));
            self.let_through(&images, from, earlier, promotion.record, progress).await?;
        }
        Ok(images)
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

    /// The tags at the destination name what was tested, now that a target of the team's has promoted.
    async fn arrived(
        &self,
        target: &str,
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
                let help = match now {
                    None => format!(
                        "`{target}` ended well and pushed nothing there; it must push the tested image under just \
                         this name, as `promotion: native` does"
                    ),
                    Some(_) => {
                        "the promotion target must copy the tested image unchanged, as `promotion: native` \
                                does; remove the other one from there before the next stage takes it"
                            .to_owned()
                    }
                };
                let what = format!("{destination}:{version} is not the image that was tested");
                return Err(differs(&what, &image.digest, now.as_deref(), &help));
            }
            self.record_promotion(promotion, image, true, progress).await;
            self.promoted(promotion, image, &version, progress)?;
        }
        Ok(())
    }

    /// No tag at the destination names another image, unless that is allowed.
    async fn free(
        &self,
        promotion: &Promotion,
        images: &[Image],
        progress: &Progress,
    ) -> Result<(), Failure> {
        if promotion.on_existing == inputs::OnExisting::Overwrite {
            return Ok(());
        }
        let version = &progress.plan.version.version;
        for image in images {
            let destination = parse(&format!("{}/{}", promotion.destination, image.name))?;
            let reference = destination.tag(version)?;
            let wanted: Digest = image.digest.parse()?;
            let there = self.edges.oci.resolve(&destination, &reference.which()).await?;
            if let Some(holds) = there.map(|found| found.digest).filter(|holds| *holds != wanted) {
                return Err(OciError::Taken { reference: Box::new(reference), holds, wanted }.into());
            }
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

pub(super) fn differs(what: &str, tested: &str, now: Option<&str>, help: &str) -> Failure {
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
