//! Runs the steps wave by wave, and decides what a failure means for the rest.

use std::time::Instant;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::copied::Copied;
use super::pushed::builds;
use super::target::Beside;
use super::{Execution, Progress, STOPPED};
use crate::gate::outcome::{Event, Status, StepResult};
use crate::gate::plan::{Action, Job, Step, Target};
use workflow_commands::Masker;

impl Execution<'_> {
    /// Runs the remaining waves, or those of the first `until` steps. A failure skips later waves, but no step of
    /// its own wave.
    pub(crate) async fn waves(&self, progress: &mut Progress, until: Option<usize>) {
        let waves: Vec<usize> = progress.plan.waves().map(<[Step]>::len).collect();
        let (until, ended) = (until.unwrap_or(usize::MAX), progress.steps.len());
        let mut done = 0;
        for wave in waves {
            // Each step that ran or was skipped has a result.
            if done < ended || done + wave > until {
                done += wave;
                continue;
            }
            let blocked = blocked(progress);
            // The version may have changed since the plan was made, so this reads the steps again.
            let steps = progress.plan.steps[done..done + wave].to_vec();
            done += wave;
            if blocked.is_none() && self.stop.signal().is_none() {
                self.begin_scans(&steps, progress);
            }
            let mut running = Vec::new();
            for step in &steps {
                match (&step.action, &blocked) {
                    (Action::Skip { reason, .. }, _) => {
                        self.ended(progress, StepResult::skipped(&step.name, reason));
                    }
                    _ if self.stop.signal().is_some() => self.not_begun(step, progress),
                    // The findings of a scan are useful even if a test failed.
                    (Action::Run, Some(_)) if Self::scan_clock(&step.job, progress).is_some() => {
                        running.push(step);
                    }
                    (_, Some(reason)) => self.ended(progress, StepResult::skipped(&step.name, reason)),
                    (Action::Nothing, None) => {
                        self.ended(progress, StepResult::new(&step.name, Status::Nothing, 0.0));
                    }
                    (Action::Run, None) => running.push(step),
                }
            }
            if blocked.is_none() && steps.iter().any(builds) {
                self.look_before(progress).await;
            }
            if let Err(failure) = self.look_again(&running, progress).await {
                for step in running.drain(..) {
                    self.ended(progress, StepResult::failed(&step.name, 0.0, failure.clone()));
                }
            }
            match running.as_slice() {
                [] => {}
                [step] => self.one(step, progress).await,
                [first, second, ..] => self.pair(first, second, progress).await,
            }
        }
    }

    /// Skips the remaining steps.
    pub(crate) fn skip(&self, progress: &mut Progress, reason: &str) {
        let left = progress.plan.steps.iter().skip(progress.steps.len());
        let left: Vec<_> = left.map(|step| StepResult::skipped(&step.name, reason)).collect();
        for result in left {
            self.ended(progress, result);
        }
    }

    async fn one(&self, step: &Step, progress: &mut Progress) {
        let result = match &step.job {
            Job::Target(target) => {
                let result = self.alone(step, target, progress).await;
                self.last_result(step, result, progress).await
            }
            Job::Promote(promotion) if promotion.by.is_some() => {
                self.promote_by_make(step, promotion, progress).await
            }
            job => self.own(job, &step.name, progress).await,
        };
        self.ended(progress, result);
    }

    /// Runs a target in a group of the log of its own.
    pub(super) async fn alone(&self, step: &Step, target: &Target, progress: &mut Progress) -> StepResult {
        if let Err(failure) = self.run_context.restore_credentials() {
            return StepResult::failed(&step.name, 0.0, failure);
        }
        self.reporter.emit(&Event::GroupBegan(&[step]));
        let ran = self.diagnosed(step, target, Beside::Nothing, progress.now()).await;
        self.reporter.emit(&Event::GroupEnded);
        self.passed_on(&step.name, ran, progress)
    }

    /// Runs two targets at the same time: one in the workspace, the other in a copy of it as the build left it.
    /// Without a copy they run one after the other. The first result is reported at once, between two groups of the
    /// log, because GitHub hides the content of a folded group.
    async fn pair(&self, first: &Step, second: &Step, progress: &mut Progress) {
        let (Job::Target(in_place), Job::Target(in_copy)) = (&first.job, &second.job) else {
            return self.meanwhile(first, second, progress).await;
        };
        let copy = if in_copy.in_copy {
            Copied::make(self.run_context, &progress.plan.artifacts, self.stop.clone()).await
        } else {
            Err(in_copy.in_turn.clone().unwrap_or_else(|| "nft has no copy of the workspace".to_owned()))
        };
        let copy = match copy {
            _ if self.stop.signal().is_some() => {
                self.not_begun(first, progress);
                return self.not_begun(second, progress);
            }
            Ok(copy) => copy,
            Err(reason) => {
                self.notice(&format!(
                    "{} and {} run one after the other in place: {reason}",
                    first.name, second.name
                ));
                self.one(first, progress).await;
                if self.stop.signal().is_some() {
                    return self.not_begun(second, progress);
                }
                return self.one(second, progress).await;
            }
        };
        // Once, before one of them can change it.
        if let Err(failure) = self.run_context.restore_credentials() {
            for step in [first, second] {
                self.ended(progress, StepResult::failed(&step.name, 0.0, failure.clone()));
            }
            return;
        }
        self.notice(&copy.message(&second.name));
        self.reporter.emit(&Event::GroupBegan(&[first, second]));
        let began = progress.now();
        let run = |step, other, target, beside| async move {
            (step, other, self.diagnosed(step, target, beside, began).await)
        };
        let mut running = FuturesUnordered::new();
        running.push(run(first, second, in_place, Beside::InPlace));
        running.push(run(second, first, in_copy, Beside::InCopy(&copy)));
        while let Some((step, other, ran)) = running.next().await {
            let result = self.passed_on(&step.name, ran, progress);
            let result = noted(progress, result, &self.masker);
            let (ended, next) = (Event::StepEnded(&result), [other]);
            let next = (!running.is_empty()).then_some(Event::GroupBegan(&next));
            self.reporter.emit_all([Event::GroupEnded, ended].iter().chain(&next));
            progress.keep(result);
        }
        let late = || vec!["there was no time to bring all of nft's artifacts back".to_owned()];
        for warning in self.blocking(copy.bring_back(self.run_context)).await.unwrap_or_else(late) {
            self.warn(progress, &warning);
        }
    }

    /// Runs a target, and at the same time a step that prepares what later targets need.
    async fn meanwhile(&self, first: &Step, second: &Step, progress: &mut Progress) {
        let (Job::Target(target), Job::Subnamespaces(wanted)) = (&first.job, &second.job) else {
            self.one(first, progress).await;
            return self.one(second, progress).await;
        };
        let made = Box::pin(self.timed(&second.name, Instant::now(), self.subnamespaces(wanted)));
        let built = Box::pin(self.alone(first, target, progress));
        let (built, made) = match select(built, made).await {
            Either::Left((built, made)) => (built, Either::Left(made)),
            Either::Right((made, built)) => (built.await, Either::Right(made)),
        };
        self.ended(progress, built);
        let made = match made {
            Either::Left(made) => made.await,
            Either::Right(made) => made,
        };
        self.ended(progress, made);
    }

    /// Adds the result of a step that a signal prevented.
    fn not_begun(&self, step: &Step, progress: &mut Progress) {
        progress.cancelled = true;
        self.ended(progress, StepResult::skipped(&step.name, STOPPED));
    }

    fn ended(&self, progress: &mut Progress, result: StepResult) {
        let result = noted(progress, result, &self.masker);
        self.reporter.emit(&Event::StepEnded(&result));
        progress.keep(result);
    }
}

/// Adds what the plan knows about the step, and masks secrets. Listeners escape texts, and the masker would not
/// recognise an escaped secret.
fn noted(progress: &mut Progress, result: StepResult, masker: &Masker) -> StepResult {
    let mut result = result.masked(|text| masker.mask(&text).into_owned());
    let step = progress.plan.steps.iter().find(|step| step.name == result.name);
    result.target = step.and_then(Step::target).map(|target| target.target.clone());
    progress.cancelled |= result.status == Status::Interrupted;
    result
}

/// Why no further step runs, if an earlier step did not pass.
fn blocked(progress: &Progress) -> Option<String> {
    let failed: Vec<_> = progress.steps.iter().filter(|step| !step.status.passes()).collect();
    match failed.as_slice() {
        [] => None,
        [one] => Some(format!("{} did not pass", one.name)),
        [one, other, ..] => Some(format!("{} and {} did not pass", one.name, other.name)),
    }
}
