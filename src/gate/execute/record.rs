//! The records of gates: what this run requires of existing records, and the records that it leaves.

use std::time::Duration;

use super::pending::sign_later;
use super::{Execution, Progress};
use crate::domain::environment::{Key, Stage};
use crate::domain::image::Tested;
use crate::gate::outcome::{Status, StepResult};
use crate::gate::plan::{Action, Job, Names, Place, Plan, Promotion};
use crate::gate::record::{
    self, Basis, By, Finding, Judgement, Kept, Left, NotRead, Ran, Record, RecordedScan, Rule, UNSIGNED,
};
use crate::inputs::{Command, Records};
use oci::{Digest, Reference, Repository};
use sys::error::{Exit, Failure};

/// The name in place of a gate, in the record of a scan that ran in a job of its own.
const SCAN: &str = "scan";

/// What the records of an image must prove.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The gates that the image must have passed.
    pub(super) passed: &'a [Stage],
    /// The gate that must not have rejected it. Whether it passed is known already.
    pub(super) spared: Option<Stage>,
    /// Whether a missing record is an error.
    pub(super) records: Records,
    /// Whether a record must prove that the image was scanned.
    pub(super) scans: bool,
}

impl Execution<'_> {
    /// The rule for the records that count in this run. Whether the commit is in the history of the main branch is
    /// checked when the version's tag is looked up.
    pub(super) fn rule(&self, progress: &Progress) -> Rule {
        let plan = &progress.plan;
        Rule {
            commit: plan.commit().map(str::to_owned),
            version: Some(plan.version.version.clone()),
            ..self.run_context.rule.clone()
        }
    }

    /// Returns the records of an image if they prove what is wanted. A rejection is an error. A missing record is an
    /// error if records are required, and a warning if they are expected.
    pub(super) async fn let_through(
        &self,
        image: &Tested,
        at: &Repository,
        wanted: Wanted<'_>,
        progress: &mut Progress,
    ) -> Result<Vec<Kept>, Failure> {
        let Wanted { passed, spared, records, scans } = wanted;
        let reference = at.tag(&progress.plan.version.version)?.to_string();
        match records {
            Records::Off if scans => return Err(unscanned(&reference, "`promotion-record` is `off`")),
            Records::Off => return Ok(Vec::new()),
            _ => {}
        }
        let kept = match self.edges.ledger.read(at, &image.digest).await {
            Ok(kept) => kept,
            Err(unread) => {
                let needed = scans || records.must_be_there() && !passed.is_empty();
                let needed = needed || matches!(unread, NotRead::TooMany(_));
                let failure = Failure::from(unread);
                if needed {
                    return Err(failure.context(format!("the records of {reference} cannot be read")));
                }
                let why = failure.what;
                self.warn_once(&format!("the records of {reference} cannot be read: {why}"), progress);
                return Ok(Vec::new());
            }
        };
        let rule = Rule { image: Some(image.name.clone()), ..self.rule(progress) };
        let found = Kept::records(&kept);
        if let Some(why) = record::yanked(&found) {
            return Err(rejected(&reference, why));
        }
        let mut missing = Vec::new();
        for stage in passed.iter().chain(&spared) {
            match rule.judge(&found, stage.word()) {
                Finding::Rejected(why) => return Err(rejected(&reference, why)),
                Finding::Missing(why) if passed.contains(stage) => missing.push((stage.word(), why)),
                Finding::Passed | Finding::Missing(_) => {}
            }
        }
        if rule.signed.is_none() {
            self.tell_of_pending(&found, passed, &at.digest(&image.digest));
        }
        if records.must_be_there() && !missing.is_empty() {
            return Err(unrecorded(&reference, &missing, records));
        }
        let scanned_here =
            || RecordedScan::of(&progress.scans, &image.name).iter().any(RecordedScan::is_of_image);
        if scans && !scanned_here() && rule.scans(&found).next().is_none() {
            return Err(unscanned(&reference, "no record that counts names a scan of the image"));
        }
        for (stage, why) in missing {
            self.warn_once(&format!("no record says that {reference} passed {stage}: {why}"), progress);
        }
        Ok(kept)
    }

    /// Warns once per run.
    fn warn_once(&self, text: &str, progress: &mut Progress) {
        if !progress.warnings.iter().any(|warning| warning == text) {
            self.warn(progress, text);
        }
    }

    /// Copies the records of an image to the destination of its promotion, together with the record of the gate that
    /// the promotion completes. `there` are the image's records at the destination.
    pub(super) async fn record_promotion(
        &self,
        promotion: &Promotion,
        image: &Tested,
        (kept, there): (&[Kept], &[Kept]),
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        if promotion.record == Records::Off {
            return Ok(());
        }
        let destination = promotion.destination.image(&image.name).repository()?;
        let own = (!by_hand(&progress.plan)).then(|| {
            let at = promotion.source.image(&image.name).repository()?.tag(&progress.plan.version.version)?;
            Ok::<_, Failure>(self.record_of(ended_by(promotion).word(), at, Ok(()), progress))
        });
        let own = own.transpose()?;
        let ledger = &self.edges.ledger;
        // Records of later gates at the source come from somebody who can push there, not from a gate.
        let reached = |stage: &str| Stage::named(stage).is_some_and(|stage| stage <= ended_by(promotion));
        let earlier = |kept: &&Kept| match &kept.record {
            Ok(Some(record)) => record.stage.as_deref().is_some_and(|stage| stage == SCAN || reached(stage)),
            Ok(None) => true,
            Err(_) => false,
        };
        let kept: Vec<_> = kept.iter().filter(earlier).cloned().collect();
        let work = async {
            ledger.carry(&destination, &image.digest, &kept).await?;
            match &own {
                Some(record) => ledger.attach(&destination, &image.digest, record, there).await,
                None => Ok(Left::Nothing),
            }
        };
        let done = work.await;
        progress.records.extend(own.clone().map(|record| (image.name.clone(), record)));
        match done {
            Ok(left) => {
                let what = format!("recorded at {destination} that {}", image.name);
                let what = format!("{what} passed {}; the record is", ended_by(promotion).word());
                let signs = |record| sign_later(&destination.digest(&image.digest), record);
                let later = own.as_ref().map(signs).unwrap_or_default();
                match left {
                    Left::Nothing => {}
                    Left::Plain => self.notice(&format!("{what} {UNSIGNED}")),
                    Left::Signed => self.notice(&format!("{what} signed by {}", ledger.signer())),
                    Left::Pending(why) => self.warn(progress, &format!("{what} not signed: {why}; {later}")),
                }
            }
            Err(failure) if promotion.record.must_be_there() => {
                let failure = failure
                    .context(format!("the records of {} could not be attached at {destination}", image.name));
                return Err(self.left_undone(promotion, image, own.as_ref(), failure).await);
            }
            Err(failure) => self.warn(
                progress,
                &format!("the records of {} could not be attached at {destination}: {failure}", image.name),
            ),
        }
        Ok(())
    }

    /// Leaves a record on each image that the gate judged. If the gate failed, rejects what the destination has under
    /// this version, unless a gate passed it before.
    pub(crate) async fn judge(&self, progress: &mut Progress, verdict: &Result<(), String>) {
        if progress.cancelled || self.stop.signal().is_some() {
            return;
        }
        let mut stop = self.stop.clone();
        let records = async {
            self.leave_records(progress, verdict).await;
            tokio::join!(self.upload_records(), self.link(progress));
        };
        tokio::select! {
            () = records => {}
            _ = stop.wait() => {}
        }
    }

    /// Uploads the signed records of this run to GitHub's attestations. If that fails, a notice says so.
    async fn upload_records(&self) {
        let Some(github) = &self.edges.attestations else { return };
        if let Err(why) = github.attest(&self.edges.ledger.bundles()).await {
            self.notice(&why);
        }
    }

    async fn leave_records(&self, progress: &mut Progress, result: &Result<(), String>) {
        if let Some((stage, records)) = judged(progress)
            && records != Records::Off
        {
            for image in progress.images.clone() {
                // The same record as at the destination, so that another promotion does not add a second one.
                let promoted = progress.records.get(&image.name).filter(|_| result.is_ok()).cloned();
                let record = promoted.unwrap_or_else(|| {
                    self.record_of(stage, image.reference.clone(), result.clone(), progress)
                });
                let left = self.leave(&image.reference.repository, &image.digest, &record).await;
                if let Err(failure) = left {
                    self.warn(progress, &format!("no record was left on {}: {failure}", image.reference));
                }
            }
        }
        let promotion = progress.plan.steps.iter().find_map(|step| match &step.job {
            Job::Promote(promotion) if step.action == Action::Run => Some(promotion.clone()),
            _ => None,
        });
        let passed = result.is_ok() && progress.passed();
        if let Some(promotion) = promotion
            && promotion.record != Records::Off
            && !passed
            && (progress.entered() || self.edges.accounts.destination.is_none())
        {
            for name in names(progress) {
                if let Err(failure) = self.reject(&promotion, &name, result, progress).await {
                    let place = promotion.destination.image(&name);
                    self.warn(progress, &format!("it is not known what is at {place}: {failure}"));
                }
            }
        }
    }

    /// The gate failed: rejects what the destination has under this version. That is the image that failed its
    /// tests, or one that no gate has passed. An image that was promoted before keeps its status.
    async fn reject(
        &self,
        promotion: &Promotion,
        name: &str,
        result: &Result<(), String>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let destination = promotion.destination.image(name).repository()?;
        let tag = destination.tag(&progress.plan.version.version)?;
        let Some(there) = self.edges.oci.resolve(&destination, &tag.which()).await? else { return Ok(()) };
        let digest = there.digest;
        let tested = progress.images().into_iter().find(|image| image.name == name).map(|image| image.digest);
        let why = match (result, &tested) {
            (Ok(()), Some(tested)) if *tested == digest => return Ok(()),
            (Err(why), Some(tested)) if *tested == digest => why.clone(),
            _ => {
                let found = Kept::records(&self.edges.ledger.read(&destination, &digest).await?);
                let rule = Rule { commit: None, ..self.rule(progress) };
                if rule.judge(&found, ended_by(promotion).word()) == Finding::Passed {
                    return Ok(());
                }
                let tested = tested.as_ref().map_or("no image", Digest::as_str);
                format!("the gate tested {tested} and did not promote this image")
            }
        };
        let record = self.record_of(ended_by(promotion).word(), tag.clone(), Err(why.clone()), progress);
        self.leave(&destination, &digest, &record).await?;
        let remove = super::removal::command(&destination, &digest);
        self.warn(
            progress,
            &format!(
                "{tag} is {digest}, and the gate failed: {why}. It is recorded there as FAILED, so that later gates \
                 refuse it; remove it with `{remove}`"
            ),
        );
        Ok(())
    }

    fn record_of(
        &self,
        stage: &str,
        image: Reference,
        result: Result<(), String>,
        progress: &Progress,
    ) -> Record {
        let plan = &progress.plan;
        let environment = plan.environment.environment.as_ref().map(|name| name.text.clone());
        let name = progress.images().into_iter().find(|known| known.reference.as_ref() == Some(&image));
        let name = name.map(|known| known.name).unwrap_or_default();
        Record {
            trust: UNSIGNED.to_owned(),
            stage: Some(stage.to_owned()),
            result: if result.is_ok() { Judgement::Passed } else { Judgement::Failed },
            reason: result.err(),
            judged: progress.now().to_string(),
            version: Some(plan.version.version.clone()),
            image,
            by: By { commit: plan.commit().map(str::to_owned), environment, ..self.run_context.by.clone() },
            targets: progress.steps.iter().filter_map(ran).collect(),
            scans: RecordedScan::of(&progress.scans, &name),
            basis: Basis {
                plan: serde_json::to_vec(plan).ok().map(|plan| Digest::of(plan).to_string()),
                makefile: self.run_context.makefile.clone(),
            },
            signer: None,
            handed_over: plan.command == Command::Promote && plan.images.handed_over,
        }
    }
}

/// What the records of an image must prove before a promotion. If this run ran the gate, or the run that did passed
/// on its digests, the image is known to have passed. A promotion by hand needs records as proof.
pub(super) fn wanted(promotion: &Promotion, plan: &Plan) -> Wanted<'static> {
    let (passed, spared) = match (plan.command == Command::Promote, by_hand(plan)) {
        (_, true) => (promotion.stage.earlier(), None),
        (handed_over, false) => (ended_by(promotion).earlier(), handed_over.then(|| ended_by(promotion))),
    };
    Wanted { passed, spared, records: promotion.record, scans: scans_required(plan) }
}

/// Whether an image that was not scanned must not be promoted.
pub(super) fn scans_required(plan: &Plan) -> bool {
    plan.environment.text(Key::RecordScans) == Some("required")
}

/// The gate that a promotion completes.
pub(super) fn ended_by(promotion: &Promotion) -> Stage {
    promotion.stage.earlier().last().copied().unwrap_or(Stage::FastFeedback)
}

/// Whether the promotion was started by hand, without a gate.
fn by_hand(plan: &Plan) -> bool {
    plan.command == Command::Promote && !plan.images.handed_over && plan.images.recorded.is_empty()
}

/// The gate of this run and its setting for records. Single targets of a later gate count as that gate. `None` if
/// the images were not found or may not be promoted.
pub(super) fn judged(progress: &Progress) -> Option<(&'static str, Records)> {
    let plan = &progress.plan;
    let step = plan.steps.iter().find(|step| matches!(step.job, Job::Images { .. }))?;
    let Job::Images { stage, earlier, records, .. } = &step.job else { return None };
    let is_gate = matches!(plan.command, Command::FastFeedback | Command::ExtendedTest | Command::Prod)
        || !earlier.is_empty();
    let found = progress.steps.iter().any(|done| done.name == step.name && done.status.passes());
    // A scan of the version that a gate tests: the job that promotes needs to know that it passed.
    let scans = plan.command == Command::Scan && plan.place == Place::Github;
    if scans && progress.tested() && !progress.scans.is_empty() {
        return Some((SCAN, *records));
    }
    (is_gate && found).then_some((stage.word(), *records))
}

impl Progress {
    /// The first step before the promotion that did not pass, if a target has run. A failure before that says
    /// nothing about an image. A scan does not reject an image: its scanner may have failed, and tomorrow there may
    /// be a fix or an entry in an ignore file. Then the image is neither judged nor promoted.
    pub(crate) fn failed_test(&self) -> Option<String> {
        let failed = self.failures().find(|step| !self.is_scan(step)).filter(|_| self.something_ran())?;
        Some(format!("{} {}", failed.name, failed.status.word()))
    }

    /// Whether all steps before the promotion passed.
    pub(crate) fn tested(&self) -> bool {
        self.failures().next().is_none() && !self.cancelled
    }

    fn failures(&self) -> impl Iterator<Item = &StepResult> {
        let tests = self.promotion().unwrap_or(self.plan.steps.len());
        self.steps.iter().take(tests).filter(|step| !step.status.passes())
    }

    fn is_scan(&self, result: &StepResult) -> bool {
        self.plan.steps.iter().any(|step| step.name == result.name && matches!(step.job, Job::Scan(_)))
    }

    /// Whether a target or the promotion has started.
    fn something_ran(&self) -> bool {
        let acts = |job: &Job| matches!(job, Job::Target(_) | Job::Promote(_));
        let began = self.steps.iter().filter(|done| done.status != Status::Skipped);
        let mut steps = began.filter_map(|done| self.plan.steps.iter().find(|step| step.name == done.name));
        steps.any(|step| acts(&step.job))
    }

    /// Whether the run can use the registries: it has its account's token, or needs no account.
    fn entered(&self) -> bool {
        let preflight = self.plan.steps.iter().find(|step| matches!(step.job, Job::Preflight(_)));
        let done =
            |name: &str| self.steps.iter().any(|done| done.name == name && done.status == Status::Passed);
        preflight.is_none_or(|step| done(&step.name))
    }
}

/// The known names of the images.
fn names(progress: &Progress) -> Vec<String> {
    match (&*progress.images(), &progress.plan.images.names) {
        ([], Names::Names(names)) => names.clone(),
        (images, _) => images.iter().map(|image| image.name.clone()).collect(),
    }
}

/// A make target of the path to production, with its result.
fn ran(step: &StepResult) -> Option<Ran> {
    let target = step.target.as_ref().filter(|target| target.starts_with("p2p-"))?;
    let time = Duration::try_from_secs_f64(step.seconds).unwrap_or_default();
    Some(Ran {
        name: target.clone(),
        result: step.status.word().to_owned(),
        milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    })
}

fn rejected(reference: &str, why: String) -> Failure {
    Failure {
        what: format!("{reference} was rejected and does not go on"),
        causes: vec![why],
        help: Some(
            "let the gate that rejected it pass again, or promote another version; `p2p verify` shows all records"
                .to_owned(),
        ),
        exit: Exit::Failed,
    }
}

fn unrecorded(reference: &str, missing: &[(&str, String)], records: Records) -> Failure {
    let gates: Vec<_> = missing.iter().map(|(stage, _)| *stage).collect();
    Failure {
        what: format!("no record says that {reference} passed {}", gates.join(" and ")),
        causes: missing.iter().map(|(stage, why)| format!("{stage}: {why}")).collect(),
        help: Some(
            match records {
                Records::Signed => {
                    "let the gate promote it from the main branch, which leaves the signed record; `promotion-record` is \
                     `signed`, and with `required` a record counts without a signature"
                }
                _ => {
                    "let the gate promote it from the main branch, which leaves the record; `promotion-record` is \
                     `required`, and with `expected` a missing record is a warning"
                }
            }
            .to_owned(),
        ),
        exit: Exit::Failed,
    }
}

fn unscanned(reference: &str, why: &str) -> Failure {
    Failure {
        what: format!("nothing says that {reference} was scanned: {why}"),
        causes: Vec::new(),
        help: Some(
            "let the gate before scan it (`scan: on`, or the reusable workflows), which leaves a record; the key \
             `record-scans` is `required`"
                .to_owned(),
        ),
        exit: Exit::Failed,
    }
}
