//! Decides which steps run, in which order, and why others are skipped. Pure: no HTTP, no files, no environment, no
//! clock. p2p executes exactly the plan that it can print.

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

pub use access::{
    Access, AccessRules, Acting, Cloud, Located, Preflight, Review, Side, Subnamespaces, endpoints,
};
pub use build::{Known, plan, stage};
pub use cache::{BUILDER, Buildx, CREATE_BUILDER, Cache, INSPECT_BUILDER, cache};
pub use eligibility::{EVENTS, Eligibility, Facts, Ineligible, Named, eligibility};
pub use images::{IMAGES, Naming};
pub use later::Later;
pub use missing_app_name::missing_app_name;
pub(crate) use scan::scan_target;
pub use scan::{ScanJob, ScanSubject};
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
    /// A laptop. p2p changes nothing remote.
    Local,
}

/// Everything that the run will do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The command of this plan.
    pub command: Command,
    pub place: Place,
    /// Notes for the top of the log: what a local run replaces, and why nothing is promoted.
    pub notes: Vec<String>,
    /// Warnings for the top of the log.
    pub warnings: Vec<String>,
    /// The commit under test, in full.
    pub commit: String,
    pub version: PlannedVersion,
    /// The values of the job's own environment, each with its source.
    pub environment: Values,
    /// Why the whole run is skipped, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The accounts of the run.
    pub access: Access,
    /// What p2p does for the build cache.
    pub build_cache: Cache,
    /// The images to record and promote.
    pub images: Images,
    /// The directory make runs in, relative to the workspace.
    pub directory: String,
    /// Globs of the files to keep, relative to `directory`.
    pub artifacts: Vec<String>,
    /// The known values of all environments, in the form of the input `environments`, for later jobs.
    #[serde(skip)]
    pub known: serde_json::Map<String, serde_json::Value>,
    /// The steps in order. Steps of the same wave run at the same time.
    pub steps: Vec<Step>,
}

/// The version of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedVersion {
    /// The version without the prefix.
    pub version: String,
    /// The version before it. Unknown if the version was given or the run is local.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The version tag, with the prefix, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whether this run creates the tag.
    pub create: bool,
    /// Why it is this version.
    pub because: String,
}

/// The images that a run works on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Images {
    #[serde(flatten)]
    pub names: Names,
    /// Whether an image that is not in the registry after the build is an error.
    pub required: bool,
    /// Whether the names come from a downloaded include, so that there may be no image at all.
    #[serde(skip)]
    pub by_default: bool,
    /// Whether an earlier job passed on its digests, even if it had none.
    #[serde(skip)]
    pub handed_over: bool,
    /// The images that an earlier job recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<Tested>,
}

impl Default for Names {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl Images {
    /// Whether nothing names the images.
    pub fn has_no_names(&self) -> bool {
        matches!(&self.names, Names::Names(names) if names.is_empty())
    }
}

/// Where the names of the images come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// The names.
    Names(Vec<String>),
    /// The make target that prints the names after the build.
    PrintedBy(Box<Target>),
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name: the make target, or the name of p2p's own step.
    pub name: String,
    /// Steps of one wave run at the same time. A wave begins when the previous one has ended.
    pub wave: usize,
    #[serde(flatten)]
    pub action: Action,
    pub job: Job,
}

/// Whether a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    Run,
    /// It is skipped.
    Skip {
        reason: String,
        /// Whether to warn about it.
        warn: bool,
    },
    /// The target exists but does nothing.
    Nothing,
}

/// What a step does.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Job {
    /// Checks that the run has the access that it needs.
    Preflight(Preflight),
    /// Settles the version, and creates the tag if the plan says so.
    Version,
    /// Creates the subnamespaces of the targets.
    Subnamespaces(Subnamespaces),
    /// Runs a make target.
    Target(Target),
    /// Finds the digest of each image in the registry and records it.
    Images {
        /// The registry path of the images: `<registry>/<stage path>`.
        repository: ImagePath,
        /// The stage that tests the images.
        stage: Stage,
        /// The gates that the images passed before. Empty after a build.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<Stage>,
        /// Whether these gates must have left records.
        #[serde(skip_serializing_if = "off")]
        records: Records,
    },
    /// Promotes the images.
    Promote(Promotion),
    /// Scans source or images.
    Scan(Box<ScanJob>),
    /// Puts the version tag on a child of the commit that adds or replaces these files.
    ReleaseCommit { tag: String, files: Vec<String> },
    /// Creates the GitHub release of the version.
    Release {
        assets: Vec<String>,
        /// Where its text comes from.
        notes: String,
    },
    /// Moves the floating tags to the version's commit.
    FloatingTags {
        /// The tags to move.
        lines: Vec<Line>,
    },
}

/// A make target to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name in the Makefile.
    pub target: String,
    /// The namespace in its kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether it may deploy to that namespace. Build and promotion do not.
    #[serde(skip)]
    pub deploys: bool,
    /// Whether it runs in a copy of the workspace.
    pub in_copy: bool,
    /// Why it waits for its neighbour, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_turn: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<String>,
    /// Its time limit. Without one, it may run as long as the job.
    #[serde(
        rename = "time-limit-seconds",
        serialize_with = "seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_limit: Option<Duration>,
    /// Its variables, in addition to those of the job.
    pub variables: Variables,
}

/// A promotion.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Promotion {
    /// The stage to promote to.
    pub stage: Stage,
    /// The make target that promotes. Without one, p2p copies the images itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Target>,
    /// Where the images are: `<registry>/<stage path>`.
    pub source: ImagePath,
    /// Where they go.
    pub destination: ImagePath,
    /// Whether to copy signatures, SBOMs and other referrers as well.
    pub include_referrers: bool,
    /// What happens if a tag at the destination names another image.
    pub on_existing: OnExisting,
    /// How p2p uses the records of gates.
    pub record: Records,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn off(records: &Records) -> bool {
    *records == Records::Off
}

impl Target {
    /// The assignments for make's command line. make expands them once more.
    pub fn assignments(&self) -> impl Iterator<Item = String> {
        let value = |name: &String| Some(self.variables.get(name)?.expose().replace('$', "$$"));
        self.settled.iter().filter_map(move |name| Some(format!("{name}={}", value(name)?)))
    }
}

impl Job {
    /// Whether the step creates or moves tags in the remote repository.
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
    /// The plan with the final version. Another run may have taken the planned one.
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

    /// The plan with every step skipped, for this reason.
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

    /// Adds the environments to the names of the steps, for a run with several. A promotion gets the name of its
    /// destination.
    pub fn name_environments(&mut self, own: Option<&str>, destination: Option<&str>) {
        for step in &mut self.steps {
            let name = if matches!(step.job, Job::Promote(_)) { destination } else { own };
            if let Some(name) = name {
                step.name = format!("{} ({name})", step.name);
            }
        }
    }

    /// The commit under test. `None` for a local run outside a git repository.
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
