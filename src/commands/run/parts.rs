//! The parts that an execution is joined from: the edges, the logins, the site.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::trusted::Trusted;
use crate::domain::environment::{Key, Values};
use crate::edges::git::Git;
use crate::edges::google::{Endpoints, Federation, IdTokenRequest, Settings as GoogleSettings, TOKEN_USER};
use crate::edges::kube::Kubeconfig;
use crate::edges::workspace::KeptFile;
use crate::gate::context::{self, Context};
use crate::gate::execute::{Account, Accounts, Edges, GivenLogins, Remote, Site};
use crate::gate::plan::{Job, Place, Plan, Step};
use crate::gate::record::By;
use crate::gate::tagging::Listing;
use crate::inputs::{ID_TOKEN, IdToken, Inputs, RegistryLogin, RegistryLogins, Size};
use crate::report::{Console, Reporter};
use oci::logins::Login;
use oci::{Client, Credentials, Insecure, Settings};
use sys::error::Failure;
use sys::http::Retrying;
use sys::retry::{Policy, Watcher};
use sys::sync::Mutex;
use sys::world::{Env, World};
use workflow_commands::{Secret, Secrets};

/// The largest workspace that is copied for parallel targets, unless the environment says otherwise.
const COPY_LIMIT: Size = Size(2 << 30);
/// How long a subnamespace may take to be ready, unless the environment says otherwise.
const SUBNAMESPACES_LIMIT: Duration = Duration::from_mins(2);

/// The outside systems. Nothing is asked yet.
pub(super) fn edges(
    trusted: &Trusted,
    context: &Context,
    plan: &Plan,
    logins: &GivenLogins,
    git: Git,
    watcher: Watcher,
    secrets: Secrets,
) -> Result<Edges, Failure> {
    let inputs = &context.request.inputs;
    let accounts = accounts(&trusted.world, context, plan, &watcher, secrets.clone())?;
    let mut keyring = trusted.keyring.clone();
    for Login { registry, username, password } in logins.all().cloned() {
        keyring = keyring.with(&registry, Credentials::Password { username, password });
    }
    for account in [&accounts.own, &accounts.destination].into_iter().flatten() {
        if let Some((registry, renewed)) = account.registry() {
            keyring = keyring.with_renewed(registry, renewed);
        }
    }
    let oci = Client::new(Settings {
        keyring,
        insecure: insecure(inputs)?.0,
        watcher: watcher.clone(),
        secrets,
        ..Settings::default()
    });
    let remote = match &context.job {
        Some(job) if plan.steps.iter().any(|step| step.job.tags(&plan.version)) => Some(Remote {
            repository: context::remote(job, inputs, &context.prefix, &git)?,
            commit: context.standing.commit.clone(),
            kind: context.kind.clone(),
            listing: Listing { tags: context.tags.clone(), at: context.tags_at },
            bump: inputs.bump,
        }),
        _ => None,
    };
    Ok(Edges { oci, git, remote, accounts, pushes: None, watcher })
}

/// The registries without TLS, and warnings about what is refused.
pub(super) fn insecure(inputs: &Inputs) -> Result<(Insecure, Vec<String>), Failure> {
    Ok(Insecure::read(inputs.insecure_registries.as_ref().map_or(&[], |names| &names.0))?)
}

/// A client of registries that acts as the plan says, for who asks before there is an execution.
pub(super) async fn client(
    trusted: &Trusted,
    context: &Context,
    plan: &Plan,
    git: Git,
    watcher: Watcher,
    console: &Console,
    reporter: &Reporter,
) -> Result<Client, Failure> {
    let logins = logins(context)?;
    console.hide(&logins.all().map(|login| basic(&login.username, &login.password)).collect::<Vec<_>>());
    let edges = edges(trusted, context, plan, &logins, git, watcher, console.secrets())?;
    if let Some(own) = &edges.accounts.own {
        own.enter(context.paths.scratch()?.join("token"), reporter).await?;
    }
    Ok(edges.oci)
}

/// The accounts that the plan names.
fn accounts(
    world: &World,
    context: &Context,
    plan: &Plan,
    watcher: &Watcher,
    secrets: Secrets,
) -> Result<Accounts, Failure> {
    let access = &plan.access;
    let sides = [Some(&access.own), access.destination.as_ref()];
    if !sides.into_iter().flatten().any(|side| side.identity.is_some()) {
        return Ok(Accounts::default());
    }
    let secrets = with_logins(secrets);
    let federation = |endpoints: Endpoints| {
        Federation::new(GoogleSettings {
            endpoints,
            request: IdTokenRequest::of(&world.reserved),
            fork: context.lacks_secrets(),
            retrying: Retrying { policy: Policy::default(), watcher: watcher.clone() },
            secrets: secrets.clone(),
        })
    };
    let at = endpoints(context.source());
    let own = federation(at.clone())?;
    let destination = match (&access.destination, context.destination().map(endpoints)) {
        (None, _) => None,
        (Some(side), Some(elsewhere)) if elsewhere != at => Account::of(side, Some(&federation(elsewhere)?))?,
        // In one cloud both sides share connections and tokens.
        (Some(side), _) => Account::of(side, Some(&own))?,
    };
    Ok(Accounts { own: Account::of(&access.own, Some(&own))?, destination })
}

/// Where Google's services are for an environment.
fn endpoints(values: &Values) -> Endpoints {
    let universe = values.text(Key::GoogleUniverse);
    let mut endpoints = universe.map_or_else(Endpoints::default, Endpoints::of_universe);
    for (own, key) in [
        (&mut endpoints.sts, Key::GoogleStsUrl),
        (&mut endpoints.iam_credentials, Key::GoogleIamCredentialsUrl),
        (&mut endpoints.container, Key::GoogleContainerUrl),
    ] {
        if let Some(url) = values.text(key) {
            url.trim_end_matches('/').clone_into(own);
        }
    }
    endpoints
}

/// Hides tokens of Google, and what they look like in a login.
fn with_logins(secrets: Secrets) -> Secrets {
    Secrets::new(move |token| {
        secrets.mask(token);
        secrets.mask(&basic(TOKEN_USER, token));
    })
}

/// What HTTP's basic authentication makes of a login, which is as secret as the password.
pub(super) fn basic(username: &str, password: &Secret) -> Secret {
    Secret::new(STANDARD.encode(format!("{username}:{}", password.expose())))
}

/// The logins of the inputs: those of `registry-logins`, and each side's own, the longest that fits.
pub(super) fn logins(context: &Context) -> Result<GivenLogins, Failure> {
    let inputs = &context.request.inputs;
    let further: Vec<_> = inputs.registry_logins.iter().flat_map(RegistryLogins::iter).map(login).collect();
    let own = own_login(inputs, context.own())?;
    let given = |values: &Values| {
        let registry = values.text(Key::Registry)?;
        if let Some(own) = own.as_ref().filter(|own| own.registry == registry) {
            return Some(own.clone());
        }
        inputs.registry_logins.as_ref()?.of(registry).map(login)
    };
    Ok(GivenLogins {
        own: given(context.own()),
        source: given(context.source()),
        destination: context.destination().and_then(given),
        further,
    })
}

fn login(line: &RegistryLogin) -> Login {
    let RegistryLogin { registry, username, password } = line.clone();
    Login { registry, username, password }
}

/// The login that `registry-username` and `registry-password` give to the registry of the job's own
/// environment.
fn own_login(inputs: &Inputs, values: &Values) -> Result<Option<Login>, Failure> {
    let (Some(registry), Some(password)) = (values.text(Key::Registry), &inputs.registry_password) else {
        return Ok(None);
    };
    let username = match &inputs.registry_username {
        Some(username) => username.clone(),
        None if values.is_google(registry) => TOKEN_USER.to_owned(),
        None => {
            return Err(Failure::usage(
                "the input `registry-password` is set and `registry-username` is not",
                format!(
                    "give the user of {registry}: `registry-username: ${{{{ github.actor }}}}`; nothing was run"
                ),
            ));
        }
    };
    let login = Login { registry: registry.to_owned(), username, password: password.clone() };
    login.check()?;
    Ok(Some(login))
}

/// The flags with which a target means on a laptop what it means here: the inputs that it sees something
/// of, where they were given. Version and registry are those of a job on GitHub, and a laptop has its own,
/// unless it was told of others.
fn flags(inputs: &Inputs, place: Place) -> Vec<(&'static str, String)> {
    let other_than = |default: &str, text: &String| Some(text.clone()).filter(|text| text != default);
    let local = |text: &Option<String>| text.clone().filter(|_| place == Place::Local);
    let given = [
        ("--working-directory", other_than(".", &inputs.working_directory)),
        ("--tenant-name", inputs.tenant_name.clone()),
        ("--app-name", inputs.app_name.clone()),
        ("--environment", inputs.environment.clone()),
        ("--version", local(&inputs.version)),
        ("--image-names", inputs.image_names.as_ref().map(|names| names.0.join(","))),
        ("--fast-feedback-path", other_than("test", &inputs.fast_feedback_path)),
        ("--extended-test-path", other_than("extended-test", &inputs.extended_test_path)),
        ("--prod-path", other_than("prod", &inputs.prod_path)),
        ("--registry", local(&inputs.registry)),
        ("--registry-username", local(&inputs.registry_username)),
        ("--base-domain", inputs.base_domain.clone()),
        ("--internal-services-domain", inputs.internal_services_domain.clone()),
        ("--dplatform", inputs.dplatform.clone()),
        ("--project-id", inputs.project_id.clone()),
        ("--project-number", inputs.project_number.clone()),
        ("--region", inputs.region.clone()),
        ("--base-namespace", inputs.base_namespace.clone()),
        ("--environments", inputs.environments.clone()),
        ("--kube-context", inputs.kube_context.clone()),
    ];
    given.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect()
}

/// What targets inherit. With the job's id token a target can act as any environment.
fn of_targets(world: &World, id_token: IdToken) -> Env {
    let mut env = world.env.clone();
    if id_token == IdToken::Pass {
        for name in ID_TOKEN {
            if let Some(value) = world.reserved.get(name) {
                env.set(name, value);
            }
        }
    }
    env
}

/// Where the plan runs, and with what.
pub(super) fn site(
    trusted: &Trusted,
    context: Context,
    plan: &Plan,
    logins: GivenLogins,
) -> Result<Site, Failure> {
    let world = &trusted.world;
    let inputs = &context.request.inputs;
    let values = context.source();
    let kube_context = context.kube_context();
    let kubeconfig = trusted.kubeconfig(inputs, context.place, kube_context.as_deref())?;
    // The current context of a kubeconfig is the own environment's cluster, never another's.
    let kube_context = match kubeconfig.contexts().next() {
        Some(_) if kube_context.is_none() && plan.access.own.cluster.is_none() => {
            context.kube_context_of_another()?
        }
        _ => kube_context,
    };
    let kubeconfig_elsewhere = match context.destination().filter(|values| !values.own) {
        Some(values) => Some(of_context(&kubeconfig, values.text(Key::KubeContext))?),
        None => None,
    };
    // A context that is not there is told before anything runs.
    let elsewhere = |step: &&Step| kubeconfig_elsewhere.is_some() && matches!(step.job, Job::Promote(_));
    for target in plan.steps.iter().filter(|step| !elsewhere(step)).filter_map(Step::target) {
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
        env: of_targets(world, inputs.id_token),
        binary: std::env::current_exe()?,
        insecure_registries: inputs.insecure_registries.as_ref().map(|names| names.0.join(",")),
        flags: flags(inputs, context.place),
        copy_limit: values.parsed(Key::CopyLimit).unwrap_or(COPY_LIMIT).0,
        logins,
        kubeconfig,
        kube_context,
        kubeconfig_elsewhere,
        credentials,
        cache: plan.build_cache,
        by: By::here(&world.env, context.place == Place::Github),
        rule: context.rule(&world.env),
        subnamespaces_limit: values.parsed(Key::SubnamespacesTimeout).unwrap_or(SUBNAMESPACES_LIMIT),
        log_names: Mutex::new(BTreeSet::new()),
        paths: context.paths,
    })
}

/// What reaches the cluster of one context and no other; no cluster where that context is not there.
fn of_context(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<Kubeconfig, Failure> {
    match context.filter(|wanted| kubeconfig.contexts().any(|context| context == *wanted)) {
        Some(context) => Ok(kubeconfig.for_target(Some(context), None)?),
        None => Ok(Kubeconfig::empty()),
    }
}
