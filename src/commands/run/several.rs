//! The parts of a run: one for each environment of the gate, and one for each promotion besides the
//! first. All are prepared before any is run; then they run one after the other, into one outcome.

use std::future::{Future, ready};
use std::path::Path;
use std::time::Instant;

use crate::domain::image::ImagePath;
use crate::domain::outcome::{Event, Outcome};
use crate::edges::git::Git;
use crate::gate::context::{self, Context, Job, Paths, Request};
use crate::gate::execute::{Edges, Execution, Progress, Site, builder};
use crate::gate::plan::{Action, Job as Work, Plan};
use crate::inputs::Command;
use crate::report::Reporter;
use oci::Client;
use sys::error::Failure;
use sys::process::Stop;
use sys::world::World;
use workflow_commands::{Level, Masker};

/// One part, as far as it is known.
pub(super) struct Gathered {
    pub(super) context: Context,
    pub(super) plan: Plan,
    /// The environment, where there are several.
    pub(super) name: Option<String>,
}

/// One part, ready to run.
pub(super) struct Part {
    pub(super) plan: Plan,
    pub(super) site: Site,
    pub(super) edges: Edges,
    pub(super) name: Option<String>,
}

/// Gathers the facts of all parts and plans them. `registry` gives the name of ours, for a local run;
/// `client` makes a client for what a plan is about.
pub(super) async fn gather(
    world: &World,
    requests: Vec<Request>,
    job: Option<&Job>,
    paths: &mut Option<Paths>,
    git: &Git,
    registry: impl Future<Output = Result<Option<String>, Failure>>,
    client: impl AsyncFn(&Context, &Plan) -> Result<Client, Failure>,
) -> Result<Vec<Gathered>, Failure> {
    let mut parts: Vec<Gathered> = Vec::new();
    let mut registry = Some(registry);
    let several = requests.len() > 1;
    for mut request in requests {
        // All environments of a later gate test what the first one has, which is what goes on.
        let first = parts.first().and_then(|part| part.context.request.later.as_ref()?.version.clone());
        let name = request.facing.as_ref().map(|name| name.text.clone()).filter(|_| several);
        let gathered = async {
            let mut paths = match (&name, paths.as_mut()) {
                (Some(name), Some(paths)) => paths.apart(name)?,
                _ => paths.take().ok_or_else(|| Failure::usage("there are no directories", ""))?,
            };
            let decided = first.filter(|_| request.inputs.version.is_none());
            if decided.is_some() {
                request.inputs.version.clone_from(&decided);
            }
            Box::pin(context::settle(world, &mut request, job, &mut paths, git, &client)).await?;
            if let (Some(later), Some(_)) = (&mut request.later, decided) {
                "the version of the first environment".clone_into(&mut later.because);
            }
            let job = job.cloned();
            let context = match registry.take() {
                Some(registry) => Context::gather(world, request, job, paths, git, registry).await?,
                None => Context::gather(world, request, job, paths, git, ready(Ok(None))).await?,
            };
            Ok::<_, Failure>((context.plan()?, context))
        };
        let (plan, context) = Box::pin(gathered).await.map_err(|failure: Failure| match &name {
            Some(name) => failure.context(format!("the gate cannot run in the environment {name}")),
            None => failure,
        })?;
        parts.push(Gathered { context, plan, name });
    }
    if let Some(paths) = paths {
        paths.forget_old_runs();
    }
    let promotions = other_promotions(world, &parts, git).await?;
    let named = several || !promotions.is_empty();
    let named = parts.into_iter().map(|Gathered { context, plan, name }| {
        let to = context.destination_environment().filter(|_| named);
        let plan = plan.in_environments(name.as_deref(), to);
        Gathered { context, plan, name }
    });
    Ok(named.chain(promotions).collect())
}

/// The promotions to the other environments of the next gate.
async fn other_promotions(world: &World, parts: &[Gathered], git: &Git) -> Result<Vec<Gathered>, Failure> {
    let mut promotions: Vec<Gathered> = Vec::new();
    let Some(first) = parts.first().filter(|first| destination(&first.plan).is_some()) else {
        return Ok(promotions);
    };
    let gate = &first.context;
    let source = gate.environment().map(str::to_owned);
    for request in context::other_promotions(&gate.request, source.as_deref(), &first.plan.version.version)? {
        let name = request.inputs.dest_environment.clone().unwrap_or_default();
        let paths = gate.paths.apart(&name)?;
        let gathered = Context::gather(world, request, gate.job.clone(), paths, git, ready(Ok(None)));
        let context = Box::pin(gathered).await?;
        let plan = context.plan().map_err(|failure| {
            failure.context(format!("nothing can be promoted to the environment {name}"))
        })?;
        // Environments may share a registry.
        let there =
            |plan: &Plan| destination(plan).is_some() && destination(plan) == destination(&first.plan);
        if !there(&plan) {
            let plan = plan.in_environments(Some(&name), Some(&name));
            promotions.push(Gathered { context, plan, name: Some(name) });
        }
    }
    Ok(promotions)
}

/// Where a plan promotes to.
fn destination(plan: &Plan) -> Option<&ImagePath> {
    plan.steps.iter().filter(|step| step.action == Action::Run).find_map(|step| match &step.job {
        Work::Promote(promotion) => Some(&promotion.destination),
        _ => None,
    })
}

/// Runs all parts. One that fails stops none of the others, but nothing is promoted then.
pub(super) async fn run(
    world: &World,
    mut parts: Vec<Part>,
    logs: &Path,
    reporter: &Reporter,
    masker: &Masker,
    stop: &Stop,
) -> Option<Outcome> {
    let mut told = stop.clone();
    for part in &mut parts {
        let made = builder(&part.site.env, &part.site.paths.directory, part.site.cache);
        let (cache, warning) = tokio::select! {
            made = made => made,
            // Nothing will be built.
            _ = told.wait() => (part.site.cache, None),
        };
        (part.site.cache, part.plan.build_cache) = (cache, cache);
        part.plan.warnings.extend(warning);
    }
    let clock = Instant::now();
    let now = || {
        let passed = jiff::SignedDuration::try_from(clock.elapsed()).unwrap_or_default();
        world.now.checked_add(passed).unwrap_or(world.now)
    };
    let executions: Vec<_> = parts
        .iter()
        .map(|part| Execution {
            site: &part.site,
            edges: &part.edges,
            reporter: reporter.clone(),
            masker: masker.clone(),
            stop: stop.clone(),
        })
        .collect();
    let all: Vec<_> = executions.iter().zip(&parts).collect();
    // The other promotions come last, as the first one does.
    let gates = parts.iter().take_while(|part| !is_other_promotion(part, &parts)).count();
    let (gates, promotions) = all.split_at(gates.min(all.len()));
    let mut under_way: Vec<Progress> = Vec::new();
    for (position, (execution, part)) in gates.iter().enumerate() {
        announce(reporter, part, position, gates.len());
        let mut plan = part.plan.clone();
        match under_way.first() {
            // It may have created the tag; it is the same commit.
            Some(first) if plan.command == Command::FastFeedback => {
                plan = plan.with_version(first.version().clone());
            }
            // What goes on is the first one's image: the others have to test just that.
            Some(first) => plan.images.recorded = first.images(),
            None => {}
        }
        let mut progress = execution.begin(plan, now());
        let alone = gates.len() == 1;
        let before_promotion = progress.promotion().filter(|_| !alone);
        Box::pin(execution.waves(&mut progress, before_promotion)).await;
        under_way.push(progress);
    }
    let failed: Vec<_> = gates
        .iter()
        .zip(&under_way)
        .filter(|(_, progress)| !progress.passed())
        .filter_map(|((_, part), _)| part.name.clone())
        .collect();
    let reason = format!("the gate did not pass in {}", failed.join(" and "));
    if let (Some((execution, _)), Some(progress)) = (gates.first(), under_way.first_mut()) {
        if failed.is_empty() {
            Box::pin(execution.waves(progress, None)).await;
        } else {
            execution.skip(progress, &reason);
        }
    }
    for (execution, part) in promotions {
        let (version, images, passed) = match under_way.first() {
            Some(first) => (first.version().clone(), first.images(), first.passed()),
            None => continue,
        };
        let mut plan = part.plan.clone().with_version(version);
        plan.images.recorded = images;
        let mut progress = execution.begin(plan, now());
        if passed && failed.is_empty() {
            Box::pin(execution.waves(&mut progress, None)).await;
        } else {
            execution.skip(&mut progress, if failed.is_empty() { "the gate did not pass" } else { &reason });
        }
        under_way.push(progress);
    }
    if let Some(verdict) = verdict(under_way.iter().take(gates.len())) {
        for (execution, progress) in executions.iter().zip(&mut under_way) {
            Box::pin(execution.judge(progress, &verdict)).await;
        }
    }
    let mut ended = Vec::new();
    for (execution, progress) in executions.iter().zip(under_way) {
        ended.push(execution.end(progress).await);
    }
    let outcome = Outcome::joined(ended)?;
    let outcome = Outcome { logs: logs.display().to_string(), ..outcome };
    reporter.emit(&Event::Ended(&outcome));
    Some(outcome)
}

/// What the gate found out about its images: a test that fails in one environment fails all of it. Nothing,
/// where it could not run everywhere.
fn verdict<'a>(gates: impl Iterator<Item = &'a Progress> + Clone) -> Option<Result<(), String>> {
    if let Some(failed) = gates.clone().find_map(Progress::failed_test) {
        return Some(Err(failed));
    }
    gates.into_iter().all(Progress::tested).then_some(Ok(()))
}

/// Whether a part is a promotion besides the one that the gate itself plans.
fn is_other_promotion(part: &Part, parts: &[Part]) -> bool {
    part.plan.command == Command::Promote
        && parts.first().is_some_and(|first| first.plan.command != Command::Promote)
}

/// Says which environment comes now, where there are several.
fn announce(reporter: &Reporter, part: &Part, position: usize, of: usize) {
    if let (Some(name), true) = (&part.name, of > 1) {
        let text = format!("\nenvironment {name}, {} of {of}:", position + 1);
        reporter.emit(&Event::Said(Level::Notice, &text));
    }
}
