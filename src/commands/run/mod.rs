//! From the world to the exit code: inputs → context → plan → execute → report.

mod news;
mod parts;
mod several;
mod trusted;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::trusted::Trusted;
use crate::cli::{self, Asked, Flags};
use crate::domain::outcome::{Event, Outcome};
use crate::edges::git::Git;
use crate::gate::context::{self, Context, Job, Paths, Request};
use crate::gate::plan::Plan;
use crate::inputs::{self, Command, Inputs, OutputFormat, Read};
use crate::report::{self, Annotations, Console, Json, Listener, Log, Outputs, Reporter, Summary};
use registry::{self, Trimmed};
use sys::error::{Exit, Failure};
use sys::http;
use sys::process::{Signals, Stop, StopSignal};
use sys::removals::Removals;
use sys::retry::{Policy, Watcher};
use sys::world::World;
use workflow_commands::Level;
use workflow_commands::Secret;

/// Does what the arguments and the environment ask for. Text goes to `out`, complaints of the
/// command line and of local runs to `err`.
pub async fn run(world: World, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Exit {
    let world = inputs::reserve(world);
    let github = world.env.get("GITHUB_ACTIONS") == Some("true");
    let console = Console::new(out, err, github, world.terminal);
    if let Some(warning) = http::trust(&world.env) {
        if github {
            console.annotate_text(Level::Warning, "certificates", &warning);
        } else {
            console.complain(&format!("warning: {warning}"));
        }
    }
    // In the action an empty `command` is its default.
    let asked = cli::parse(&world.args, github || world.reserved.get("INPUT_COMMAND").is_some());
    // Scripts read what these print.
    if matches!(asked, Asked::Image(_) | Asked::Tool(..)) {
        console.only_answers();
    }
    let ended = match asked {
        Asked::Said(text, answer) => {
            if answer {
                console.say(text.trim_end());
                return Exit::Passed;
            }
            console.complain(text.trim_end());
            return Exit::Usage;
        }
        Asked::Image(matches) => {
            Box::pin(interruptible(crate::commands::images::run(&world, &matches, &console))).await
        }
        Asked::Tool(name, matches) => {
            Box::pin(crate::commands::tools::run(&world, &name, &matches, &console)).await
        }
        // What it failed of it has told.
        Asked::Gate(flags) => {
            return Box::pin(gate(&world, &flags, &console)).await.unwrap_or_else(|failure| failure.exit);
        }
    };
    ended.unwrap_or_else(|failure| {
        report::failed(&console, &world.env, &failure, None);
        failure.exit
    })
}

/// Work that a signal ends, with its temporary files removed.
async fn interruptible(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    let mut stop = signals.stop();
    tokio::select! {
        ended = work => ended,
        signal = stop.wait() => {
            Err(Failure { what: format!("interrupted by {}", signal.name()), ..interrupted(signal) })
        }
    }
}

/// How long after a signal files of ours are still removed. What is left then, a copy of the workspace, goes
/// with the job; the runner kills the step after ten seconds.
const LAST: Duration = Duration::from_millis(8500);

async fn gate(world: &World, flags: &Flags, console: &Console) -> Result<Exit, Failure> {
    let (mut logs, mut signals) = (None, None);
    let removals = Removals::default();
    let read = Inputs::read(|spec| spec.text(flags.text(spec), &world.reserved))
        .inspect_err(|failure| report::failed(console, &world.env, failure, None))?;
    if read.inputs.dry_run || read.inputs.command == Command::Plan {
        console.only_answers();
    }
    // Before anything else: wrong inputs hold secrets, too.
    console.hide(&read.secrets);
    console.hide(&secrets(&read.inputs, world));
    let slack = news::Slack::new(world, &read.inputs, console);
    let ended = Box::pin(prepared(world, read, console, &removals, &mut signals, &mut logs)).await;
    if let Err(failure) = &ended {
        let logs = logs.or_else(|| Paths::logs_of_failure(&world.env).filter(|_| console.is_github()));
        report::failed(console, &world.env, failure, logs.as_deref().map(|logs| (logs, world.now)));
    }
    if let Some(slack) = slack {
        Box::pin(slack.tell(&ended, console)).await;
    }
    if let Some(mut stop) = signals.as_ref().map(Signals::stop) {
        tokio::select! {
            () = removals.done() => {}
            () = stop.over(LAST) => {}
        }
    }
    Ok(ended?.map_or(Exit::Passed, |outcome| outcome.exit))
}

/// Runs the gate; there is no outcome of a plan that is only shown. Where it fails before there is one,
/// `logs` is the directory for the report, if there is one already. What is still being removed when it ends
/// is among the `removals`.
async fn prepared(
    world: &World,
    read: Read,
    console: &Console,
    removals: &Removals,
    signals: &mut Option<Signals>,
    logs: &mut Option<PathBuf>,
) -> Result<Option<Outcome>, Failure> {
    let masker = console.masker();
    let mut request = Request::new(read)?;
    // Reading the Makefile comes next, and it may print any of them.
    console.hide(request.env_vars.iter().map(|(_, secret)| secret));
    if request.dry_run && request.inputs.output == OutputFormat::Matrix {
        report::matrix(console, &world.env, &context::matrix(&request)?)?;
        return Ok(None);
    }
    let signals = signals.insert(Signals::listen()?);
    if !console.is_github() {
        tokio::spawn(say_how_to_kill(signals.stop(), console.clone()));
    }
    let job = if console.is_github() { Some(Job::read(&world.env)?) } else { None };
    let paths = Paths::new(world, job.as_ref(), &request, removals)?;
    let report_path = paths.logs.join("report.json");
    let all_logs = paths.logs.clone();
    *logs = paths.keeps_logs().then(|| paths.logs.clone());
    // Scripts read what these print.
    let bare = job.is_none() && matches!(request.command, Command::Version | Command::Latest);
    let log = if bare { Log::of_version(console.clone()) } else { Log::new(console.clone()) };
    let reporter = reporter(world, console, log, &report_path);
    for warning in parts::insecure(&request.inputs)?.1 {
        reporter.emit(&Event::Said(Level::Warning, &warning));
    }
    let watcher = watcher(&reporter);
    let trusted = Trusted::read(world, &request.inputs, &paths.base)?;
    let world = &trusted.world;
    let git = Git::new(&world.env)
        .in_workspace(job.as_ref().map(|job| job.workspace.as_path()))
        .retrying(Policy::default(), watcher.clone());
    let git = if request.inputs.github_token.is_some() { git.pinned().await? } else { git };
    let mut stop = signals.stop();
    let (dry_run, format, cache_limit) =
        (request.dry_run, request.inputs.output, request.inputs.cache_limit.0);
    let mut server = None;
    // Holds what is left of the directories until the end.
    let mut paths = Some(paths);
    let gathered = async {
        if let Some(paths) = &paths {
            context::refuse_strangers(&mut request, job.as_ref(), paths, &git).await?;
        }
        let registry = embedded(&request, job.as_ref(), paths.as_ref(), &mut server);
        let client = async |context: &Context, plan: &Plan| {
            parts::client(&trusted, context, plan, git.clone(), watcher.clone(), console, &reporter).await
        };
        let requests = context::split(request)?;
        several::gather(world, requests, job.as_ref(), &mut paths, &git, registry, client).await
    };
    let gathered = tokio::select! {
        gathered = Box::pin(gathered) => gathered?,
        signal = stop.wait() => return Err(interrupted(signal)),
    };
    // What a run would stumble over without the network, a plan finds too.
    let mut parts = Vec::new();
    for several::Gathered { context, plan, name } in gathered {
        let logins = parts::logins(&context)?;
        console.hide(
            &logins.all().map(|login| parts::basic(&login.username, &login.password)).collect::<Vec<_>>(),
        );
        let told = console.secrets();
        let mut edges = parts::edges(&trusted, &context, &plan, &logins, git.clone(), watcher.clone(), told)?;
        edges.pushes = server.as_ref().map(registry::Local::pushes).transpose()?;
        let site = parts::site(&trusted, context, &plan, logins)?;
        console.hide(&site.kubeconfig.secrets());
        parts.push(several::Part { plan, site, edges, name });
    }
    if dry_run {
        let plans: Vec<_> = parts.into_iter().map(|part| part.plan).collect();
        show(console, &plans, format)?;
        let of_plan = |plan| Outcome::of_plan(plan, world.now, all_logs.display().to_string());
        if let (Some(_), Some(outcome)) = (logs, Outcome::joined(plans.into_iter().map(of_plan).collect())) {
            outputs(world, console, &report_path).hear(&Event::Ended(&outcome));
            Json::new(report_path, masker).hear(&Event::Ended(&outcome));
        }
        return Ok(None);
    }
    let outcome = Box::pin(several::run(world, parts, &all_logs, &reporter, &masker, &signals.stop())).await;
    if let Some(local) = server {
        forget_old_images(local, cache_limit, console).await;
    }
    Ok(outcome)
}

/// Whoever presses Ctrl-C once is told what a second time does.
async fn say_how_to_kill(mut stop: Stop, console: Console) {
    let signal = stop.wait().await;
    console.complain(&format!(
        "{}: what runs has a few seconds to clean up; Ctrl-C again kills it",
        signal.name()
    ));
}

/// We were told to stop before there was a plan.
fn interrupted(signal: StopSignal) -> Failure {
    Failure {
        what: format!("interrupted by {}; nothing was run", signal.name()),
        causes: Vec::new(),
        help: None,
        exit: Exit::Interrupted(signal.number()),
    }
}

/// What follows from the secret inputs, and the secrets of the job's environment.
fn secrets(inputs: &Inputs, world: &World) -> Vec<Secret> {
    let token = inputs.github_token.iter().map(|token| parts::basic("x-access-token", token));
    let mut secrets: Vec<_> = token.collect();
    // As powerful as each other: whoever has one acts as this job.
    let tokens =
        [world.reserved.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"), world.env.get("ACTIONS_RUNTIME_TOKEN")];
    secrets.extend(tokens.into_iter().flatten().map(Secret::new));
    secrets
}

fn reporter(world: &World, console: &Console, log: Log, report: &Path) -> Reporter {
    let mut listeners: Vec<Box<dyn Listener + Send>> = Vec::new();
    listeners.push(Box::new(log));
    // GitHub shows annotations in the log as well: what a step came to goes first.
    if console.is_github() {
        listeners.push(Box::new(Annotations::new(console.clone())));
    }
    if let Some(file) = world.env.path("GITHUB_STEP_SUMMARY").filter(|_| console.is_github()) {
        listeners.push(Box::new(Summary::new(file, console.masker())));
    }
    listeners.push(Box::new(outputs(world, console, report)));
    listeners.push(Box::new(Json::new(report.to_owned(), console.masker())));
    Reporter::new(listeners)
}

fn outputs(world: &World, console: &Console, report: &Path) -> Outputs {
    let file = |name| world.env.path(name).filter(|_| console.is_github());
    Outputs::new(console.clone(), file("GITHUB_OUTPUT"), file("GITHUB_ARTIFACTS"), report.to_owned())
}

fn watcher(reporter: &Reporter) -> Watcher {
    let reporter = reporter.clone();
    Watcher::new(move |again| reporter.emit(&Event::Again(&again)))
}

/// Starts the registry of a local run that was given no other, and gives its name.
fn embedded<'a>(
    request: &Request,
    job: Option<&Job>,
    paths: Option<&Paths>,
    server: &'a mut Option<registry::Local>,
) -> impl Future<Output = Result<Option<String>, Failure>> + use<'a> {
    // These two need none.
    let needless = matches!(request.command, Command::Version | Command::Release);
    let embeds = job.is_none() && request.inputs.registry.is_none() && !needless;
    let home = paths.map(|paths| registry::Home::at(&paths.registry));
    let dry_run = request.dry_run;
    async move {
        let address = match (home.filter(|_| embeds), dry_run) {
            (None, _) => return Ok(None),
            // A plan is only shown: nothing listens, and nothing is written.
            (Some(_), true) => "localhost".to_owned(),
            (Some(home), false) => server.insert(home.join().await?).address().to_string(),
        };
        Ok(Some(format!("{address}/local")))
    }
}

/// Stops the registry of a local run, and keeps its directory below the limit.
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

/// Prints the plans: as JSON a list of them, unless there is just one.
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
