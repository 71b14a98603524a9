//! Runs the parts of a run one after the other, with the promotions last, and joins their outcomes.

use std::path::Path;
use std::time::Instant;

use crate::gate::execute::{Edges, Execution, Progress, RunContext, builder};
use crate::gate::outcome::{Event, Outcome};
use crate::gate::plan::Plan;
use crate::inputs::Command;
use crate::report::Reporter;
use sys::process::Stop;
use workflow_commands::{Level, Masker};

/// A part that is ready to run.
pub(super) struct Part {
    pub(super) plan: Plan,
    pub(super) run_context: RunContext,
    pub(super) edges: Edges,
    /// The environment, if there are several.
    pub(super) name: Option<String>,
    /// Whether the part only promotes images that an earlier part tested.
    pub(super) promotes: bool,
}

/// What all parts share.
pub(super) struct Shared<'a> {
    pub(super) reporter: &'a Reporter,
    pub(super) masker: Masker,
    pub(super) stop: Stop,
    /// When the run began.
    pub(super) began: jiff::Timestamp,
}

impl Shared<'_> {
    /// Runs all parts. If one fails, the others still run, but nothing is promoted.
    pub(super) async fn run(&self, mut parts: Vec<Part>, logs: &Path) -> Option<Outcome> {
        for part in &mut parts {
            self.make_builder(part).await;
        }
        let mut run = Run { clock: Instant::now(), shared: self, under_way: Vec::new() };
        let (gates, promotions): (Vec<_>, Vec<_>) = parts.iter().partition(|part| !part.promotes);
        Box::pin(run.test(&gates)).await;
        Box::pin(run.promote(&gates, &promotions)).await;
        let outcome = Outcome::joined(run.end(gates.len()).await)?;
        Some(Outcome { logs: logs.display().to_string(), ..outcome })
    }

    async fn make_builder(&self, Part { plan, run_context, .. }: &mut Part) {
        let mut stop = self.stop.clone();
        let (cache, warning) = tokio::select! {
            made = builder(&run_context.env, &run_context.paths.directory, run_context.cache) => made,
            // Nothing will be built.
            _ = stop.wait() => (run_context.cache, None),
        };
        (run_context.cache, plan.build_cache) = (cache, cache);
        plan.warnings.extend(warning);
    }
}

/// The parts that have begun, in order.
struct Run<'a> {
    shared: &'a Shared<'a>,
    clock: Instant,
    under_way: Vec<(Execution<'a>, Progress)>,
}

impl<'a> Run<'a> {
    fn begin(&self, part: &'a Part, plan: Plan) -> (Execution<'a>, Progress) {
        let Shared { reporter, masker, stop, began } = self.shared;
        let execution = Execution {
            run_context: &part.run_context,
            edges: &part.edges,
            reporter: (*reporter).clone(),
            masker: masker.clone(),
            stop: stop.clone(),
        };
        let passed = jiff::SignedDuration::try_from(self.clock.elapsed()).unwrap_or_default();
        let progress = execution.begin(plan, began.checked_add(passed).unwrap_or(*began));
        (execution, progress)
    }

    /// Runs the gate in each environment. With several environments, it stops before the promotion.
    async fn test(&mut self, gates: &[&'a Part]) {
        for (position, part) in gates.iter().enumerate() {
            if let (Some(name), true) = (&part.name, gates.len() > 1) {
                let text = format!("\nenvironment {name}, {} of {}:", position + 1, gates.len());
                self.shared.reporter.emit(&Event::Message(Level::Notice, &text));
            }
            let mut plan = part.plan.clone();
            match self.under_way.first() {
                // The first part may have created the tag, and this is the same commit.
                Some((_, first)) if plan.command == Command::FastFeedback => {
                    plan = plan.with_version(first.version().clone());
                }
                // The image of the first part is the one to be promoted, so the others must test it.
                Some((_, first)) => plan.images.recorded = first.images(),
                None => {}
            }
            let (execution, mut progress) = self.begin(part, plan);
            let before_promotion = progress.promotion().filter(|_| gates.len() > 1);
            execution.waves(&mut progress, before_promotion).await;
            self.under_way.push((execution, progress));
        }
    }

    /// Promotes the images of the first environment, if all environments passed.
    async fn promote(&mut self, gates: &[&'a Part], promotions: &[&'a Part]) {
        let tested = gates.iter().zip(&self.under_way);
        let failed = tested.filter(|(_, (_, progress))| !progress.passed());
        let failed: Vec<_> = failed.filter_map(|(part, _)| part.name.as_deref()).collect();
        let mut blocked =
            (!failed.is_empty()).then(|| format!("the gate did not pass in {}", failed.join(" and ")));
        let Some((execution, first)) = self.under_way.first_mut() else { return };
        finish(execution, first, blocked.as_deref()).await;
        if !first.passed() && blocked.is_none() {
            blocked = Some("the gate did not pass".to_owned());
        }
        let (version, images) = (first.version().clone(), first.images());
        for part in promotions {
            let mut plan = part.plan.clone().with_version(version.clone());
            plan.images.recorded.clone_from(&images);
            let (execution, mut progress) = self.begin(part, plan);
            finish(&execution, &mut progress, blocked.as_deref()).await;
            self.under_way.push((execution, progress));
        }
    }

    /// Leaves the records of the gate, and returns the outcome of each part. The first `gates` parts are the gates.
    async fn end(mut self, gates: usize) -> Vec<Outcome> {
        if let Some(verdict) = verdict(self.under_way.iter().take(gates).map(|(_, progress)| progress)) {
            for (execution, progress) in &mut self.under_way {
                Box::pin(execution.judge(progress, &verdict)).await;
            }
        }
        let mut ended = Vec::new();
        for (execution, progress) in self.under_way {
            ended.push(execution.end(progress).await);
        }
        ended
    }
}

/// Runs the remaining steps, or skips them with the reason.
async fn finish(execution: &Execution<'_>, progress: &mut Progress, blocked: Option<&str>) {
    match blocked {
        None => Box::pin(execution.waves(progress, None)).await,
        Some(reason) => execution.skip(progress, reason),
    }
}

/// The gate's verdict about its images. A test that fails in one environment fails all of them. `None` if the gate
/// could not run in every environment.
fn verdict<'a>(mut gates: impl Iterator<Item = &'a Progress> + Clone) -> Option<Result<(), String>> {
    if let Some(failed) = gates.clone().find_map(Progress::failed_test) {
        return Some(Err(failed));
    }
    gates.all(Progress::tested).then_some(Ok(()))
}
