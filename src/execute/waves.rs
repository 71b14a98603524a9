//! The order of steps: wave after wave, and what one failure means for the rest.

use super::copied::Copied;
use super::{Execution, Progress};
use crate::outcome::{Event, Status, StepResult};
use crate::plan::{Action, Job, Step, Target};

/// Why the steps after an interruption are skipped.
pub(super) const STOPPED: &str = "the run was interrupted";

impl Execution<'_> {
    /// Runs all waves. A failure skips the waves after it, never a step of its own wave.
    pub(super) async fn waves(&self, progress: &mut Progress) {
        let waves: Vec<Vec<usize>> = waves(&progress.plan.steps);
        for wave in waves {
            let blocked = self.blocked(progress);
            // The version may have changed since the plan was made, so steps are read anew.
            let steps: Vec<Step> = wave.iter().map(|index| progress.plan.steps[*index].clone()).collect();
            let mut running = Vec::new();
            for step in &steps {
                match (&step.action, &blocked) {
                    (Action::Skip { reason, .. }, _) => {
                        self.ended(progress, StepResult::skipped(&step.name, reason));
                    }
                    (_, Some(reason)) => self.ended(progress, StepResult::skipped(&step.name, reason)),
                    (Action::Nothing, None) => {
                        self.ended(progress, StepResult::new(&step.name, Status::Nothing, 0.0));
                    }
                    (Action::Run, None) => running.push(step),
                }
            }
            match running.as_slice() {
                [] => {}
                [step] => self.one(step, progress).await,
                [first, second, ..] => self.pair(first, second, progress).await,
            }
        }
    }

    fn blocked(&self, progress: &Progress) -> Option<String> {
        if self.stop.signal().is_some() {
            return Some(STOPPED.to_owned());
        }
        let failed: Vec<_> = progress.steps.iter().filter(|step| !step.status.passes()).collect();
        match failed.as_slice() {
            [] => None,
            [one] => Some(format!("{} did not pass", one.name)),
            [one, other, ..] => Some(format!("{} and {} did not pass", one.name, other.name)),
        }
    }

    async fn one(&self, step: &Step, progress: &mut Progress) {
        let result = match &step.job {
            Job::Target(target) => self.alone(step, target, progress).await,
            Job::Promote(promotion) if promotion.by.is_some() => {
                self.promote_by_make(step, promotion, progress).await
            }
            job => self.own(job, &step.name, progress).await,
        };
        self.ended(progress, result);
    }

    /// A target with a group of the log to itself.
    pub(super) async fn alone(&self, step: &Step, target: &Target, progress: &mut Progress) -> StepResult {
        self.reporter.tell(&Event::GroupBegan(&[step]));
        let result = self.target(target, None, None).await;
        self.reporter.tell(&Event::GroupEnded);
        self.passed_on(&step.name, result, progress)
    }

    /// Two targets at the same time: one in place, the other in a copy of the workspace as the
    /// build left it. Where there is no copy, one after the other in place.
    async fn pair(&self, first: &Step, second: &Step, progress: &mut Progress) {
        let (Job::Target(in_place), Job::Target(in_copy)) = (&first.job, &second.job) else {
            self.one(first, progress).await;
            return self.one(second, progress).await;
        };
        let copy = if in_copy.in_copy {
            Copied::make(self.site, &progress.plan.artifacts, self.stop.clone()).await
        } else {
            Err("`parallel` is false".to_owned())
        };
        let copy = match copy {
            _ if self.stop.signal().is_some() => {
                for step in [first, second] {
                    self.ended(progress, StepResult::skipped(&step.name, STOPPED));
                }
                return;
            }
            Ok(copy) => copy,
            Err(reason) => {
                self.notice(&format!(
                    "{} and {} run one after the other in place: {reason}",
                    first.name, second.name
                ));
                self.one(first, progress).await;
                if self.stop.signal().is_some() {
                    return self.ended(progress, StepResult::skipped(&second.name, STOPPED));
                }
                return self.one(second, progress).await;
            }
        };
        self.notice(&copy.said(&second.name));
        self.reporter.tell(&Event::GroupBegan(&[first, second]));
        let (one, other) = tokio::join!(
            self.target(in_place, None, Some(prefix(&first.name))),
            self.target(in_copy, Some(&copy), Some(prefix(&second.name)))
        );
        self.reporter.tell(&Event::GroupEnded);
        for (step, result) in [(first, one), (second, other)] {
            let result = self.passed_on(&step.name, result, progress);
            self.ended(progress, result);
        }
        for warning in copy.bring_back(self.site) {
            self.warn(progress, &warning);
        }
    }

    fn ended(&self, progress: &mut Progress, result: StepResult) {
        self.reporter.tell(&Event::StepEnded(&result));
        progress.steps.push(result);
    }
}

/// `p2p-functional` prints as `functional | …`.
fn prefix(name: &str) -> String {
    format!("{} | ", name.strip_prefix("p2p-").unwrap_or(name))
}

fn waves(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match waves.last_mut() {
            Some(wave) if steps[wave[0]].wave == step.wave => wave.push(index),
            _ => waves.push(vec![index]),
        }
    }
    waves
}
