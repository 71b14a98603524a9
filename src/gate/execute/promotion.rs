//! The promotion: copies exactly the tested bytes to the next stage.

use std::time::Instant;

use super::conflict::There;
use super::record::{Wanted, wanted};
use super::{Execution, Message, Progress, removal};
use crate::domain::image::{ImagePath, Promoted, Tested};
use crate::gate::outcome::{Event, Status, StepResult};
use crate::gate::plan::{Promotion, Step};
use crate::gate::record::{ARTIFACT_TYPE, Kept};
use crate::inputs;
use crate::report::{Transfer, attachments, left_behind, size};
use oci::{CopyOptions, CopyReport, Digest, OnExisting, TagOrDigest};
use sys::error::{Exit, Failure};

/// An image that may be promoted.
struct Ready {
    image: Tested,
    /// Its records at the source.
    kept: Vec<Kept>,
    /// Its records at the destination, which exist if the same bytes were promoted before.
    records: Vec<Kept>,
    /// What the tag at the destination names.
    there: There,
}

impl Execution<'_> {
    /// Copies each image to the next stage, byte for byte. The records are copied before the tag is set, so every
    /// image that can be found by its tag has them.
    pub(super) async fn promote_natively(&self, promotion: &Promotion, progress: &mut Progress) -> Message {
        let images = self.promotable(promotion, progress).await?;
        if images.is_empty() {
            return Ok(Some("this module has no image, so there is none to promote".to_owned()));
        }
        let tags = [progress.plan.version.version.clone()];
        let mut messages = Vec::new();
        for Ready { image, kept, records, there } in &images {
            if let There::Kept(holds) = there {
                messages.push(self.stays(promotion, image, holds, progress)?);
                continue;
            }
            let source = promotion.source.image(&image.name).repository()?;
            let destination = promotion.destination.image(&image.name).repository()?;
            let transfer = Transfer::default();
            let options = CopyOptions {
                on_existing: match promotion.on_existing {
                    inputs::OnExisting::Keep | inputs::OnExisting::Fail => OnExisting::Fail,
                    inputs::OnExisting::Overwrite => OnExisting::Overwrite,
                },
                include_referrers: promotion.include_referrers,
                // Records are copied separately, and only those of earlier gates.
                except: vec![ARTIFACT_TYPE.to_owned()],
                listener: transfer.listener(),
                ..CopyOptions::default()
            };
            let now: &[String] = if *there == There::Same { &tags } else { &[] };
            let tested = source.digest(&image.digest);
            let work = self.edges.oci.copy(&tested, &destination, now, &options);
            let tell = |line: &str| self.notice(&format!("{}: {line}", image.name));
            let copied = transfer.logged(tell, work).await?;
            for line in attachments(&copied.attached, false) {
                self.notice(&format!("  {line}"));
            }
            if let Some(text) = left_behind(&copied.unread) {
                self.warn(progress, &format!("{}: {text}", image.name));
            }
            messages.push(summary(&image.name, &copied));
            self.record_promotion(promotion, image, (kept, records), progress).await?;
            if *there != There::Same {
                let plain = CopyOptions { on_existing: options.on_existing, ..CopyOptions::default() };
                let copied = destination.digest(&image.digest);
                self.edges.oci.copy(&copied, &destination, &tags, &plain).await?;
            }
            self.promoted(promotion, image, &tags[0], progress)?;
        }
        Ok(Some(messages.join("; ")))
    }

    /// Runs the team's own target, with the same checks before and after.
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
            let stay = self.all_stay(&target.target, promotion, &images, progress)?;
            Ok((images, stay))
        };
        let images = match Box::pin(self.unless_stopped(&step.name, clock, before)).await {
            Ok((images, None)) => images,
            Ok((_, reason)) => {
                let seconds = clock.elapsed().as_secs_f64();
                return StepResult { reason, ..StepResult::new(&step.name, Status::Passed, seconds) };
            }
            Err(result) => return result,
        };
        let result = self.alone(step, target, progress).await;
        // A signal may have prevented it from starting.
        if !matches!(result.status, Status::Passed | Status::Nothing) {
            return result;
        }
        let after = self.arrived(&target.target, promotion, &images, progress);
        match Box::pin(self.unless_stopped(&step.name, clock, after)).await {
            Ok(()) => result,
            Err(failed) => StepResult { log: result.log, ..failed },
        }
    }

    /// Reports that an image of the same commit stays at the destination.
    fn stays(
        &self,
        promotion: &Promotion,
        image: &Tested,
        holds: &Digest,
        progress: &Progress,
    ) -> Result<String, Failure> {
        let destination = promotion.destination.image(&image.name).repository()?;
        let tag = destination.tag(&progress.plan.version.version)?;
        self.notice(&format!(
            "{tag} was promoted from this commit before and stays {holds}; this run tested {}, which is not promoted \
             (`on-existing` is `keep`)",
            image.digest
        ));
        Ok(format!("{} stays as it was promoted before", image.name))
    }

    /// The message if all images stay, so that the team's target has nothing to do. The target would push all
    /// images, so it cannot run if only some of them stay.
    fn all_stay(
        &self,
        target: &str,
        promotion: &Promotion,
        images: &[Ready],
        progress: &Progress,
    ) -> Result<Option<String>, Failure> {
        let mut stay = Vec::new();
        for Ready { image, there, .. } in images {
            if let There::Kept(holds) = there {
                stay.push(self.stays(promotion, image, holds, progress)?);
            }
        }
        match stay.len() {
            0 => Ok(None),
            all if all == images.len() => Ok(Some(stay.join("; "))),
            _ => Err(Failure {
                what: format!("`{target}` would push images that must stay as they were promoted before"),
                causes: stay,
                help: Some(
                    "set `promotion: native`, which leaves those out, or `on-existing: overwrite`".to_owned(),
                ),
                exit: Exit::Failed,
            }),
        }
    }

    /// The images that may be promoted.
    async fn promotable(
        &self,
        promotion: &Promotion,
        progress: &mut Progress,
    ) -> Result<Vec<Ready>, Failure> {
        let images = self.tested(promotion, progress).await?;
        self.unmoved(promotion, &images, progress).await?;
        let (wanted, off) = (wanted(promotion, &progress.plan), promotion.record == inputs::Records::Off);
        let mut ready = Vec::new();
        for image in images {
            let source = promotion.source.image(&image.name).repository()?;
            let destination = promotion.destination.image(&image.name).repository()?;
            let kept = self.let_through(&image, &source, wanted, progress).await?;
            let there = self.destination(promotion, &image.name, &image.digest, progress).await?;
            // The same bytes may have been withdrawn at the destination.
            let records = match there {
                There::Free | There::Same if !off && source != destination => {
                    let wanted =
                        Wanted { passed: &[], spared: None, records: promotion.record, scans: false };
                    self.let_through(&image, &destination, wanted, progress).await?
                }
                _ => Vec::new(),
            };
            ready.push(Ready { image, kept, records, there });
        }
        Ok(ready)
    }

    /// Checks that the tags at the source still name the tested images.
    async fn unmoved(
        &self,
        promotion: &Promotion,
        images: &[Tested],
        progress: &Progress,
    ) -> Result<(), Failure> {
        let version = &progress.plan.version.version;
        for image in images {
            let source = promotion.source.image(&image.name).repository()?;
            let now = self.edges.oci.resolve(&source, &TagOrDigest::Tag(version.clone())).await?;
            let now = now.map(|found| found.digest);
            if now.as_ref() != Some(&image.digest) {
                return Err(differs(
                    &format!("{source}:{version} is not the image that was tested"),
                    &image.digest,
                    now.as_ref(),
                    "the tag was moved or the image built again after the tests; run the gate again on this commit",
                ));
            }
        }
        Ok(())
    }

    /// After the team's target has promoted, checks that the tags at the destination name the tested images.
    async fn arrived(
        &self,
        target: &str,
        promotion: &Promotion,
        images: &[Ready],
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let version = progress.plan.version.version.clone();
        for Ready { image, kept, records, .. } in images {
            let destination = promotion.destination.image(&image.name).repository()?;
            let now = self.edges.oci.resolve(&destination, &TagOrDigest::Tag(version.clone())).await?;
            let now = now.map(|found| found.digest);
            if now.as_ref() != Some(&image.digest) {
                let help = match &now {
                    None => format!(
                        "`{target}` ended well and pushed nothing there; it must push the tested image under just \
                         this name, as `promotion: native` does"
                    ),
                    Some(now) => format!(
                        "the promotion target must copy the tested image unchanged, as `promotion: native` does; \
                         remove the other one with `{}`",
                        removal::command(&destination, now)
                    ),
                };
                let what = format!("{destination}:{version} is not the image that was tested");
                return Err(differs(&what, &image.digest, now.as_ref(), &help));
            }
            self.record_promotion(promotion, image, (kept, records), progress).await?;
            self.promoted(promotion, image, &version, progress)?;
        }
        Ok(())
    }

    fn promoted(
        &self,
        promotion: &Promotion,
        image: &Tested,
        version: &str,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let at = |path: &ImagePath| path.image(&image.name).repository()?.tag(version);
        let promoted = Promoted {
            name: image.name.clone(),
            source: at(&promotion.source)?,
            destination: at(&promotion.destination)?,
            digest: image.digest.clone(),
        };
        self.reporter.emit(&Event::Promoted(&promoted));
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

pub(super) fn differs(what: &str, tested: &Digest, now: Option<&Digest>, help: &str) -> Failure {
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
