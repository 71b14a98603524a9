//! From the world to the exit code: inputs → context → plan → execute → report.

use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::{self, Asked, Flags};
use crate::context::{self, Context, Job, Paths, Request};
use crate::error::{Exit, Failure};
use crate::execute::{Edges, Execution, Remote, Site};
use crate::git::Git;
use crate::github::GitHub;
use crate::inputs::{Inputs, OutputFormat};
use crate::kube::Kubeconfig;
use crate::logins::Login;
use crate::oci::{Client, Credentials, Keyring, Settings};
use crate::outcome::{Event, Outcome};
use crate::output::Masker;
use crate::plan::{Place, Plan, Step};
use crate::process::{Signals, StopSignal};
use crate::registry;
use crate::report::{self, Annotations, Console, Json, Listener, Log, Outputs, Reporter, Summary};
use crate::retry::{Policy, Watcher};
use crate::secret::Secret;
use crate::workspace::KeptFile;
use crate::world::{Env, World};

/// Does what the arguments and the environment ask for. Text goes to `out`, complaints of the
/// command line and of local runs to `err`.
pub async fn run(world: World, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Exit {
    let github = world.env.get("GITHUB_ACTIONS") == Some("true");
    let console = Console::new(out, err, github, Masker::new(&[]));
    // In the action an empty `command` is its default.
    let asked = cli::parse(&world.args, github || world.env.get("INPUT_COMMAND").is_some());
    let ended = match asked {
        Asked::Said(text, answer) => {
            if answer {
                console.say(text.trim_end());
                return Exit::Passed;
            }
            console.complain(text.trim_end());
            return Exit::Usage;
        }
        Asked::Image(matches) => crate::images::run(&world, &matches, &console).await,
        Asked::Tool(name, matches) => Box::pin(crate::tools::run(&world, &name, &matches, &console)).await,
        Asked::Gate(flags) => Box::pin(gate(&world, &flags, &console)).await,
    };
    ended.unwrap_or_else(|failure| {
        report::failed(&console, &world.env, &failure);
        failure.exit
    })
}

async fn gate(world: &World, flags: &Flags, console: &Console) -> Result<Exit, Failure> {
    let inputs = Inputs::read(|spec| spec.text(flags.text(spec), &world.env))?;
    let masker = console.masker();
    masker.add(&secrets(&inputs, &world.env));
    let request = Request::new(inputs)?;
    // Reading the Makefile comes next, and it may print any of them.
    masker.add(request.env_vars.iter().map(|(_, secret)| secret));
    let signals = Signals::listen()?;
    let job = if console.is_github() { Some(Job::read(&world.env)?) } else { None };
    let paths = Paths::new(world, job.as_ref(), &request.inputs.working_directory)?;
    let report_path = paths.logs.join("report.json");
    let reporter = reporter(world, console, &report_path);
    let watcher = watcher(&reporter);
    let git = Git::new(&world.env).retrying(Policy::default(), watcher.clone());
    let mut stop = signals.stop();
    let prepared = async {
        let mut server = None;
        let inputs = request.inputs.clone();
        let registry = embedded(&request, job.as_ref(), &paths, &mut server);
        let (mut request, mut paths) = (request, paths);
        let client = |repository: &_| crate::tools::client(world, &inputs, repository, console);
        context::settle(world, &mut request, job.as_ref(), &mut paths, &git, client).await?;
        let context = Context::gather(world, request, job, paths, &git, registry).await?;
        let plan = context.plan()?;
        Ok::<_, Failure>((server, context, plan))
    };
    let (server, context, plan) = tokio::select! {
        prepared = prepared => prepared?,
        signal = stop.wait() => return Err(interrupted(signal)),
    };
    if context.request.dry_run {
        show(console, &plan, context.request.inputs.output)?;
        let outcome = Outcome::of_plan(plan, world.now, context.paths.logs.display().to_string());
        outputs(world, console, &report_path).hear(&Event::Ended(&outcome));
        Json::new(report_path, masker).hear(&Event::Ended(&outcome));
        return Ok(Exit::Passed);
    }
    let logins = logins(&context)?;
    masker.add(&logins.iter().map(|login| basic(&login.username, &login.password)).collect::<Vec<_>>());
    let edges = edges(world, &context, &plan, &logins, git, watcher)?;
    let site = site(world, context, &plan, logins)?;
    masker.add(&site.kubeconfig.secrets());
    let execution = Execution { site: &site, edges: &edges, reporter, masker, stop: signals.stop() };
    let outcome = execution.run(plan, world.now).await;
    if let Some(server) = server {
        server.stop().await;
    }
    Ok(outcome.exit)
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

/// Everything secret that the inputs and the job's environment hold.
fn secrets(inputs: &Inputs, env: &Env) -> Vec<Secret> {
    let passwords =
        [&inputs.registry_password, &inputs.source_registry_password, &inputs.dest_registry_password];
    let mut secrets: Vec<_> =
        passwords.into_iter().chain([&inputs.github_token]).flatten().cloned().collect();
    if let Some(token) = &inputs.github_token {
        secrets.push(basic("x-access-token", token));
    }
    // As powerful as each other: whoever has one acts as this job.
    for name in ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN"] {
        secrets.extend(env.get(name).map(Secret::new));
    }
    secrets
}

/// What HTTP's basic authentication makes of a login, which is as secret as the password.
fn basic(username: &str, password: &Secret) -> Secret {
    Secret::new(STANDARD.encode(format!("{username}:{}", password.expose())))
}

fn reporter(world: &World, console: &Console, report: &Path) -> Reporter {
    let mut listeners: Vec<Box<dyn Listener + Send>> = Vec::new();
    listeners.push(Box::new(Log::new(console.clone())));
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
    Watcher::new(move |again| reporter.tell(&Event::Again(&again)))
}

/// Starts the registry of a local run that was given no other, and gives its name.
fn embedded<'a>(
    request: &Request,
    job: Option<&Job>,
    paths: &Paths,
    server: &'a mut Option<registry::Server>,
) -> impl Future<Output = Result<Option<String>, Failure>> + use<'a> {
    let embeds = job.is_none() && request.inputs.registry.is_none();
    let options = registry::Options::at(&paths.registry);
    let dry_run = request.dry_run;
    async move {
        let address = match (embeds, dry_run) {
            (false, _) => return Ok(None),
            // A plan is only shown: nothing listens, and nothing is written.
            (true, true) => "127.0.0.1:0".to_owned(),
            (true, false) => server.insert(registry::Server::start(options).await?).address().to_string(),
        };
        Ok(Some(format!("{address}/local")))
    }
}

fn show(console: &Console, plan: &Plan, format: OutputFormat) -> Result<(), Failure> {
    match format {
        // The matrix is printed before there is a plan.
        OutputFormat::Text | OutputFormat::Matrix => console.say(plan.to_string().trim_end()),
        OutputFormat::Json => {
            let json = serde_json::to_string_pretty(plan).map_err(|error| Failure {
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

fn edges(
    world: &World,
    context: &Context,
    plan: &Plan,
    logins: &[Login],
    git: Git,
    watcher: Watcher,
) -> Result<Edges, Failure> {
    let inputs = &context.request.inputs;
    let mut keyring = Keyring::from_env(&world.env)?;
    for Login { registry, username, password } in logins.iter().cloned() {
        keyring = keyring.with(&registry, Credentials::Password { username, password });
    }
    let oci = Client::new(Settings { keyring, watcher: watcher.clone(), ..Settings::default() });
    let remote = match &context.job {
        Some(job) if plan.version.create => {
            let github = GitHub::new(&job.api_url, &job.repository, inputs.github_token.clone())?
                .retrying(Policy::default(), watcher);
            Some(Remote {
                github,
                url: job.git_url(),
                token: inputs.github_token.clone(),
                prefix: context.prefix.clone(),
                commit: context.standing.commit.clone(),
                kind: context.kind.clone(),
                tags: context.tags.clone(),
            })
        }
        _ => None,
    };
    Ok(Edges { oci, git, remote })
}

/// The logins of the inputs, each to the registry that it was given for.
fn logins(context: &Context) -> Result<Vec<Login>, Failure> {
    let inputs = &context.request.inputs;
    let given = [
        ("registry", context.own_registry(), &inputs.registry_username, &inputs.registry_password),
        (
            "source-registry",
            context.source_registry(),
            &inputs.source_registry_username,
            &inputs.source_registry_password,
        ),
        (
            "dest-registry",
            context.destination_registry(),
            &inputs.dest_registry_username,
            &inputs.dest_registry_password,
        ),
    ];
    let mut logins = Vec::new();
    for (input, registry, username, password) in given {
        let (Some(registry), Some(password)) = (registry, password) else { continue };
        let host = registry.split('/').next().unwrap_or_default();
        let google = host.ends_with("-docker.pkg.dev") || host == "gcr.io" || host.ends_with(".gcr.io");
        let username = match username {
            Some(username) => username.clone(),
            None if google => "oauth2accesstoken".to_owned(),
            None => {
                return Err(Failure::usage(
                    format!("the input `{input}-password` is set and `{input}-username` is not"),
                    format!(
                        "give the user of {registry}: `{input}-username: ${{{{ github.actor }}}}`; nothing was run"
                    ),
                ));
            }
        };
        let login = Login { registry: registry.to_owned(), username, password: password.clone() };
        login.check()?;
        logins.push(login);
    }
    Ok(logins)
}

/// The flags with which a target means on a laptop what it means here.
fn flags(inputs: &Inputs) -> Vec<(&'static str, String)> {
    let directory =
        Some(&inputs.working_directory).filter(|directory| !matches!(directory.as_str(), "." | ""));
    let given = [
        ("--working-directory", directory),
        ("--tenant-name", inputs.tenant_name.as_ref()),
        ("--app-name", inputs.app_name.as_ref()),
    ];
    given.into_iter().filter_map(|(flag, value)| Some((flag, value?.clone()))).collect()
}

fn site(world: &World, context: Context, plan: &Plan, logins: Vec<Login>) -> Result<Site, Failure> {
    let inputs = &context.request.inputs;
    let directory = &context.paths.base;
    let kube_context = context.kube_context();
    let kubeconfig = match (&inputs.kubeconfig, context.place) {
        (Some(input), _) => Kubeconfig::of_input(input, directory)?,
        // A job's own is what the job is about; a laptop's is touched only when a context is named.
        (None, place) if place == Place::Github || kube_context.is_some() => {
            match world.env.path("KUBECONFIG") {
                Some(list) => Kubeconfig::load(list.as_os_str(), directory)?,
                None if kube_context.is_some() => {
                    let home = world.env.path("HOME").unwrap_or_default().join(".kube/config");
                    Kubeconfig::load(home.as_os_str(), directory)?
                }
                None => Kubeconfig::empty(),
            }
        }
        (None, _) => Kubeconfig::empty(),
    };
    // A context that is not there is told before anything runs.
    for target in plan.steps.iter().filter_map(Step::target) {
        kubeconfig.for_target(kube_context.as_deref(), target.namespace.as_deref())?;
    }
    let credentials = match (context.place, world.env.path("HOME")) {
        (Place::Github, Some(home)) => {
            Some(KeptFile::of(home.join(".config/gcloud/application_default_credentials.json"))?)
        }
        _ => None,
    };
    Ok(Site {
        place: context.place,
        env: world.env.clone(),
        binary: std::env::current_exe()?,
        flags: flags(inputs),
        copy_limit: inputs.copy_limit.0,
        logins,
        kubeconfig,
        kube_context,
        credentials,
        paths: context.paths,
    })
}
