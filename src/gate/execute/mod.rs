//! Runs a plan with the edges and emits events. What to run was decided before, in `plan`; how
//! it is shown is for the listeners.

mod accounts;
mod builder;
mod colours;
mod conflict;
mod copied;
mod diagnostics;
mod heartbeat;
mod images;
mod log_file;
mod pending;
mod preflight;
mod private;
mod promotion;
mod pushed;
mod record;
mod release;
mod removal;
mod report_globs;
mod run_context;
mod scans;
mod target;
mod test_reports;
mod usual;
mod version;
mod waves;

pub(crate) use accounts::{Account, Accounts};
pub(crate) use builder::builder;
pub(crate) use report_globs::TestReports;
pub(crate) use run_context::{Allocation, Edges, GivenLogins, PullRequest, RunContext};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::record::Wanted;
use crate::domain::image::{Image, Promoted, Tested};
use crate::domain::scan::Scan;
use crate::edges::workspace::{Listed, remove_links_out_of};
use crate::gate::outcome::{Event, Outcome, Status, StepResult, Verdict};
use crate::gate::plan::{Job, Plan, PlannedVersion};
use crate::gate::record::Record;
use crate::report::Reporter;
use sys::error::{Exit, Failure};
use sys::process::Stop;
use workflow_commands::{Level, Masker, neutralize};

/// Why the steps after an interruption are skipped.
const STOPPED: &str = "the run was interrupted";

/// How long our own work on files may take after a signal; a target has had its time before that.
const AFTER_A_SIGNAL: Duration = Duration::from_millis(500);

/// A plan under way.
pub(crate) struct Execution<'a> {
    /// Where it runs and with what.
    pub run_context: &'a RunContext,
    /// The outside systems.
    pub edges: &'a Edges,
    /// Gets the events.
    pub reporter: Reporter,
    /// The secrets.
    pub masker: Masker,
    /// The signal to stop, if one came.
    pub stop: Stop,
}

/// The results of a plan so far.
pub(crate) struct Progress {
    plan: Plan,
    steps: Vec<StepResult>,
    images: Vec<Image>,
    /// What the build found, once it has begun.
    before: Option<pushed::Before>,
    promoted: Vec<Promoted>,
    /// The scans under way.
    scans_begun: Vec<scans::Begun>,
    scans: Vec<Scan>,
    /// The records that the promotion left, by the names of the images.
    records: BTreeMap<String, Record>,
    tag_created: bool,
    warnings: Vec<String>,
    artifacts: Vec<String>,
    started: jiff::Timestamp,
    clock: Instant,
    /// Whether a signal kept a step from running or from ending by itself.
    cancelled: bool,
}

impl Progress {
    /// The time of day.
    fn now(&self) -> jiff::Timestamp {
        let passed = jiff::SignedDuration::try_from(self.clock.elapsed()).unwrap_or_default();
        self.started.checked_add(passed).unwrap_or(self.started)
    }

    /// The version, which may not be the planned one any more.
    pub(crate) fn version(&self) -> &PlannedVersion {
        &self.plan.version
    }

    /// The images that were recorded, by this run or by the job before.
    pub(crate) fn images(&self) -> Vec<Tested> {
        match &*self.images {
            [] => self.plan.images.recorded.clone(),
            images => images.iter().map(Tested::from).collect(),
        }
    }

    /// Keeps the result of a step, in the order of the plan: of two steps at the same time either may end first.
    fn keep(&mut self, mut result: StepResult) {
        if result.status != Status::Skipped {
            let took = jiff::SignedDuration::try_from_secs_f64(result.seconds).unwrap_or_default();
            let began = self.now().checked_sub(took).unwrap_or(self.started);
            result.started = began.round(jiff::Unit::Millisecond).ok().map(|began| began.to_string());
        }
        self.steps.push(result);
        let Self { plan, steps, .. } = self;
        steps.sort_by_key(|result| plan.steps.iter().position(|step| step.name == result.name));
    }

    /// Whether no step has failed so far, and no signal came.
    pub(crate) fn passed(&self) -> bool {
        self.failed().is_none() && !self.cancelled
    }

    /// The number of steps before the promotion, where there is one.
    pub(crate) fn promotion(&self) -> Option<usize> {
        self.plan.steps.iter().position(|step| matches!(step.job, Job::Promote(_)))
    }

    /// The first step that failed.
    fn failed(&self) -> Option<&StepResult> {
        self.steps.iter().find(|step| !step.status.passes())
    }
}

impl Execution<'_> {
    /// Begins with a plan.
    pub(crate) fn begin(&self, plan: Plan, started: jiff::Timestamp) -> Progress {
        self.reporter.emit(&Event::Began { plan: &plan });
        Progress {
            warnings: plan.warnings.clone(),
            plan,
            steps: Vec::new(),
            images: Vec::new(),
            before: None,
            promoted: Vec::new(),
            scans_begun: Vec::new(),
            scans: Vec::new(),
            records: BTreeMap::new(),
            tag_created: false,
            artifacts: Vec::new(),
            started,
            clock: Instant::now(),
            cancelled: false,
        }
    }

    /// What a plan came to; a failure is part of the outcome.
    pub(crate) async fn end(&self, mut progress: Progress) -> Outcome {
        if let Err(failure) = self.run_context.restore_credentials() {
            self.warn(&mut progress, &failure.to_string());
        }
        if !progress.plan.artifacts.is_empty() {
            match self.blocking(self.run_context.artifacts(&progress.plan.artifacts)).await {
                Some(Ok(Listed { files, refused })) => {
                    progress.artifacts = files;
                    for (path, why) in refused {
                        let path = neutralize(&self.masker.mask(&path.display().to_string())).into_owned();
                        self.warn(&mut progress, &format!("{path:?} is no artifact: {why}"));
                    }
                }
                Some(Err(failure)) => self.warn(&mut progress, &failure.to_string()),
                None => self.warn(&mut progress, "there was no time to look for all artifacts"),
            }
        }
        remove_links_out_of(&self.run_context.paths.logs);
        let (started, seconds) = (progress.started, progress.clock.elapsed().as_secs_f64());
        let usual = self.usual(&progress).await;
        Outcome { usual, ..self.outcome(progress, started, seconds) }
    }

    fn outcome(&self, progress: Progress, started: jiff::Timestamp, seconds: f64) -> Outcome {
        let signal = self.stop.signal();
        let broken_off: Vec<_> = progress
            .steps
            .iter()
            .filter(|step| matches!(step.status, Status::Interrupted | Status::TimedOut))
            .collect();
        let half_deployed = progress
            .plan
            .steps
            .iter()
            .filter(|_| self.run_context.reaches_a_cluster(&progress.plan))
            .filter(|step| broken_off.iter().any(|result| result.name == step.name))
            .filter_map(|step| step.target()?.namespace.clone())
            .collect();
        let (result, exit) = match (signal, progress.failed()) {
            (Some(signal), _) if progress.cancelled => {
                (Verdict::Cancelled, Exit::Interrupted(signal.number()))
            }
            (_, Some(step)) => (Verdict::Failure, step.exit()),
            (_, None) if progress.plan.skipped.is_some() => (Verdict::Skipped, Exit::Passed),
            (_, None) => (Verdict::Success, Exit::Passed),
        };
        Outcome {
            result,
            plan: progress.plan,
            other_plans: Vec::new(),
            tag_created: progress.tag_created,
            steps: progress.steps,
            images: progress.images,
            promoted: progress.promoted,
            scans: progress.scans,
            artifacts: progress.artifacts,
            warnings: progress.warnings,
            half_deployed,
            usual: BTreeMap::new(),
            started: started.to_string(),
            seconds,
            logs: self.run_context.paths.logs.display().to_string(),
            exit,
        }
    }

    /// Runs a step of ours, and measures it.
    async fn own(&self, job: &Job, name: &str, progress: &mut Progress) -> StepResult {
        let clock = Self::scan_clock(job, progress).unwrap_or_else(Instant::now);
        let work = self.work(job, progress);
        self.timed(name, clock, work).await
    }

    /// The work of a step of ours.
    async fn work(&self, job: &Job, progress: &mut Progress) -> Message {
        match job {
            Job::Preflight(preflight) => Box::pin(self.preflight(preflight, progress)).await,
            Job::Subnamespaces(wanted) => self.subnamespaces(wanted).await,
            Job::Version => Box::pin(self.allocate_version(progress)).await,
            Job::Images { repository, earlier, records, .. } => {
                let required = progress.plan.images.required;
                let message = Box::pin(self.record(repository, required, progress)).await?;
                // A build makes images; what an earlier job recorded is no matter then.
                if !earlier.is_empty() || progress.plan.command == crate::inputs::Command::Scan {
                    images::unchanged(progress)?;
                }
                if !earlier.is_empty() {
                    for image in progress.images.clone() {
                        let (tested, at) = (Tested::from(&image), &image.reference.repository);
                        let scans = record::scans_required(&progress.plan);
                        let wanted = Wanted { passed: earlier, spared: None, records: *records, scans };
                        Box::pin(self.let_through(&tested, at, wanted, progress)).await?;
                    }
                }
                Ok(message)
            }
            Job::Promote(promotion) => Box::pin(self.promote_natively(promotion, progress)).await,
            Job::Scan(job) => Box::pin(self.scan(job, progress)).await,
            Job::ReleaseCommit { tag, files } => Box::pin(self.release_commit(tag, files, progress)).await,
            Job::Release { assets, notes } => Box::pin(self.release(assets, notes, progress)).await,
            Job::FloatingTags { lines } => Box::pin(self.floating_tags(lines, progress)).await,
            Job::Target(_) => Ok(None),
        }
    }

    /// The result of work of ours that began at `clock`.
    async fn timed(&self, name: &str, clock: Instant, work: impl Future<Output = Message>) -> StepResult {
        let alive =
            |running, silent| self.reporter.emit(&Event::Alive { step: name, running, silent, last: "" });
        let work = self.unless_stopped(name, clock, work);
        match heartbeat::while_running(work, || Duration::ZERO, alive).await {
            Ok(reason) => {
                let seconds = clock.elapsed().as_secs_f64();
                StepResult { reason, ..StepResult::new(name, Status::Passed, seconds) }
            }
            Err(result) => result,
        }
    }

    /// Does the work of a step of ours. A failure or a signal becomes the result of the step.
    async fn unless_stopped<T>(
        &self,
        name: &str,
        clock: Instant,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StepResult> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = work => done.map_err(|failure| {
                StepResult::failed(name, clock.elapsed().as_secs_f64(), failure)
            }),
            signal = stop.wait() => {
                let result = StepResult::new(name, Status::Interrupted, clock.elapsed().as_secs_f64());
                Err(StepResult { reason: Some(format!("by {}", signal.name())), ..result })
            }
        }
    }

    /// Does what blocks elsewhere than on the one thread that waits for all. After a signal it gets little
    /// time, and there is no answer where that was too little.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let mut stop = self.stop.clone();
        let late = async {
            stop.wait().await;
            tokio::time::sleep(AFTER_A_SIGNAL).await;
        };
        tokio::select! {
            biased;
            done = tokio::task::spawn_blocking(work) => done.ok(),
            () = late => None,
        }
    }

    fn notice(&self, text: &str) {
        self.reporter.emit(&Event::Message(Level::Notice, text));
    }

    /// Warns, and keeps the warning for the summary and the report.
    fn warn(&self, progress: &mut Progress, text: &str) {
        let text = self.masker.mask(text);
        self.reporter.emit(&Event::Message(Level::Warning, &text));
        progress.warnings.push(text.into_owned());
    }
}

/// What a step of ours says when it has succeeded.
type Message = Result<Option<String>, Failure>;
