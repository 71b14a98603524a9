//! The gate and its single steps: inputs → context → plan → execute → report. docs/design/prepare.md says how a run
//! is prepared, and who owns what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::comment::Commenter;
use super::environments::Shared;
use super::gathered::Gathered;
use super::interrupted;
use super::notification::Slack;
use super::prepare::gather;
use super::runner_files::RunnerFiles;
use super::trusted::Trusted;
use super::wiring::{Wiring, basic, insecure};
use crate::cli::Flags;
use crate::edges::git::Git;
use crate::gate::context::{self, GithubJob, Host, Paths, Request};
use crate::gate::outcome::{Event, Outcome};
use crate::gate::plan::Plan;
use crate::inputs::{Command, Inputs, OutputFormat, Read};
use crate::report::{
    self, Annotations, Console, Hidden, Json, Listener, Log, Outputs, Reporter, RunLinks, Summary,
};
use registry::{Local, Trimmed};
use sys::error::{Exit, Failure};
use sys::process::{Signals, Stop, adopt_daemons};
use sys::removals::Removals;
use sys::retry::{Policy, Watcher};
use sys::world::World;
use workflow_commands::{Level, Secret, neutralize};

/// How long after a signal p2p still removes its files. The rest, a copy of the workspace, is removed with the job.
/// The runner kills the step after ten seconds.
const LAST: Duration = Duration::from_millis(8500);

/// Runs a command of the gate, and reports every failure.
///
/// # Errors
/// The failure, which has been reported already.
pub(super) async fn run(world: &World, flags: &Flags, console: &Console) -> Result<Exit, Failure> {
    let read = Inputs::read(|spec| spec.text(flags.text(spec), &world.reserved))
        .inspect_err(|failure| report::failed(console, &world.env, failure, None))?;
    if read.inputs.dry_run || read.inputs.command == Command::Plan {
        console.only_answers();
    }
    // This comes first, because invalid inputs may contain secrets too.
    console.hide(&read.secrets);
    console.hide(&secrets(&read.inputs, world));
    let slack = Slack::new(world, &read.inputs, console);
    let mut run = Run::new(world, console);
    let ended = Box::pin(run.gate(read)).await;
    console.live(&[]);
    if let Err(failure) = &ended {
        run.failed(failure).await;
    }
    if let Some(pull_request) = run.pull_request.take() {
        Box::pin(pull_request.comment(&ended, console, &world.env)).await;
    }
    if let Some(slack) = slack {
        Box::pin(slack.notify(&ended, console)).await;
    }
    run.tidy_up().await;
    Ok(ended?.map_or(Exit::Passed, |outcome| outcome.exit))
}

/// A run, with everything that it owns until it ends.
struct Run<'a> {
    world: &'a World,
    console: &'a Console,
    /// Removals that run in the background.
    removals: Removals,
    signals: Option<Signals>,
    /// The directory for the report, once it exists.
    logs: Option<PathBuf>,
    /// The embedded registry of a local run without `registry`.
    registry: Option<Local>,
    /// The files that GitHub's runner reads after the step.
    runner_files: Option<RunnerFiles>,
    /// The pull request to comment on.
    pull_request: Option<Commenter>,
}

impl<'a> Run<'a> {
    fn new(world: &'a World, console: &'a Console) -> Self {
        let runner_files = console.is_github().then(|| {
            adopt_daemons();
            RunnerFiles::read(&world.env)
        });
        let removals = Removals::default();
        Self {
            world,
            console,
            removals,
            signals: None,
            logs: None,
            registry: None,
            runner_files,
            pull_request: None,
        }
    }

    /// Runs the gate. Returns no outcome if the plan is only shown.
    async fn gate(&mut self, read: Read) -> Result<Option<Outcome>, Failure> {
        let (world, console) = (self.world, self.console);
        let request = Request::new(read)?;
        // Reading the Makefile comes next, and it may print these values.
        console.hide(request.env_vars.iter().map(|(_, secret)| secret));
        if request.dry_run && request.inputs.output == OutputFormat::Matrix {
            report::matrix(console, &world.env, &context::matrix(&request)?)?;
            return Ok(None);
        }
        let mut stop = self.listen()?;
        let job = if console.is_github() { Some(GithubJob::read(&world.env)?) } else { None };
        let paths = Paths::new(world, job.as_ref(), &request, &self.removals)?;
        self.logs = paths.keeps_logs().then(|| paths.logs.clone());
        self.pull_request = job.as_ref().and_then(|job| Commenter::of(job, &request, &paths));
        let reporter = self.reporter(&request, &paths.logs);
        for warning in insecure(&request.inputs)?.1 {
            reporter.emit(&Event::Message(Level::Warning, &warning));
        }
        let trusted = Trusted::read(world, &request.inputs, &paths.base)?;
        let git = Git::new(&trusted.world.env)
            .in_workspace(job.as_ref().map(|job| job.workspace.as_path()))
            .retrying(Policy::default(), watcher(&reporter));
        let git = if request.inputs.github_token.is_some() { git.pinned().await? } else { git };
        let host = Host { world: &trusted.world, job, git };
        let wiring = Wiring { host: &host, trusted: &trusted, console, reporter: &reporter };
        let (dry_run, format, limit) = (request.dry_run, request.inputs.output, request.inputs.cache_limit.0);
        let gathered = tokio::select! {
            gathered = Box::pin(self.gathered(&wiring, request, &paths)) => gathered?,
            signal = stop.wait() => return Err(interrupted(signal)),
        };
        // A plan finds every error that a run would find without the network.
        let mut parts = Vec::new();
        for gathered in gathered {
            let pushes = self.registry.as_ref().map(Local::pushes).transpose()?;
            parts.push(wiring.part(gathered, pushes)?);
        }
        if dry_run {
            let plans: Vec<_> = parts.into_iter().map(|part| part.plan).collect();
            show(console, &plans, format)?;
            for warning in self.close().await? {
                reporter.emit(&Event::Message(Level::Warning, &warning));
            }
            self.report_plans(plans, &paths.logs);
            return Ok(None);
        }
        let shared = Shared { reporter: &reporter, masker: console.masker(), stop, began: world.now };
        let outcome = Box::pin(shared.run(parts, &paths.logs)).await;
        self.end(outcome, &reporter, limit).await
    }

    /// Finishes the run and reports its outcome. The cause of a failure is the last thing on the screen.
    async fn end(
        &mut self,
        mut outcome: Option<Outcome>,
        reporter: &Reporter,
        cache_limit: u64,
    ) -> Result<Option<Outcome>, Failure> {
        if let Some(outcome) = &mut outcome {
            for warning in self.close().await? {
                reporter.emit(&Event::Message(Level::Warning, &warning));
                outcome.warnings.push(warning);
            }
        }
        if let Some(local) = self.registry.take() {
            forget_old_images(local, cache_limit, self.console).await;
        }
        if let Some(outcome) = &outcome {
            reporter.emit(&Event::Ended(outcome));
        }
        Ok(outcome)
    }

    /// Starts to listen for signals.
    fn listen(&mut self) -> Result<Stop, Failure> {
        let signals = self.signals.insert(Signals::listen()?);
        if !self.console.is_github() {
            tokio::spawn(say_how_to_kill(signals.stop(), self.console.clone()));
        }
        Ok(signals.stop())
    }

    /// Gathers the facts and makes the plans.
    async fn gathered(
        &mut self,
        wiring: &Wiring<'_>,
        mut request: Request,
        paths: &Paths,
    ) -> Result<Vec<Gathered>, Failure> {
        request.skipped = wiring.host.refuse_strangers(&request, paths).await?;
        request.embedded_registry = self.embedded_registry(&request, paths).await?;
        // While git and make run, there is time to remove old files.
        let tidy_up = async { paths.forget_old_runs() };
        let (gathered, ()) = tokio::join!(Box::pin(gather(wiring, request, paths)), tidy_up);
        gathered
    }

    /// Starts the embedded registry for a local run without `registry`, and returns its name.
    async fn embedded_registry(
        &mut self,
        request: &Request,
        paths: &Paths,
    ) -> Result<Option<String>, Failure> {
        // These two commands do not need it.
        let image = request.targets.first().is_some_and(|word| word == "image");
        let needless = matches!(request.command, Command::Version | Command::Release)
            || request.command == Command::Scan && !image;
        if self.console.is_github() || request.inputs.registry.is_some() || needless {
            return Ok(None);
        }
        // A plan starts no server and writes nothing.
        let address = if request.dry_run {
            "localhost".to_owned()
        } else {
            let local = registry::Home::at(&paths.registry).join().await?;
            self.registry.insert(local).address().to_string()
        };
        Ok(Some(format!("{address}/local")))
    }

    fn reporter(&self, request: &Request, logs: &Path) -> Reporter {
        let console = self.console;
        // Scripts read the output of these commands.
        let bare = !console.is_github() && matches!(request.command, Command::Version | Command::Latest);
        let log = if bare { Log::of_version(console.clone()) } else { Log::new(console.clone()) };
        let mut listeners: Vec<Box<dyn Listener + Send>> = vec![Box::new(log)];
        if console.is_github() {
            // GitHub also shows annotations in the log, so the result of a step comes first.
            let hidden = Hidden::default();
            listeners.push(Box::new(Annotations::new(console.clone(), hidden.clone())));
            if let Some(file) = self.world.env.path("GITHUB_STEP_SUMMARY") {
                let links = RunLinks::of(&self.world.env);
                listeners.push(Box::new(Summary::new(file, console.masker(), links, hidden.clone())));
            }
            listeners.push(Box::new(hidden.notice(console.clone())));
        }
        let report = logs.join("report.json");
        listeners.push(Box::new(self.outputs(&report)));
        let json = Json::new(report, console.masker());
        // On a laptop, `p2p report` writes the page on demand.
        listeners.push(Box::new(if console.is_github() { json.with_page() } else { json }));
        Reporter::new(listeners)
    }

    fn outputs(&self, report: &Path) -> Outputs {
        let file = |name| self.world.env.path(name).filter(|_| self.console.is_github());
        Outputs::new(self.console.clone(), file("GITHUB_OUTPUT"), file("GITHUB_ARTIFACTS"), report.to_owned())
    }

    /// Reports plans that are only shown to the workflow.
    fn report_plans(&self, plans: Vec<Plan>, logs: &Path) {
        let of_plan = |plan| Outcome::of_plan(plan, self.world.now, logs.display().to_string());
        let outcome = Outcome::joined(plans.into_iter().map(of_plan).collect());
        if let (Some(_), Some(outcome)) = (&self.logs, outcome) {
            let report = logs.join("report.json");
            self.outputs(&report).on_event(&Event::Ended(&outcome));
            Json::new(report, self.console.masker()).on_event(&Event::Ended(&outcome));
        }
    }

    /// Ends what the repository's programs left running, and undoes their changes to the runner's files. p2p writes
    /// its outputs after that. Returns warnings.
    async fn close(&self) -> Result<Vec<String>, Failure> {
        let Some(files) = &self.runner_files else { return Ok(Vec::new()) };
        let stopped = self.signals.as_ref().is_some_and(|signals| signals.first().is_some());
        let masker = self.console.masker();
        files.close(!stopped, |text| neutralize(&masker.clean(text)).into_owned()).await
    }

    /// Reports a failure from before the execution of the plan.
    async fn failed(&self, failure: &Failure) {
        // If the processes cannot be ended, the run has failed anyway.
        for warning in self.close().await.unwrap_or_default() {
            self.console.annotate_text(Level::Warning, "p2p", &warning);
        }
        let env = &self.world.env;
        let new = || Paths::logs_of_failure(env).filter(|_| self.console.is_github());
        let logs = self.logs.clone().or_else(new);
        let logs = logs.as_deref().map(|logs| (logs, self.world.now));
        report::failed(self.console, env, failure, logs);
    }

    /// Waits until all removals are done. After a signal, it does not wait long.
    async fn tidy_up(&self) {
        let Some(signals) = &self.signals else { return };
        let mut stop = signals.stop();
        tokio::select! {
            () = self.removals.done() => {}
            () = stop.over(LAST) => {}
        }
    }
}

/// After the first Ctrl-C, says what a second one does.
async fn say_how_to_kill(mut stop: Stop, console: Console) {
    let signal = stop.wait().await;
    console.complain(&format!(
        "{}: what runs has a few seconds to clean up; Ctrl-C again kills it",
        signal.name()
    ));
}

/// Secrets that derive from the inputs, and secrets in the job's environment.
fn secrets(inputs: &Inputs, world: &World) -> Vec<Secret> {
    let token = inputs.github_token.iter().map(|token| basic("x-access-token", token));
    let mut secrets: Vec<_> = token.collect();
    // Both let their holder act as this job.
    let tokens =
        [world.reserved.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"), world.env.get("ACTIONS_RUNTIME_TOKEN")];
    secrets.extend(tokens.into_iter().flatten().map(Secret::new));
    secrets
}

fn watcher(reporter: &Reporter) -> Watcher {
    let reporter = reporter.clone();
    Watcher::new(move |again| reporter.emit(&Event::Retry(&again)))
}

/// Stops the registry of a local run, and removes old images above the limit.
async fn forget_old_images(local: registry::Local, limit: u64, console: &Console) {
    match local.stop(limit).await {
        Ok(trimmed) if trimmed.versions.is_empty() => {}
        Ok(Trimmed { versions, bytes }) => console.complain(&format!(
            "note: removed the {} oldest images of local runs ({}), because `cache-limit` was reached",
            versions.len(),
            report::size(bytes)
        )),
        Err(error) => {
            console.complain(&format!("warning: old images of local runs cannot be removed: {error}"));
        }
    }
}

/// Prints the plans. In JSON, several plans become a list.
fn show(console: &Console, plans: &[Plan], format: OutputFormat) -> Result<(), Failure> {
    match format {
        // The matrix is printed before there is a plan.
        OutputFormat::Text | OutputFormat::Matrix => {
            let texts: Vec<_> = plans.iter().map(|plan| plan.to_string().trim_end().to_owned()).collect();
            console.say(&texts.join("\n\n"));
        }
        OutputFormat::Json => {
            let json = match plans {
                [plan] => serde_json::to_string_pretty(plan),
                plans => serde_json::to_string_pretty(plans),
            };
            let json = json.map_err(|error| Failure {
                what: format!("the plan cannot be written as JSON: {error}"),
                causes: Vec::new(),
                help: None,
                exit: Exit::Failed,
            })?;
            console.say(&json);
        }
    }
    Ok(())
}
