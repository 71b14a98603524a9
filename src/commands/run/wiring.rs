//! Builds the parts of a run: edges, logins and run context.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::environments::Part;
use super::gathered::Gathered;
use super::logins::Sides;
use super::trusted::Trusted;
use crate::domain::environment::{Key, Stage};
use crate::edges::github::GitHub;
use crate::edges::google::{Endpoints, Federation, FederationSettings, IdTokenRequest, TOKEN_USER};
use crate::edges::kube::Kubeconfig;
use crate::edges::workspace::RestoredFile;
use crate::gate::allocation::Listing;
use crate::gate::context::{self, Asking, Context, GithubJob, Host};
use crate::gate::execute::{
    Account, Accounts, Allocation, Edges, GivenLogins, PullRequest, RunContext, TestReports,
};
use crate::gate::plan::{Action, Job, Place, Plan, Step, endpoints};
use crate::gate::record::{By, Credential, Ledger, Rule, Signing, SigningSettings};
use crate::inputs::{ID_TOKEN, IdToken, Inputs, Records, SPECS, Size, Switch};
use crate::report::{Console, Reporter};
use oci::logins::Login;
use oci::{Client, Credentials, Insecure, Settings};
use registry::Pushes;
use sys::error::Failure;
use sys::retry::{Policy, Retrying};
use sys::sync::Mutex;
use sys::world::{Env, World};
use workflow_commands::{Secret, Secrets};

/// The largest workspace that is copied for parallel targets, unless the environment sets another limit.
const COPY_LIMIT: Size = Size(2 << 30);
/// How long p2p waits for a subnamespace, unless the environment sets another limit.
const SUBNAMESPACES_LIMIT: Duration = Duration::from_mins(2);

/// Builds edges and run contexts. Sends no request.
pub(super) struct Wiring<'a> {
    pub(super) host: &'a Host<'a>,
    pub(super) trusted: &'a Trusted,
    pub(super) console: &'a Console,
    pub(super) reporter: &'a Reporter,
}

impl Wiring<'_> {
    /// Builds a part that is ready to run. `pushes` are the pushes to the embedded registry of a local run.
    pub(super) fn part(&self, gathered: Gathered, pushes: Option<Pushes>) -> Result<Part, Failure> {
        let Gathered { context, plan, name, promotes } = gathered;
        let sides = Sides {
            own: context.own(),
            source: context.source(),
            destination: context.destination(),
            registries: context.registries(),
            stage: context.stage_of_logins(),
        };
        let inputs = &context.request.inputs;
        let logins = self.logins(inputs, &sides)?;
        let of_stage =
            |stage: (Stage, &_)| Ok((stage.0, Sides { stage: Some(stage), ..sides }.logins(inputs)?));
        let stage_logins = context.stages_of_targets().map(of_stage).collect::<Result<_, Failure>>()?;
        let accounts = self.accounts(&context, &plan)?;
        let settings = SigningSettings::of(context.source())?;
        let rule = self.host.rule(&context.request, &settings)?;
        let oci = self.registries(&context.request.inputs, &logins, &accounts)?;
        let leaves_records = |step: &Step| {
            step.action == Action::Run && matches!(step.job, Job::Images { .. } | Job::Promote(_))
        };
        let signing = if plan.steps.iter().any(leaves_records) {
            self.signing(&context, &rule, &settings, accounts.own.as_ref())?
        } else {
            None
        };
        let attestations = match signing.as_ref().filter(|signing| signing.settings.attestations) {
            Some(_) => self.github(&context)?,
            None => None,
        };
        let linked = match context.source().parsed(Key::LinkedArtifacts) {
            Some(Switch::On) => self.github(&context)?,
            _ => None,
        };
        let edges = Edges {
            attestations,
            linked,
            ledger: Arc::new(Ledger::new(oci.clone(), settings.trust(), signing)),
            oci,
            git: self.host.git.clone(),
            remote: self.remote(&context, &plan)?,
            accounts,
            pushes,
            pull_request: self.pull_request(&context)?,
            watcher: self.host.git.watcher().clone(),
        };
        let run_context = self.run_context(context, &plan, (logins, stage_logins, rule))?;
        self.console.hide(&run_context.kubeconfig.secrets());
        Ok(Part { plan, run_context, edges, name, promotes })
    }

    /// A registry client for requests before there is a part.
    pub(super) async fn client(&self, asking: Asking<'_>) -> Result<Client, Failure> {
        let Asking { inputs, own, values, side, paths } = asking;
        let logins = self.logins(
            inputs,
            &Sides { own, source: values, destination: None, registries: &[], stage: None },
        )?;
        let own = match side.identity {
            Some(_) => Account::of(side, &self.federation(endpoints(values))?)?,
            None => None,
        };
        if let Some(own) = &own {
            own.enter(paths.scratch()?.join("token"), self.reporter).await?;
        }
        self.registries(inputs, &logins, &Accounts { own, destination: None })
    }

    /// A registry client with all logins and accounts.
    fn registries(
        &self,
        inputs: &Inputs,
        logins: &GivenLogins,
        accounts: &Accounts,
    ) -> Result<Client, Failure> {
        let mut keyring = self.trusted.keyring.clone();
        for Login { registry, username, password } in logins.all().cloned() {
            keyring = keyring.with(&registry, Credentials::Password { username, password });
        }
        for account in [&accounts.own, &accounts.destination].into_iter().flatten() {
            if let Some((registry, renewed)) = account.registry() {
                keyring = keyring.with_renewed(registry, renewed);
            }
        }
        Ok(Client::new(Settings {
            keyring,
            insecure: insecure(inputs)?.0,
            watcher: self.host.git.watcher().clone(),
            secrets: self.console.secrets(),
            ..Settings::default()
        }))
    }

    /// The remote repository, if the plan creates or moves tags.
    fn remote(&self, context: &Context, plan: &Plan) -> Result<Option<Allocation>, Failure> {
        let Some(job) = &self.host.job else { return Ok(None) };
        if !plan.steps.iter().any(|step| step.job.tags(&plan.version)) {
            return Ok(None);
        }
        let inputs = &context.request.inputs;
        Ok(Some(Allocation {
            repository: context::remote(job, inputs, &context.prefix, &self.host.git)?,
            commit: context.eligibility.commit.clone(),
            kind: context.kind.clone(),
            listing: Listing { tags: context.tags.clone(), at: context.tags_at },
            bump: inputs.bump,
        }))
    }

    /// GitHub for messages that a gate can do without, in a job.
    fn github(&self, context: &Context) -> Result<Option<GitHub>, Failure> {
        let Some(job) = &self.host.job else { return Ok(None) };
        let remote = context::remote(job, &context.request.inputs, &context.prefix, &self.host.git)?;
        Ok(Some(remote.github.for_messages()))
    }

    /// The pull request of the event.
    fn pull_request(&self, context: &Context) -> Result<Option<PullRequest>, Failure> {
        let token = context.request.inputs.github_token.as_ref();
        let Some(number) = token.and(self.host.job.as_ref()).and_then(GithubJob::pull_request) else {
            return Ok(None);
        };
        Ok(self.github(context)?.map(|github| PullRequest { number, github }))
    }

    /// The accounts that the plan names.
    fn accounts(&self, context: &Context, plan: &Plan) -> Result<Accounts, Failure> {
        let access = &plan.access;
        let sides = [Some(&access.own), access.destination.as_ref()];
        if !sides.into_iter().flatten().any(|side| side.identity.is_some()) {
            return Ok(Accounts::default());
        }
        let at = endpoints(context.source());
        let own = self.federation(at.clone())?;
        let destination = match (&access.destination, context.destination().map(endpoints)) {
            (None, _) => None,
            (Some(side), Some(elsewhere)) if elsewhere != at => {
                Account::of(side, &self.federation(elsewhere)?)?
            }
            // In one cloud, both sides share connections and tokens.
            (Some(side), _) => Account::of(side, &own)?,
        };
        Ok(Accounts { own: Account::of(&access.own, &own)?, destination })
    }

    fn federation(&self, endpoints: Endpoints) -> Result<Federation, Failure> {
        Ok(Federation::new(FederationSettings {
            endpoints,
            request: IdTokenRequest::of(&self.host.world.reserved),
            fork: self.host.job.as_ref().is_some_and(GithubJob::lacks_secrets),
            retrying: Retrying { policy: Policy::default(), watcher: self.host.git.watcher().clone() },
            secrets: with_logins(self.console.secrets()),
        })?)
    }

    /// What signs the records of this run, if signatures are required or somebody is configured to sign, and if the
    /// records count. Records of a pull request never do.
    fn signing(
        &self,
        context: &Context,
        rule: &Rule,
        settings: &SigningSettings,
        account: Option<&Account>,
    ) -> Result<Option<Signing>, Failure> {
        let records = context.request.inputs.promotion_record;
        let By { event, git_ref, .. } = By::here(&self.host.world.env, context.place == Place::Github);
        let wanted = records == Records::Signed || (records != Records::Off && settings.sign());
        let counts = event.zip(git_ref).is_some_and(|(event, at)| rule.refs.promote(&event, &at));
        if !(wanted && counts) {
            return Ok(None);
        }
        let credential = match (settings.key.clone(), account) {
            (None, _) => Credential::Job(IdTokenRequest::of(&self.host.world.reserved)),
            (Some(version), Some(account)) => Credential::Key(account.signing_key(version)),
            (Some(_), None) => {
                return Err(Failure::usage(
                    "`signing: key` signs as a service account, and this job acts as none",
                    "set service-account and workload-identity-provider, or the keys of which they are made, and let p2p \
                     act as it (`federation: on`); nothing was run",
                ));
            }
        };
        Ok(Some(Signing {
            settings: settings.clone(),
            credential,
            watcher: self.host.git.watcher().clone(),
            secrets: self.console.secrets(),
            must: records == Records::Signed,
            made: tokio::sync::Mutex::default(),
        }))
    }

    /// The logins from the inputs.
    fn logins(&self, inputs: &Inputs, sides: &Sides<'_>) -> Result<GivenLogins, Failure> {
        let logins = sides.logins(inputs)?;
        let shown: Vec<_> = logins.all().map(|login| basic(&login.username, &login.password)).collect();
        self.console.hide(&shown);
        Ok(logins)
    }

    /// What the plan needs to run.
    fn run_context(
        &self,
        context: Context,
        plan: &Plan,
        (logins, stage_logins, rule): (GivenLogins, BTreeMap<Stage, GivenLogins>, Rule),
    ) -> Result<RunContext, Failure> {
        let (inputs, values, env) = (&context.request.inputs, context.source(), &self.host.world.env);
        let Clusters { kubeconfig, kube_context, kubeconfig_elsewhere } =
            clusters(&context, plan, self.trusted)?;
        let credentials = match (context.place, env.path("HOME")) {
            (Place::Github, Some(home)) => {
                Some(RestoredFile::of(home.join(".config/gcloud/application_default_credentials.json"))?)
            }
            _ => None,
        };
        Ok(RunContext {
            place: context.place,
            colours: self.console.view().colours && !context.sets_colours(),
            env: of_targets(self.host.world, inputs.id_token),
            binary: std::env::current_exe()?,
            insecure_registries: inputs.insecure_registries.as_ref().map(|names| names.0.join(",")),
            flags: flags(&context),
            copy_limit: values.parsed(Key::CopyLimit).unwrap_or(COPY_LIMIT).0,
            logins,
            stage_logins,
            kubeconfig,
            kube_context,
            kubeconfig_elsewhere,
            credentials,
            cache: plan.build_cache,
            test_reports: TestReports::of(values)?,
            scanner_cache: scanner_cache(self.host, &context.paths.temp),
            by: By::here(env, context.place == Place::Github),
            rule,
            subnamespaces_limit: values.parsed(Key::SubnamespacesTimeout).unwrap_or(SUBNAMESPACES_LIMIT),
            makefile: RunContext::makefile(&context.paths.directory),
            log_names: Mutex::new(BTreeSet::new()),
            paths: context.paths,
        })
    }
}

/// The directory for scanners: the runner's tool cache, if it is writable.
fn scanner_cache(host: &Host<'_>, temp: &Path) -> PathBuf {
    let world = host.world;
    if host.job.is_none() {
        return world.cache().join("scanners");
    }
    let tools = world.env.path("RUNNER_TOOL_CACHE").map(|tools| tools.join("p2p-scanners"));
    tools.filter(|tools| std::fs::create_dir_all(tools).is_ok()).unwrap_or_else(|| temp.join("p2p-scanners"))
}

/// The kubeconfigs and the context of a part.
struct Clusters {
    kubeconfig: Kubeconfig,
    kube_context: Option<String>,
    /// For a promotion to another environment than the job's own.
    kubeconfig_elsewhere: Option<Kubeconfig>,
}

/// Chooses what targets get from the kubeconfig.
fn clusters(context: &Context, plan: &Plan, trusted: &Trusted) -> Result<Clusters, Failure> {
    let kube_context = context.kube_context();
    let kubeconfig = trusted.kubeconfig(&context.request.inputs, context.place, kube_context.as_deref())?;
    // The current context of a kubeconfig belongs to the job's own environment, never to another one.
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
    // A missing context is an error before anything runs.
    let elsewhere = |step: &&Step| kubeconfig_elsewhere.is_some() && matches!(step.job, Job::Promote(_));
    for target in plan.steps.iter().filter(|step| !elsewhere(step)).filter_map(Step::target) {
        kubeconfig.for_target(kube_context.as_deref(), target.namespace.as_deref())?;
    }
    Ok(Clusters { kubeconfig, kube_context, kubeconfig_elsewhere })
}

/// The registries without TLS, and warnings about refused patterns.
pub(super) fn insecure(inputs: &Inputs) -> Result<(Insecure, Vec<String>), Failure> {
    Ok(Insecure::read(inputs.insecure_registries.as_ref().map_or(&[], |names| &names.0))?)
}

/// Masks Google's tokens, also in the form of a login.
fn with_logins(secrets: Secrets) -> Secrets {
    Secrets::new(move |token| {
        secrets.mask(token);
        secrets.mask(&basic(TOKEN_USER, token));
    })
}

/// The form of a login in HTTP's basic authentication, which is as secret as the password.
pub(super) fn basic(username: &str, password: &Secret) -> Secret {
    Secret::new(STANDARD.encode(format!("{username}:{}", password.expose())))
}

/// The inputs that affect a target.
const SEEN: &str = "working-directory tenant-name app-name environment version image-names \
    fast-feedback-path extended-test-path prod-path registry registry-username base-domain \
    internal-services-domain dplatform project-id project-number region base-namespace \
    environments kube-context";

/// Inputs with values from the job. On a laptop they differ, unless the user gives them.
const OF_JOB: [&str; 3] = ["version", "registry", "registry-username"];

/// The flags that make a target do the same on a laptop: the given inputs that affect it.
fn flags(context: &Context) -> Vec<(&'static str, String)> {
    let (inputs, later) = (&context.request.inputs, context.later.as_ref());
    let given = |name| match name {
        _ if context.place == Place::Github && OF_JOB.contains(&name) => None,
        "version" => inputs.version.clone().or_else(|| later?.version.clone()),
        name => inputs.text(name),
    };
    let seen = SPECS.iter().filter(|spec| SEEN.split(' ').any(|seen| seen == spec.name));
    let mut flags: Vec<_> = seen
        .filter_map(|spec| {
            Some((spec.name, given(spec.name).filter(|text| Some(text.as_str()) != spec.default)?))
        })
        .collect();
    flags.sort_by_key(|(name, _)| SEEN.split(' ').position(|seen| seen == *name));
    flags
}

/// The environment that targets inherit. With the job's id token, a target could act as any environment.
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

/// The kubeconfig with one context only, or an empty one if the context is missing.
fn of_context(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<Kubeconfig, Failure> {
    match context.filter(|wanted| kubeconfig.contexts().any(|context| context == *wanted)) {
        Some(context) => Ok(kubeconfig.for_target(Some(context), None)?),
        None => Ok(Kubeconfig::empty()),
    }
}
