//! The accounts of a run, the cluster that its targets use, and the checks and preparations before they need them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::build::{Known, Planner};
use super::cache::{Buildx, Cache, cache};
use super::{Action, Job, Names, Place, Promotion, Step};
use crate::domain::environment::{BUILD, Key, Stage, Value, Values};
use crate::domain::image::ImagePath;
use crate::domain::scan::ScanKind;
use crate::edges::google::{Endpoints, Role};
use crate::inputs::{ClusterEndpoint, Command, Federate, Inputs};
use sys::error::Failure;

/// What the job has access to.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    /// Whether it can request an id token.
    pub id_token: bool,
    /// Whether docker buildx can be used.
    pub buildx: Buildx,
    /// Whether it has the token of GitHub's cache.
    pub runtime_token: bool,
}

/// The accounts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The environment of the targets. For the command `promote`, the environment to promote from.
    pub own: Side,
    /// The environment to promote to, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Side>,
}

/// The account and the services in one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Acting>,
    /// The registry that the account's token logs in to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The cluster that p2p looks up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Located>,
}

/// A service account, and the provider that lets the job act as it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acting {
    /// The purpose of the account.
    pub role: Role,
    pub provider: Value,
    pub service_account: Value,
}

/// A cluster of Google Kubernetes Engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    pub project: String,
    pub location: String,
    pub name: String,
    /// The name of its context in kubeconfigs.
    pub context: String,
    /// The endpoint that the user chose. By default p2p uses one that is reachable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<ClusterEndpoint>,
}

/// Checks before the first step that changes anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preflight {
    /// The repository that the build will push to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<ImagePath>,
    /// The repository that a promotion will read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<ImagePath>,
    /// The repository that a promotion will write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<ImagePath>,
    /// The rights to check in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

/// The rights to check in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Review {
    /// To create subnamespaces of this namespace.
    Subnamespaces(String),
    /// To deploy to these namespaces.
    Deploy(Vec<String>),
}

/// The subnamespaces that the targets need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subnamespaces {
    /// The parent namespace.
    pub parent: String,
    pub names: Vec<String>,
}

impl Planner<'_> {
    /// Decides about the build cache, and adds its warning.
    pub(super) fn build_cache(&mut self) -> Cache {
        let (known, cloud) = (self.known, self.known.cloud);
        if !matches!(known.command, Command::FastFeedback | Command::Run | Command::Plan) {
            return Cache::default();
        }
        let cache = cache(known.inputs.build_cache, known.place, cloud.buildx, cloud.runtime_token);
        self.warnings.extend(cache.warning.map(str::to_owned));
        cache
    }

    /// Decides which accounts the run uses, and adds the steps that check them.
    pub(super) fn access(&mut self, names: &Names) -> Result<Access, Failure> {
        let works = |step: &Step| {
            let images = matches!(&step.job, Job::Scan(job) if job.kind() == ScanKind::Images);
            let acts = images || matches!(step.job, Job::Target(_) | Job::Images { .. } | Job::Promote(_));
            step.action == Action::Run && acts
        };
        // `latest` reads a registry even if there is nothing else to do.
        let works = self.known.command == Command::Latest || self.steps.iter().any(works);
        let own = self.rules().own(self.known.values, works)?;
        let access = Access { destination: self.destination_side(&own)?, own };
        if matches!(self.known.command, Command::Version | Command::Release) {
            return Ok(access);
        }
        if access.own.identity.is_some() && !self.known.cloud.id_token {
            self.warnings.push(
                "this job cannot ask GitHub for an id token, which it needs to act as the service account: grant it \
                 `id-token: write`, or set `federation: off`"
                    .to_owned(),
            );
        }
        let on_cluster = access.own.cluster.is_some()
            || (self.known.place == Place::Github && self.known.inputs.kubeconfig.is_some());
        let needed = if on_cluster { self.namespaces() } else { Vec::new() };
        let parent = self.known.values.text(Key::TenantName).map(str::to_owned);
        let create = !self.known.inputs.skip_subnamespaces_create;
        let review = match (parent, needed.is_empty()) {
            (_, true) => None,
            (Some(parent), false) if create => {
                self.subnamespaces(Subnamespaces { parent: parent.clone(), names: needed });
                Some(Review::Subnamespaces(parent))
            }
            _ => Some(Review::Deploy(needed)),
        };
        let rights = self.known.place == Place::Github || access.own.identity.is_some();
        let name = match names {
            Names::Names(names) if rights => names.first().map(String::as_str),
            // A target prints the names only after the build.
            _ => self.known.values.text(Key::AppName).filter(|_| rights),
        };
        let rights = name.map(|name| self.rights(name)).unwrap_or_default();
        let preflight = Preflight { review, ..rights };
        let acts = [Some(&access.own), access.destination.as_ref()];
        if preflight != Preflight::default() || acts.into_iter().flatten().any(|side| side.identity.is_some())
        {
            for step in &mut self.steps {
                step.wave += 1;
            }
            let job = Job::Preflight(preflight);
            self.steps.insert(0, Step { name: "preflight".to_owned(), wave: 0, action: Action::Run, job });
        }
        Ok(access)
    }

    fn rules(&self) -> AccessRules<'_> {
        let Known { inputs, place, command, .. } = *self.known;
        AccessRules { inputs, place, command }
    }

    /// The side that is promoted to, if the run promotes.
    fn destination_side(&self, own: &Side) -> Result<Option<Side>, Failure> {
        match (self.promotion_that_runs(), &self.known.destination) {
            (Some(promotion), Ok(values)) => {
                let side = self.rules().destination(self.known.values, values, own)?;
                // Only a target uses the cluster.
                Ok(Some(Side { cluster: side.cluster.filter(|_| promotion.by.is_some()), ..side }))
            }
            _ => Ok(None),
        }
    }

    fn promotion_that_runs(&self) -> Option<&Promotion> {
        self.steps.iter().filter(|step| step.action == Action::Run).find_map(|step| match &step.job {
            Job::Promote(promotion) => Some(promotion),
            _ => None,
        })
    }

    /// The namespaces that the targets deploy to. The base namespace is not among them.
    fn namespaces(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let names = self.steps.iter().filter(|step| step.action == Action::Run).filter_map(namespace);
        names.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The repositories of this image that p2p will write and read.
    fn rights(&self, image: &str) -> Preflight {
        let known = self.known;
        let builds = self.steps.iter().any(|step| step.name == BUILD && step.action == Action::Run);
        let registry = known.values.text(Key::Registry).filter(|_| builds);
        let test = &known.paths.of(Stage::FastFeedback).text;
        let promotion = self.promotion_that_runs();
        let reads = promotion.filter(|_| known.command == Command::Promote);
        Preflight {
            push: registry.map(|registry| ImagePath::new(registry, test).image(image)),
            pull: reads.map(|promotion| promotion.source.image(image)),
            promote: promotion.map(|promotion| promotion.destination.image(image)),
            review: None,
        }
    }

    /// Adds the step that creates the subnamespaces. It runs beside the first target, unless that target needs one
    /// of them.
    fn subnamespaces(&mut self, subnamespaces: Subnamespaces) {
        let first = self.steps.iter().position(|step| step.action == Action::Run && step.target().is_some());
        let Some(first) = first else { return };
        let name = "subnamespaces".to_owned();
        let job = Job::Subnamespaces(subnamespaces);
        let wave = self.steps[first].wave;
        if namespace(&self.steps[first]).is_none() {
            self.steps.insert(first + 1, Step { name, wave, action: Action::Run, job });
        } else {
            for step in &mut self.steps[first..] {
                step.wave += 1;
            }
            self.steps.insert(first, Step { name, wave, action: Action::Run, job });
        }
    }
}

/// What decides about the accounts of a command.
#[derive(Clone, Copy)]
pub struct AccessRules<'a> {
    pub inputs: &'a Inputs,
    pub place: Place,
    pub command: Command,
}

impl AccessRules<'_> {
    /// The side of the environment that the run works in. `works` is whether it does something there.
    ///
    /// # Errors
    /// If a service account is required but not known.
    pub fn own(&self, values: &Values, works: bool) -> Result<Side, Failure> {
        let inputs = self.inputs;
        let password = (inputs.registry_password.is_some() && values.own) || self.has_login(values);
        let given = password && inputs.kubeconfig.is_some();
        let wanted = works
            && match inputs.federation {
                Federate::Off => false,
                Federate::On => true,
                Federate::Auto => self.place == Place::Github && !given,
            };
        let promotes = self.command == Command::Promote;
        let role = if promotes { Role::Source } else { Role::Own };
        let side = side(values, role, wanted, inputs.federation == Federate::On, password)?;
        Ok(Side { cluster: self.cluster(&side, values).filter(|_| !promotes), ..side })
    }

    /// The side of the environment that is promoted to.
    fn destination(&self, source: &Values, values: &Values, own: &Side) -> Result<Side, Failure> {
        let same = values.text(Key::Registry) == source.text(Key::Registry);
        let password = self.has_login(values) || (same && self.inputs.registry_password.is_some());
        let acts = own.identity.is_some();
        let wanted = match self.inputs.federation {
            Federate::Off => false,
            Federate::On => true,
            Federate::Auto => self.place == Place::Github && (acts || !password),
        };
        let google = values.google_registry().is_some();
        let side = side(values, Role::Destination, wanted, acts && google && !password, password)?;
        let cluster = self.cluster(&side, values);
        // If both sides use one account, it is one identity.
        let same = |own: &&Acting, other: &Acting| {
            own.provider.text == other.provider.text && own.service_account.text == other.service_account.text
        };
        let identity = side
            .identity
            .map(|other| own.identity.as_ref().filter(|own| same(own, &other)).cloned().unwrap_or(other));
        Ok(Side { identity, cluster, ..side })
    }

    /// The cluster of an environment that p2p can look up.
    fn cluster(&self, side: &Side, values: &Values) -> Option<Located> {
        side.identity.as_ref().filter(|_| self.inputs.kubeconfig.is_none())?;
        let text = |key| values.text(key).map(str::to_owned);
        Some(Located {
            project: text(Key::ProjectId)?,
            location: text(Key::Region)?,
            name: text(Key::ClusterName)?,
            context: text(Key::KubeContext)?,
            endpoint: values.parsed(Key::ClusterEndpoint),
        })
    }

    /// Whether `registry-logins` has a login to the registry of an environment.
    fn has_login(&self, values: &Values) -> bool {
        let logins = self.inputs.registry_logins.as_ref();
        logins.zip(values.text(Key::Registry)).is_some_and(|(logins, registry)| logins.of(registry).is_some())
    }
}

/// The namespace that a step's target deploys to.
fn namespace(step: &Step) -> Option<String> {
    let Job::Target(target) = &step.job else { return None };
    target.namespace.clone().filter(|_| target.deploys)
}

/// The identity of an environment, if it is wanted and known, and the registry that it logs in to.
fn side(values: &Values, role: Role, wanted: bool, required: bool, password: bool) -> Result<Side, Failure> {
    let keys = [Key::WorkloadIdentityProvider, Key::ServiceAccount];
    if !wanted || (!required && keys.iter().any(|key| values.get(*key).is_none())) {
        return Ok(Side::default());
    }
    let [provider, service_account] = [values.require(keys[0])?.clone(), values.require(keys[1])?.clone()];
    let registry = values.google_registry().filter(|_| !password).map(str::to_owned);
    Ok(Side { identity: Some(Acting { role, provider, service_account }), registry, cluster: None })
}

/// The URLs of Google's services for an environment.
pub fn endpoints(values: &Values) -> Endpoints {
    let universe = values.text(Key::GoogleUniverse);
    let mut endpoints = universe.map_or_else(Endpoints::default, Endpoints::of_universe);
    for (own, key) in [
        (&mut endpoints.sts, Key::GoogleStsUrl),
        (&mut endpoints.iam_credentials, Key::GoogleIamCredentialsUrl),
        (&mut endpoints.container, Key::GoogleContainerUrl),
        (&mut endpoints.kms, Key::GoogleKmsUrl),
    ] {
        if let Some(url) = values.text(key) {
            url.trim_end_matches('/').clone_into(own);
        }
    }
    endpoints
}
