//! Decides which steps run, in which order, and why others are skipped. Pure. A plan is a value; what is
//! printed is what is executed. No HTTP, no files, no environment, no clock.

mod access;
mod assigned;
mod build;
mod cache;
mod eligibility;
mod images;
mod later;
mod missing_app_name;
mod scan;
mod single;
mod stranger;
mod text;

pub use access::{Access, AccessRules, Acting, Cloud, Located, Preflight, Review, Side, Subnamespaces};
pub use build::{Known, plan, stage};
pub use cache::{BUILDER, Buildx, CREATE_BUILDER, Cache, INSPECT_BUILDER, cache};
pub use eligibility::{EVENTS, Eligibility, Facts, Ineligible, Named, eligibility};
pub use images::{IMAGES, Naming};
pub use later::Later;
pub use missing_app_name::missing_app_name;
pub use scan::{ScanJob, ScanSubject};
pub(crate) use scan::{ScanTarget, scan_target};
pub use stranger::{Stranger, stranger};

use std::time::Duration;

use serde::Serialize;

use crate::domain::environment::{Origin, Stage, Values, Variables};
use crate::domain::image::{ImagePath, Tested};
use crate::domain::version::Line;
use crate::inputs::{Command, OnExisting, Records};

/// Where a run takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A job of GitHub Actions.
    Github,
    /// A laptop: nothing remote is touched.
    Local,
}

/// Everything that will be done.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The command that this plan is for.
    pub command: Command,
    /// Where it runs.
    pub place: Place,
    /// What the reader should know before: what a local run substitutes, why nothing is promoted.
    pub notes: Vec<String>,
    /// The same, where it is worth a warning.
    pub warnings: Vec<String>,
    /// The commit under test, in full.
    pub commit: String,
    /// The version.
    pub version: PlannedVersion,
    /// The values of the job's own environment, each with where it came from.
    pub environment: Values,
    /// Why the whole run is skipped, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Who the run acts as, and where.
    pub access: Access,
    /// What is done about the build cache.
    pub build_cache: Cache,
    /// The images to record and promote.
    pub images: Images,
    /// The directory make runs in, relative to the workspace.
    pub directory: String,
    /// Globs of files to keep, relative to `directory`.
    pub artifacts: Vec<String>,
    /// What is known of environments, this one included, as the input `environments` takes it: for
    /// later jobs.
    #[serde(skip)]
    pub known: serde_json::Map<String, serde_json::Value>,
    /// The steps in order. Neighbours of one wave run at the same time.
    pub steps: Vec<Step>,
}

/// The version of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedVersion {
    /// Without the prefix.
    pub version: String,
    /// The version before it; unknown where the version was given or the run is local.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The version tag, with the prefix, where the version has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whether this run creates the tag.
    pub create: bool,
    /// Why it is this version.
    pub because: String,
}

/// Which images a run is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Images {
    /// Where the names come from.
    #[serde(flatten)]
    pub names: Names,
    /// Whether an image that is not in the registry after the build is an error.
    pub required: bool,
    /// Whether the names are what a downloaded include lists, so that there may be no image at all.
    #[serde(skip)]
    pub by_default: bool,
    /// Whether an earlier job handed its digests over, even if it had none.
    #[serde(skip)]
    pub handed_over: bool,
    /// Digests that an earlier job recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<Tested>,
}

impl Default for Names {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl Images {
    /// Whether nothing says what the images are called.
    pub fn has_no_names(&self) -> bool {
        matches!(&self.names, Names::Names(names) if names.is_empty())
    }
}

/// Where the names of images come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// These.
    Names(Vec<String>),
    /// What this make target prints after the build.
    PrintedBy(Box<Target>),
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name: the make target, or what we do ourselves.
    pub name: String,
    /// Steps of one wave run at the same time; a wave begins when the one before has ended.
    pub wave: usize,
    /// Whether it runs.
    #[serde(flatten)]
    pub action: Action,
    /// What it does.
    pub job: Job,
}

/// Whether a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// It runs.
    Run,
    /// It is left out.
    Skip {
        /// Why.
        reason: String,
        /// Whether the reader should look into it.
        warn: bool,
    },
    /// The target exists and does nothing.
    Nothing,
}

/// What a step does.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Job {
    /// Finds out whether the run can get at what it needs.
    Preflight(Preflight),
    /// Settles the version: creates the tag where the plan says so.
    Version,
    /// Makes the subnamespaces of the targets.
    Subnamespaces(Subnamespaces),
    /// Runs a make target.
    Target(Target),
    /// Finds each image's digest in the registry and records it.
    Images {
        /// The registry path of the images: `<registry>/<stage path>`.
        repository: ImagePath,
        /// The stage that tests them.
        stage: Stage,
        /// The gates that they passed before; none after a build.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<Stage>,
        /// Whether the records of these gates should say so, or must.
        #[serde(skip_serializing_if = "off")]
        records: Records,
    },
    /// Promotes the images.
    Promote(Promotion),
    /// Scans source or images.
    Scan(Box<ScanJob>),
    /// Puts the version tag on a child of the commit, with these files added or replaced.
    ReleaseCommit {
        /// The tag.
        tag: String,
        /// Globs of the files.
        files: Vec<String>,
    },
    /// Makes the GitHub release of the version.
    Release {
        /// Globs of the files that it offers.
        assets: Vec<String>,
        /// Where its text comes from.
        notes: String,
    },
    /// Moves the floating tags to the version's commit.
    FloatingTags {
        /// Those of these lines.
        lines: Vec<Line>,
    },
}

/// A make target to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name in the Makefile.
    pub target: String,
    /// The namespace that its kubeconfig points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether it may deploy to that namespace, which is made for it; build and promotion do not.
    #[serde(skip)]
    pub deploys: bool,
    /// Whether it runs in a copy of the workspace.
    pub in_copy: bool,
    /// Why it waits until its neighbour has ended, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_turn: Option<String>,
    /// The variables that make is given on its command line as well, because the Makefile sets them itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<String>,
    /// Its time limit; without one only the job's own limit ends it.
    #[serde(
        rename = "time-limit-seconds",
        serialize_with = "seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_limit: Option<Duration>,
    /// The variables it gets, besides those of the job.
    pub variables: Variables,
}

/// A promotion.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Promotion {
    /// The stage that is promoted to.
    pub stage: Stage,
    /// The make target that does it; we copy the images ourselves where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Target>,
    /// Where the images are: `<registry>/<stage path>`.
    pub source: ImagePath,
    /// Where they go.
    pub destination: ImagePath,
    /// Whether what refers to the images comes along.
    pub include_referrers: bool,
    /// What happens where a tag at the destination names another image.
    pub on_existing: OnExisting,
    /// What becomes of the records of gates.
    pub record: Records,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn off(records: &Records) -> bool {
    *records == Records::Off
}

impl Target {
    /// The assignments for make's command line, which expands them once more.
    pub fn assignments(&self) -> impl Iterator<Item = String> {
        let value = |name: &String| Some(self.variables.get(name)?.expose().replace('$', "$$"));
        self.settled.iter().filter_map(move |name| Some(format!("{name}={}", value(name)?)))
    }
}

impl Job {
    /// Whether it creates or moves tags in the remote repository.
    pub fn tags(&self, version: &PlannedVersion) -> bool {
        match self {
            Self::Version => version.create,
            Self::ReleaseCommit { .. } | Self::Release { .. } | Self::FloatingTags { .. } => true,
            Self::Preflight(_)
            | Self::Subnamespaces(_)
            | Self::Target(_)
            | Self::Images { .. }
            | Self::Scan(_)
            | Self::Promote(_) => false,
        }
    }
}

impl Plan {
    /// The plan with the version that was settled in the end: another run may have taken the one
    /// that was planned.
    #[must_use]
    pub fn with_version(mut self, settled: PlannedVersion) -> Self {
        for step in &mut self.steps {
            let target = match &mut step.job {
                Job::Target(target) => Some(target),
                Job::Promote(promotion) => promotion.by.as_mut(),
                _ => None,
            };
            if let Some(target) = target {
                let origin = Origin::Run(settled.because.clone());
                let variables = std::mem::take(&mut target.variables);
                target.variables = variables.with_version(&settled.version, &origin);
            }
        }
        if let Names::PrintedBy(target) = &mut self.images.names {
            let origin = Origin::Run(settled.because.clone());
            target.variables = std::mem::take(&mut target.variables).with_version(&settled.version, &origin);
        }
        self.version = settled;
        self
    }

    /// The plan of which nothing is done.
    #[must_use]
    pub(crate) fn without_steps(mut self, reason: &str) -> Self {
        for step in &mut self.steps {
            step.action = Action::Skip { reason: reason.to_owned(), warn: false };
        }
        self.notes.push(format!("nothing is done: {reason}"));
        self.warnings.clear();
        self.skipped = Some(reason.to_owned());
        self
    }

    /// Adds the environments to the names of the steps, for a run that has several: to a promotion the one
    /// that is promoted to.
    pub fn name_environments(&mut self, own: Option<&str>, destination: Option<&str>) {
        for step in &mut self.steps {
            let name = if matches!(step.job, Job::Promote(_)) { destination } else { own };
            if let Some(name) = name {
                step.name = format!("{} ({name})", step.name);
            }
        }
    }

    /// The commit under test; none outside a git repository, where a local run works all the same.
    pub fn commit(&self) -> Option<&str> {
        Some(self.commit.as_str()).filter(|commit| commit.bytes().any(|digit| digit != b'0'))
    }

    /// The steps of each wave, in order.
    pub fn waves(&self) -> impl Iterator<Item = &[Step]> {
        self.steps.chunk_by(|one, next| one.wave == next.wave)
    }
}

#[expect(clippy::ref_option, reason = "serde gives the field as it is")]
fn seconds<S: serde::Serializer>(limit: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    limit.map(|limit| limit.as_secs()).serialize(serializer)
}
