//! The promotion record: what this run can say of an image goes along with it. It informs, so
//! whatever goes wrong with it is a warning.

use std::time::Duration;

use super::images::parse;
use super::{Execution, Progress};
use crate::environment::Stage;
use crate::error::{Exit, Failure};
use crate::inputs::{Command, Records};
use crate::oci::Digest;
use crate::outcome::{Image, StepResult};
use crate::plan::{Place, Promotion};
use crate::record::{self, Passed, Record, StepTook, UNSIGNED};

impl Execution<'_> {
    /// Attaches the record of a promotion to the image at its destination. Those of earlier stages
    /// come along where the copy did not bring them (`carry`).
    pub(super) async fn record_promotion(
        &self,
        promotion: &Promotion,
        image: &Image,
        carry: bool,
        progress: &mut Progress,
    ) {
        if promotion.record == Records::Off {
            return;
        }
        if let Err(failure) = Box::pin(self.try_record(promotion, image, carry, progress)).await {
            let text = format!(
                "no promotion record could be attached to {}: {}; the promotion itself is unaffected",
                image.name, failure.what
            );
            self.warn(progress, &text);
        }
    }

    /// Warns where no record of an image says that it passed the gates before; where records are required
    /// that is an error.
    pub(super) async fn let_through(
        &self,
        images: &[Image],
        place: &str,
        earlier: &[Stage],
        records: Records,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        if earlier.is_empty() || records == Records::Off {
            return Ok(());
        }
        let earlier: Vec<_> = earlier.iter().copied().map(word).collect();
        for image in images {
            let repository = parse(&format!("{place}/{}", image.name))?;
            let missing = match record::read(&self.edges.oci, &repository, &image.digest.parse()?).await {
                Ok(kept) => {
                    let known: Vec<Record> = kept.into_iter().filter_map(|kept| kept.record.ok()).collect();
                    missing(&known, &earlier, image)
                }
                Err(error) => {
                    vec![format!("the promotion records of {} cannot be read: {error}", image.reference)]
                }
            };
            if records == Records::Required && !missing.is_empty() {
                return Err(not_let_through(image, missing));
            }
            self.warn_once(missing, progress);
        }
        Ok(())
    }

    /// Warns of each, once a run.
    fn warn_once(&self, texts: Vec<String>, progress: &mut Progress) {
        for text in texts {
            if !progress.warnings.contains(&text) {
                self.warn(progress, &text);
            }
        }
    }

    async fn try_record(
        &self,
        promotion: &Promotion,
        image: &Image,
        carry: bool,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let source = parse(&format!("{}/{}", promotion.source, image.name))?;
        let destination = parse(&format!("{}/{}", promotion.destination, image.name))?;
        let digest: Digest = image.digest.parse()?;
        let oci = &self.edges.oci;
        if carry || promotion.stage == Stage::Prod {
            let kept = record::read(oci, &source, &digest).await?;
            let earlier: Vec<Record> = kept.iter().filter_map(|kept| kept.record.clone().ok()).collect();
            self.warn_once(missing(&earlier, &before(promotion.stage), image), progress);
            if carry && source != destination {
                record::carry(oci, &destination, &kept).await?;
            }
        }
        let record = self.record_of(promotion, image, progress)?;
        if record::attach(oci, &destination, &digest, &record).await? {
            self.notice(&format!("attached a promotion record to {}; it is {UNSIGNED}", record.destination));
        }
        Ok(())
    }

    fn record_of(
        &self,
        promotion: &Promotion,
        image: &Image,
        progress: &Progress,
    ) -> Result<Record, Failure> {
        let version = &progress.plan.version.version;
        let at = |place: &str| -> Result<String, Failure> {
            Ok(parse(&format!("{place}/{}", image.name))?.tag(version)?.to_string())
        };
        let now = progress.now().to_string();
        let env = &self.site.env;
        let github = |name| env.get(name).filter(|_| self.site.place == Place::Github);
        let repository = github("GITHUB_REPOSITORY").map(str::to_owned);
        let server = github("GITHUB_SERVER_URL").unwrap_or("https://github.com");
        let run = repository
            .as_ref()
            .zip(github("GITHUB_RUN_ID"))
            .map(|(repository, id)| format!("{server}/{repository}/actions/runs/{id}"));
        Ok(Record {
            trust: UNSIGNED.to_owned(),
            version: version.clone(),
            repository,
            commit: progress.plan.commit.clone(),
            run,
            stages: passed_stages(promotion, &now, progress),
            source: at(&promotion.source)?,
            destination: at(&promotion.destination)?,
            promoted: now,
        })
    }
}

/// The stage that a promotion ends, where this run knows that it was passed: it ran the gate, or whoever ran
/// it handed the digests over. A promotion by hand says nothing of any gate.
fn passed_stages(promotion: &Promotion, now: &str, progress: &Progress) -> Vec<Passed> {
    let images = &progress.plan.images;
    let handed_over = images.handed_over || !images.recorded.is_empty();
    if progress.plan.command == Command::Promote && !handed_over {
        return Vec::new();
    }
    let steps = progress.steps.iter().filter_map(took).collect();
    vec![Passed { name: word(passed(promotion.stage)), passed: now.to_owned(), steps }]
}

/// A make target of the path to production, and how it ended.
fn took(step: &StepResult) -> Option<StepTook> {
    let target = step.target.as_ref().filter(|target| target.starts_with("p2p-"))?;
    let time = Duration::try_from_secs_f64(step.seconds).unwrap_or_default();
    Some(StepTook {
        name: target.clone(),
        result: step.status.word().to_owned(),
        milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    })
}

/// The stage that a promotion to `stage` ends.
fn passed(stage: Stage) -> Stage {
    if stage == Stage::Prod { Stage::ExtendedTest } else { Stage::FastFeedback }
}

/// A stage as records name it.
fn word(stage: Stage) -> String {
    let word = match stage {
        Stage::FastFeedback => "fast-feedback",
        Stage::ExtendedTest => "extended-test",
        Stage::Prod => "prod",
    };
    word.to_owned()
}

/// The stages whose records the image should have already.
fn before(stage: Stage) -> Vec<String> {
    earlier(stage).iter().copied().map(word).collect()
}

/// The gates whose records an image should have before it is promoted to `stage`.
pub(super) fn earlier(stage: Stage) -> &'static [Stage] {
    if stage == Stage::Prod { &[Stage::FastFeedback] } else { &[] }
}

/// What is to be said of each of the gates that no record names.
fn missing(records: &[Record], gates: &[String], image: &Image) -> Vec<String> {
    let say = |gate| {
        format!("no promotion record says that {} passed {gate}; records are {UNSIGNED}", image.reference)
    };
    record::missing(records, gates).into_iter().map(say).collect()
}

fn not_let_through(image: &Image, missing: Vec<String>) -> Failure {
    Failure {
        what: format!("{} lacks a promotion record, and `promotion-record` is `required`", image.reference),
        causes: missing,
        help: Some(
            "promote it by a gate, which attaches one; where it was promoted before records were kept, run once with \
             `promotion-record: on`"
                .to_owned(),
        ),
        exit: Exit::Failed,
    }
}
