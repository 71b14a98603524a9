//! Gathers the facts about this run from the environment, the event and the edges, before p2p changes anything. The
//! decisions are in `plan`.

mod checks;
mod cloud;
mod environments;
mod github;
mod host;
mod later;
mod makefile;
mod paths;
mod promotion;
mod release;
mod request;
mod reviewed;
mod search;
mod stranger;
mod versions;

pub(crate) use environments::{matrix, other_promotions, split};
pub(crate) use github::GithubJob;
pub(crate) use host::Host;
pub(crate) use makefile::COLOUR_SETTINGS;
pub(crate) use paths::Paths;
pub(crate) use request::Request;
pub(crate) use versions::remote;

use std::path::PathBuf;

use self::later::Resolved;
use tokio::time::Instant;

use crate::domain::environment::{
    Environments, Given, Key, Origin, SettingsFile, Sources, Stage, StagePaths, Value, Values,
};
use crate::domain::version::{BumpLevel, Kind, Prefix, VersionTag};
use crate::edges::make::Makefile;
use crate::gate::plan::{Cloud, Eligibility, Known, Later, Place, Plan, Side, plan};
use crate::inputs::{Command, CommentOn, Federate, History, Inputs};
use oci::Client;
use sys::error::Failure;

/// The parameters of a client for a registry that is needed before there is a plan.
pub(crate) struct Asking<'a> {
    pub inputs: &'a Inputs,
    /// The values of the job's own environment.
    pub own: &'a Values,
    /// The values of the environment that is asked about.
    pub values: &'a Values,
    /// The account in that environment.
    pub side: &'a Side,
    pub paths: &'a Paths,
}

#[derive(Debug)]
pub(crate) struct Context {
    /// The inputs, and what follows from them alone.
    pub request: Request,
    /// The version and tag of a later gate.
    pub later: Option<Later>,
    pub place: Place,
    pub paths: Paths,
    /// Whether the commit may be tagged and promoted.
    pub eligibility: Eligibility,
    /// What the version is computed from.
    pub kind: Kind,
    pub prefix: Prefix,
    /// The version tags in the remote repository.
    pub tags: Vec<VersionTag>,
    /// When p2p read the tags.
    pub tags_at: Instant,
    /// The part of the version that increases.
    pub level: BumpLevel,
    pull_request: bool,
    scan_base: Option<String>,
    /// Which commits a scan searches for secrets, unless the environment says otherwise.
    history: History,
    makefile: Option<Makefile>,
    tracked: Vec<PathBuf>,
    own: Values,
    values: Values,
    destination: Result<Values, Failure>,
    environments: Environments,
    registries: Vec<String>,
    notes: Vec<String>,
    warnings: Vec<String>,
    cloud: Cloud,
}

impl Context {
    /// Gathers the facts of one environment. A later gate that has to search for its version gets its registry
    /// client from `connect`.
    pub(crate) async fn gather(
        host: &Host<'_>,
        request: Request,
        paths: Paths,
        connect: impl AsyncFnOnce(Asking<'_>) -> Result<Client, Failure>,
    ) -> Result<Self, Failure> {
        let prefix = request.inputs.prefix()?;
        if request.command == Command::Release {
            release::files(&request.inputs, &paths)?;
        }
        let mut sources = sources(&request, &paths)?;
        let resolved = Box::pin(host.resolve(&request, &sources, &paths, connect)).await?;
        let found = async {
            match resolved {
                Some(resolved) => found_of_later(host, &request, &sources, resolved).await,
                None => found_here(host, &request, &sources, paths).await,
            }
        };
        let (found, cloud) = tokio::join!(found, cloud::read(host, &request));
        let Found { version: found, makefile, later, paths } = found?;
        if let Some(makefile) = &makefile {
            sources.add(makefile);
        }
        let tracked = match request.command {
            Command::Version | Command::Release | Command::Latest | Command::Scan => Vec::new(),
            _ => makefile::tracked(&host.git, makefile.as_ref(), &paths).await?,
        };
        let own = sources.own()?;
        let (values, destination) = promotion::sides(&request, &sources, &own)?;
        Ok(Self {
            place: host.place(),
            pull_request: host.job.as_ref().is_some_and(GithubJob::is_pull_request),
            scan_base: host.job.as_ref().and_then(GithubJob::scan_base),
            history: host.job.as_ref().map_or(History::Changes, GithubJob::history),
            notes: notes(host.place(), &request, later.as_ref(), &found.notes),
            warnings: found.warnings,
            eligibility: found.eligibility,
            kind: found.kind,
            tags: found.tags,
            tags_at: found.tags_at,
            level: found.level,
            registries: sources.registries(),
            environments: sources.environments,
            request,
            later,
            paths,
            prefix,
            makefile,
            tracked,
            own,
            values,
            destination,
            cloud,
        })
    }

    /// Makes the plan from the facts.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let version = versions::decide(self)?;
        let plan = plan(&Known {
            inputs: &self.request.inputs,
            command: self.request.command,
            targets: &self.request.targets,
            place: self.place,
            eligibility: &self.eligibility,
            pull_request: self.pull_request,
            release_tag: release::tag(self, &version),
            version,
            makefile: self.makefile.as_ref(),
            tracked: &self.tracked,
            values: &self.values,
            destination: self.destination.clone(),
            paths: &self.request.paths,
            env_vars: &self.request.env_vars,
            recorded: self.request.recorded.clone(),
            later: self.later.as_ref(),
            promotes: self.request.promotes,
            notes: self.notes.clone(),
            warnings: self.warnings.clone(),
            scan_base: self.scan_base.as_deref(),
            history: self.history,
            embedded_registry: self.request.embedded_registry.is_some(),
            cloud: self.cloud,
            skipped: self.request.skipped.as_deref(),
        })?;
        checks::images(&plan)?;
        checks::access(&plan)?;
        Ok(Plan { known: self.environments.described(self.target_values()), ..plan })
    }

    /// Whether the Makefile itself sets whether programs use colours.
    pub(crate) fn sets_colours(&self) -> bool {
        let set = |makefile: &Makefile, name| makefile.variable(name).is_some_and(|it| !it.value.is_empty());
        self.makefile.as_ref().is_some_and(|makefile| COLOUR_SETTINGS.iter().any(|name| set(makefile, name)))
    }

    /// The values of the job's own environment.
    pub(crate) fn own(&self) -> &Values {
        &self.own
    }

    /// The values of the environment that is promoted from.
    pub(crate) fn source(&self) -> &Values {
        &self.values
    }

    /// The context of the kubeconfig that the user chose. A context that p2p derived is not a choice of the user.
    pub(crate) fn kube_context(&self) -> Option<String> {
        let context = self.target_values().get(Key::KubeContext).filter(|value| !value.derived());
        context.map(|value| value.text.clone())
    }

    /// The same for an environment that is not the job's own: there the current context of a kubeconfig may lead to
    /// the job's own cluster.
    ///
    /// # Errors
    /// If no context is known.
    pub(crate) fn kube_context_of_another(&self) -> Result<Option<String>, Failure> {
        if self.target_values().own {
            return Ok(None);
        }
        Ok(Some(self.target_values().require(Key::KubeContext)?.text.clone()))
    }

    /// The environment that targets run in.
    fn target_values(&self) -> &Values {
        if self.request.command == Command::Promote { &self.own } else { &self.values }
    }

    /// The name of the environment that the run works in. For a promotion, it is the destination.
    pub(crate) fn environment(&self) -> Option<&str> {
        let values = match self.request.command {
            Command::Promote => self.destination.as_ref().ok()?,
            _ => &self.values,
        };
        values.environment.as_ref().map(|name| name.text.as_str())
    }

    /// The name of the environment that is promoted to.
    pub(crate) fn destination_environment(&self) -> Option<&str> {
        self.destination.as_ref().ok()?.environment.as_ref().map(|name| name.text.as_str())
    }

    /// The registries of all environments that have entries.
    pub(crate) fn registries(&self) -> &[String] {
        &self.registries
    }

    /// The gate whose registry path p2p and the targets of no gate read from, with the paths of all gates: for `run`, the
    /// first gate of its targets. If no target belongs to a gate, a run that may not promote gets the path of the first
    /// gate. In any other run the result is `None`, and the targets get every login.
    pub(crate) fn stage_of_logins(&self) -> Option<(Stage, &StagePaths)> {
        let request = &self.request;
        let stage = match request.command {
            Command::Run => self.stages_of_targets().map(|(stage, _)| stage).min(),
            Command::Promote if request.targets == ["prod"] => Some(Stage::ExtendedTest),
            Command::FastFeedback | Command::Plan | Command::Promote => Some(Stage::FastFeedback),
            Command::Scan => request.scanned_stage(),
            command => later::of(command, &request.targets),
        };
        let first = self.eligibility.ineligible.is_some().then_some(Stage::FastFeedback);
        Some((stage.or(first)?, &request.paths))
    }

    /// The gates that the targets of `run` belong to, each with the paths of all gates.
    pub(crate) fn stages_of_targets(&self) -> impl Iterator<Item = (Stage, &StagePaths)> {
        let targets = self.request.targets.iter();
        targets.filter_map(|target| Some((Stage::of_target(target)?, &self.request.paths)))
    }

    /// The values of the environment that is promoted to, if they are known.
    pub(crate) fn destination(&self) -> Option<&Values> {
        self.destination.as_ref().ok()
    }
}

/// When to comment on the pull request, according to the first environment. Errors in its entry are reported when
/// the facts are gathered.
pub(crate) fn comment_on(request: &Request, paths: &Paths) -> CommentOn {
    let values = sources(request, paths).ok().and_then(|sources| sources.target_values(request).ok());
    values.and_then(|values| values.parsed(Key::Comment)).unwrap_or(CommentOn::Never)
}

/// The version, the Makefile and the directories of a run.
struct Found {
    version: versions::Found,
    makefile: Option<Makefile>,
    later: Option<Later>,
    paths: Paths,
}

/// Reads the version of the commit under test and its Makefile.
async fn found_here(
    host: &Host<'_>,
    request: &Request,
    sources: &Sources,
    paths: Paths,
) -> Result<Found, Failure> {
    let prefix = request.inputs.prefix()?;
    let version = request.inputs.version.as_deref();
    // git takes longest, so it is started first.
    let (version, makefile) = tokio::join!(
        versions::read(host, request, &paths, &prefix),
        defined(host, request, &paths, sources, version)
    );
    Ok(Found { version: version?, makefile: makefile?, later: None, paths })
}

/// The same for the version of a later gate.
async fn found_of_later(
    host: &Host<'_>,
    request: &Request,
    sources: &Sources,
    resolved: Resolved,
) -> Result<Found, Failure> {
    let Resolved { later, paths, makefile } = resolved;
    let makefile = match makefile {
        None => defined(host, request, &paths, sources, later.version.as_deref()).await?,
        read => read,
    };
    Ok(Found { version: host.found(&later, request)?, makefile, later: Some(later), paths })
}

/// Reads the Makefile if the command needs it.
async fn defined(
    host: &Host<'_>,
    request: &Request,
    paths: &Paths,
    sources: &Sources,
    version: Option<&str>,
) -> Result<Option<Makefile>, Failure> {
    Ok(match request.command {
        Command::Version | Command::Release => None,
        // A scan needs the Makefile only for the names of a gate's images.
        Command::Scan if request.scanned_stage().is_none() || request.inputs.image_names.is_some() => None,
        _ if request.skipped.is_some() => None,
        Command::Latest if search::is_enough(request, &sources.target_values(request)?) => None,
        _ => Some(makefile::read(host, request, paths, sources, version).await?),
    })
}

impl Sources {
    /// The values of the environment that the gate runs in.
    fn target_values(&self, request: &Request) -> Result<Values, Failure> {
        Ok(match &request.target_environment {
            Some(name) => self.of(name)?,
            None => self.own()?,
        })
    }

    /// Takes tenant and app from the Makefile.
    fn add(&mut self, makefile: &Makefile) {
        let value = |name| makefile.variable(name).map(|variable| variable.value.as_str());
        self.makefile = Self::makefile(value("P2P_TENANT_NAME"), value("P2P_APP_NAME"));
    }
}

fn sources(request: &Request, paths: &Paths) -> Result<Sources, Failure> {
    let inputs = &request.inputs;
    let (vars, mut environments) = (request.vars.clone(), request.environments.clone());
    if let Some(text) = paths.settings()? {
        environments = environments.or(SettingsFile::parse(&text)?.environments);
    }
    let own =
        inputs.environment.as_ref().map(|name| Value::new(name, Origin::Input("environment".to_owned())));
    let environment = match own.or_else(|| request.own.clone()) {
        Some(own) => Some(own),
        None => environments::first_of(request, &vars)?,
    };
    let mut given = given(inputs);
    if let Some(name) = &request.embedded_registry {
        given.insert(Key::Registry, Value::new(name, Origin::Run("the embedded registry".to_owned())));
    }
    Ok(Sources { environment, inputs: given, environments, vars, ..Sources::default() })
}

/// The inputs that set values of an environment.
fn given(inputs: &Inputs) -> Given {
    let value =
        |key: Key| Some((key, Value::new(inputs.text(key.name())?, Origin::Input(key.name().to_owned()))));
    Key::ALL.into_iter().filter_map(value).collect()
}

/// The notes at the top of the log: what replaces GitHub and the platform in a local run.
fn notes(place: Place, request: &Request, later: Option<&Later>, found: &[String]) -> Vec<String> {
    if place == Place::Github {
        return found.to_vec();
    }
    let inputs = &request.inputs;
    let mut uses = Vec::new();
    if inputs.version.is_none() && later.is_none() {
        uses.push("  the version    0.0.0 with the local commit; no tag is read or created".to_owned());
    }
    // The other commands neither push nor deploy.
    if !matches!(request.command, Command::Version | Command::Release | Command::Latest | Command::Scan) {
        match (&request.embedded_registry, &inputs.registry) {
            (Some(own), _) => uses.insert(
                0,
                format!("  the registry   one of our own at {own}; `p2p registry` serves it after the run"),
            ),
            (None, Some(named)) => uses.insert(0, format!("  the registry   {named}, as you named it")),
            (None, None) => {}
        }
        let of =
            if inputs.kubeconfig.is_some() { "the kubeconfig that you named" } else { "your kubeconfig" };
        match &inputs.kube_context {
            Some(context) => uses.push(format!("  the cluster    the context {context} of {of}")),
            None if inputs.kubeconfig.is_some() => {
                uses.push(format!("  the cluster    the current context of {of}"));
            }
            None if inputs.federation == Federate::On => {}
            None => uses.push(
                "  the cluster    none: an empty kubeconfig (--kube-context names a context of yours)"
                    .to_owned(),
            ),
        }
    }
    uses.extend(found.iter().cloned());
    let colon = if uses.is_empty() { "" } else { " It uses:" };
    let top = format!("This is a local run; nothing remote is touched unless a flag names it.{colon}");
    std::iter::once(top).chain(uses).collect()
}
