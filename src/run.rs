//! From the world to the exit code: inputs → context → plan → execute → report.

use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::{self, Asked, Flags};
use crate::context::{Context, Job, Paths, Request};
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
use crate::plan::{Place, Plan};
use crate::process::Signals;
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
    let asked = cli::parse(&world.args, world.env.get("INPUT_COMMAND").is_some());
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
    let signals = Signals::listen()?;
    let job = if console.is_github() { Some(Job::read(&world.env)?) } else { None };
    let paths = Paths::new(world, job.as_ref(), &request.inputs.working_directory)?;
    let report_path = paths.logs.join("report.json");
    let reporter = reporter(world, console, &report_path);
    let watcher = watcher(&reporter);
    let git = Git::new(&world.env).retrying(Policy::default(), watcher.clone());
    let mut stop = signals.stop();
    let prepared = async {
        let server = embedded(&request, job.as_ref(), &paths).await?;
        let registry = server.as_ref().map(|server| format!("{}/local", server.address()));
        let context = Context::gather(world, request, job, paths, &git, registry).await?;
        let plan = context.plan()?;
        Ok::<_, Failure>((server, context, plan))
    };
    let (server, context, plan) = tokio::select! {
        prepared = prepared => prepared?,
        signal = stop.wait() => return Ok(Exit::Interrupted(signal.number())),
    };
    masker.add(context.env_vars().iter().map(|(_, secret)| secret));
    if context.request.dry_run {
        show(console, &plan, context.request.inputs.output)?;
        outputs(world, console, &report_path).hear(&Event::Ended(&Outcome::of_plan(plan, world.now)));
        return Ok(Exit::Passed);
    }
    let edges = edges(world, &context, &plan, git, watcher)?;
    let site = site(world, context)?;
    let execution = Execution { site: &site, edges: &edges, reporter, masker, stop: signals.stop() };
    let outcome = execution.run(plan, world.now).await;
    if let Some(server) = server {
        server.stop().await;
    }
    Ok(outcome.exit)
}

/// Everything secret that is known before anything runs.
fn secrets(inputs: &Inputs, env: &Env) -> Vec<Secret> {
    let passwords = [
        (&inputs.registry_username, &inputs.registry_password),
        (&inputs.source_registry_username, &inputs.source_registry_password),
        (&inputs.dest_registry_username, &inputs.dest_registry_password),
    ];
    let mut secrets: Vec<_> = inputs.github_token.iter().cloned().collect();
    for (username, password) in passwords {
        if let Some(password) = password {
            let user = username.as_deref().unwrap_or_default();
            secrets.push(Secret::new(STANDARD.encode(format!("{user}:{}", password.expose()))));
            secrets.push(password.clone());
        }
    }
    if let Some(token) = &inputs.github_token {
        secrets.push(Secret::new(STANDARD.encode(format!("x-access-token:{}", token.expose()))));
    }
    // As powerful as each other: whoever has one acts as this job.
    for name in ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN"] {
        secrets.extend(env.get(name).map(Secret::new));
    }
    secrets
}

fn reporter(world: &World, console: &Console, report: &Path) -> Reporter {
    let mut listeners: Vec<Box<dyn Listener + Send>> = Vec::new();
    if console.is_github() {
        listeners.push(Box::new(Annotations::new(console.clone())));
    }
    listeners.push(Box::new(Log::new(console.clone())));
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

/// The registry of a local run that was given no other.
async fn embedded(
    request: &Request,
    job: Option<&Job>,
    paths: &Paths,
) -> Result<Option<registry::Server>, Failure> {
    if job.is_some() || request.inputs.registry.is_some() {
        return Ok(None);
    }
    Ok(Some(registry::Server::start(registry::Options::at(&paths.registry)).await?))
}

fn show(console: &Console, plan: &Plan, format: OutputFormat) -> Result<(), Failure> {
    match format {
        OutputFormat::Text => console.say(plan.to_string().trim_end()),
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
    git: Git,
    watcher: Watcher,
) -> Result<Edges, Failure> {
    let inputs = &context.request.inputs;
    let mut keyring = Keyring::from_env(&world.env)?;
    for login in logins(context) {
        keyring = keyring.with(
            &login.registry,
            Credentials::Password { username: login.username, password: login.password },
        );
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

/// The logins of the inputs. One without a user's name is that of Google's registries.
fn logins(context: &Context) -> Vec<Login> {
    let inputs = &context.request.inputs;
    let own = context.own_registry();
    let destination = context.destination_registry();
    let given = [
        (own, &inputs.registry_username, &inputs.registry_password),
        (
            inputs.source_registry.as_deref(),
            &inputs.source_registry_username,
            &inputs.source_registry_password,
        ),
        (destination, &inputs.dest_registry_username, &inputs.dest_registry_password),
    ];
    given
        .into_iter()
        .filter_map(|(registry, username, password)| {
            Some(Login {
                registry: registry?.to_owned(),
                username: username.clone().unwrap_or_else(|| "oauth2accesstoken".to_owned()),
                password: password.clone()?,
            })
        })
        .collect()
}

fn site(world: &World, context: Context) -> Result<Site, Failure> {
    let logins = logins(&context);
    let inputs = &context.request.inputs;
    let directory = &context.paths.directory;
    let kubeconfig = match (&inputs.kubeconfig, context.place) {
        (Some(input), _) => Kubeconfig::of_input(input, directory)?,
        // A job's own is what the job is about; a laptop's is touched only when a context is named.
        (None, place) if place == Place::Github || inputs.kube_context.is_some() => {
            match world.env.path("KUBECONFIG") {
                Some(list) => Kubeconfig::load(list.as_os_str(), directory)?,
                None if inputs.kube_context.is_some() => {
                    let home = world.env.path("HOME").unwrap_or_default().join(".kube/config");
                    Kubeconfig::load(home.as_os_str(), directory)?
                }
                None => Kubeconfig::empty(),
            }
        }
        (None, _) => Kubeconfig::empty(),
    };
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
        working_directory: inputs.working_directory.clone(),
        copy_limit: inputs.copy_limit.0,
        logins,
        kubeconfig,
        kube_context: inputs.kube_context.clone(),
        credentials,
        paths: context.paths,
    })
}
