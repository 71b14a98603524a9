//! Runs a plan with the edges and sends events. `plan` has decided what to run, and the listeners decide how it
//! looks.

mod accounts;
mod builder;
mod colours;
mod conflict;
mod copied;
mod diagnostics;
mod heartbeat;
mod images;
mod linked;
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

use tokio::task::JoinHandle;
use tokio::time::timeout_at;

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

/// How long p2p's own work on files may take after a signal. Targets have had their time before that.
const AFTER_A_SIGNAL: Duration = Duration::from_millis(500);

/// How long the end of a run waits for the sizes of all images.
const SIZE: Duration = Duration::from_secs(2);

/// The execution of a plan.
pub(crate) struct Execution<'a> {
    pub run_context: &'a RunContext,
    pub edges: &'a Edges,
    /// Gets the events.
    pub reporter: Reporter,
    pub masker: Masker,
    /// The signal to stop, if there was one.
    pub stop: Stop,
}

/// The results so far.
pub(crate) struct Progress {
    plan: Plan,
    steps: Vec<StepResult>,
    images: Vec<Image>,
    /// The size of each image, which nothing waits for before the end.
    sizes: Vec<JoinHandle<Option<u64>>>,
    /// The tags before the build, once it has begun.
    before: Option<pushed::Before>,
    promoted: Vec<Promoted>,
    /// The scans that have begun.
    scans_begun: Vec<scans::Begun>,
    scans: Vec<Scan>,
    /// The records that the promotion has left, by image name.
    records: BTreeMap<String, Record>,
    tag_created: bool,
    warnings: Vec<String>,
    artifacts: Vec<String>,
    started: jiff::Timestamp,
    clock: Instant,
    /// Whether a signal prevented a step or stopped it.
    cancelled: bool,
}

impl Progress {
    /// The current time.
    fn now(&self) -> jiff::Timestamp {
        let passed = jiff::SignedDuration::try_from(self.clock.elapsed()).unwrap_or_default();
        self.started.checked_add(passed).unwrap_or(self.started)
    }

    /// The version. It may differ from the planned one.
    pub(crate) fn version(&self) -> &PlannedVersion {
        &self.plan.version
    }

    /// The images that this run or an earlier job recorded.
    pub(crate) fn images(&self) -> Vec<Tested> {
        match &*self.images {
            [] => self.plan.images.recorded.clone(),
            images => images.iter().map(Tested::from).collect(),
        }
    }

    /// Keeps the result of a step in the order of the plan, because parallel steps may end in any order.
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

    /// Whether no step has failed and no signal has come.
    pub(crate) fn passed(&self) -> bool {
        self.failed().is_none() && !self.cancelled
    }

    /// The number of steps before the promotion, if there is one.
    pub(crate) fn promotion(&self) -> Option<usize> {
        self.plan.steps.iter().position(|step| matches!(step.job, Job::Promote(_)))
    }

    /// The first step that failed.
    fn failed(&self) -> Option<&StepResult> {
        self.steps.iter().find(|step| !step.status.passes())
    }
}

impl Execution<'_> {
    /// Starts a plan.
    pub(crate) fn begin(&self, plan: Plan, started: jiff::Timestamp) -> Progress {
        self.reporter.emit(&Event::Began { plan: &plan });
        Progress {
            warnings: plan.warnings.clone(),
            plan,
            steps: Vec::new(),
            images: Vec::new(),
            sizes: Vec::new(),
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

    /// Ends a plan and returns its outcome. A failure is part of the outcome.
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
                        self.warn(&mut progress, &format!("{path:?} is not an artifact: {why}"));
                    }
                }
                Some(Err(failure)) => self.warn(&mut progress, &failure.to_string()),
                None => self.warn(&mut progress, "there was no time to look for all artifacts"),
            }
        }
        let until = tokio::time::Instant::now() + if progress.cancelled { Duration::ZERO } else { SIZE };
        for (image, size) in progress.images.iter_mut().zip(&mut progress.sizes) {
            image.size = timeout_at(until, size).await.ok().and_then(Result::ok).flatten();
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

    /// Runs a step of p2p's own and measures its time.
    async fn own(&self, job: &Job, name: &str, progress: &mut Progress) -> StepResult {
        let clock = Self::scan_clock(job, progress).unwrap_or_else(Instant::now);
        let work = self.work(job, progress);
        self.timed(name, clock, work).await
    }

    /// Does the work of a step of p2p's own.
    async fn work(&self, job: &Job, progress: &mut Progress) -> Message {
        match job {
            Job::Preflight(preflight) => Box::pin(self.preflight(preflight, progress)).await,
            Job::Subnamespaces(wanted) => self.subnamespaces(wanted).await,
            Job::Version => Box::pin(self.allocate_version(progress)).await,
            Job::Images { repository, earlier, records, .. } => {
                let required = progress.plan.images.required;
                let message = Box::pin(self.record(repository, required, progress)).await?;
                // After a build, the images of an earlier job no longer matter.
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

    /// The result of work that began at `clock`.
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

    /// Does the work of a step of p2p's own. A failure or a signal becomes the step's result.
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

    /// Runs blocking work on another thread, because one thread waits for everything. After a signal the work gets
    /// little time, and returns `None` if it needs more.
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

/// The message of a successful step of p2p's own.
type Message = Result<Option<String>, Failure>;
