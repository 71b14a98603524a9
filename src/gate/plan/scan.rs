//! Scans: what is scanned, when it begins, and what it waits for.

use std::time::Duration;

use serde::Serialize;

use super::build::Planner;
use super::{Action, Job, Later, Place, Step};
use crate::domain::environment::{BUILD, FUNCTIONAL, Key, Stage};
use crate::domain::scan::{ScanKind, ScanOptions};
use crate::inputs::{Command, Records};
use oci::Reference;
use sys::error::Failure;

/// How long each scanner may take, unless the input `timeout` says otherwise.
const LIMIT: Duration = Duration::from_mins(20);

/// What `scan` can be about, for its error.
const WORDS: &str = "expected `source`, `secrets`, `dependencies`, `report DIRECTORY`, or `image` with images \
                     (`registry/name:tag`) or a gate (`fast-feedback`, `extended-test`, `prod`); nothing was run";

/// A scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScanJob {
    /// What is scanned.
    pub what: ScanSubject,
    /// How.
    pub options: ScanOptions,
    /// The target of an earlier wave that it begins together with; its own wave only waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Whether the SBOM of an image is attached to it.
    #[serde(skip)]
    pub attach: bool,
    /// How long each scanner may take.
    #[serde(skip)]
    pub time_limit: Duration,
}

/// What is scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanSubject {
    /// The repository.
    Source {
        /// Whether TruffleHog searches commits for secrets.
        secrets: bool,
        /// Whether Trivy looks at dependencies and licences.
        dependencies: bool,
        /// The commit after which the event's commits begin, where it names one.
        base: Option<String>,
        /// Whether dependencies are compared with those of that commit.
        compare: bool,
    },
    /// What earlier jobs found, in this directory.
    Reports(String),
    /// The images that the run recorded, of this gate.
    Recorded(Stage),
    /// These images.
    Images(Vec<Reference>),
}

impl ScanJob {
    /// Whether it is a whole scan: not a part for a later job, and not of images that somebody names.
    pub fn is_whole(&self) -> bool {
        match self.what {
            ScanSubject::Source { secrets, dependencies, .. } => secrets && dependencies,
            ScanSubject::Reports(_) | ScanSubject::Recorded(_) => true,
            ScanSubject::Images(_) => false,
        }
    }

    /// Source or images.
    pub fn kind(&self) -> ScanKind {
        match self.what {
            ScanSubject::Source { .. } | ScanSubject::Reports(_) => ScanKind::Source,
            ScanSubject::Recorded(_) | ScanSubject::Images(_) => ScanKind::Images,
        }
    }
}

impl Step {
    /// The scan that begins together with a target, where this step is one.
    pub fn begins_beside(&self, target: &str) -> Option<&ScanJob> {
        match &self.job {
            Job::Scan(job) if self.action == Action::Run && job.beside.as_deref() == Some(target) => {
                Some(job)
            }
            _ => None,
        }
    }
}

/// The images of `p2p scan image`, or the gate that they belong to.
pub(crate) enum ScanTarget {
    Subject(ScanSubject),
    Stage(Stage),
}

/// What the words after `scan` mean.
///
/// # Errors
/// For words that mean nothing, and images without a registry.
pub(crate) fn scan_target(
    words: &[String],
    base: Option<&str>,
    compare: bool,
) -> Result<ScanTarget, Failure> {
    let source = |secrets, dependencies| {
        let base = base.map(str::to_owned);
        let compare = compare && dependencies;
        Ok(ScanTarget::Subject(ScanSubject::Source { secrets, dependencies, base, compare }))
    };
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["source"] => source(true, true),
        ["secrets"] => source(true, false),
        ["dependencies"] => source(false, true),
        ["report", directory] => Ok(ScanTarget::Subject(ScanSubject::Reports((*directory).to_owned()))),
        ["image", stage] if Stage::named(stage).is_some() => {
            Ok(ScanTarget::Stage(Stage::named(stage).unwrap_or(Stage::FastFeedback)))
        }
        ["image", images @ ..] if !images.is_empty() => {
            let images = images.iter().map(|image| image.parse()).collect::<Result<_, _>>()?;
            Ok(ScanTarget::Subject(ScanSubject::Images(images)))
        }
        [] => Err(Failure::usage("`scan` does not say what", WORDS)),
        words => Err(Failure::usage(format!("`{}` is nothing that can be scanned", words.join(" ")), WORDS)),
    }
}

impl Planner<'_> {
    /// The command `scan`.
    pub(super) fn scan(&mut self) -> Result<(), Failure> {
        match scan_target(self.known.targets, self.known.scan_base, self.known.pull_request)? {
            ScanTarget::Subject(what) => self.scan_step(what, None),
            ScanTarget::Stage(stage) => {
                if !matches!(self.known.later, Some(Later { version: None, .. })) {
                    self.record(stage, &[])?;
                }
                self.scan_step(ScanSubject::Recorded(stage), None);
            }
        }
        Ok(())
    }

    /// The scans of fast feedback: of the source beside the build, and of the images beside the tests. Only the
    /// promotion waits for them.
    pub(super) fn scans(&mut self) {
        if !self.scans_here() {
            return;
        }
        let base = self.known.scan_base.map(str::to_owned);
        let wave = self.wave;
        let compare = self.known.pull_request;
        let source = ScanSubject::Source { secrets: true, dependencies: true, base, compare };
        self.scan_step(source, Some(BUILD));
        if self.known.values.text(Key::Registry).is_some() {
            self.wave = wave;
            self.scan_step(ScanSubject::Recorded(Stage::FastFeedback), Some(FUNCTIONAL));
        }
    }

    /// The scan of a later gate's images, beside its target.
    pub(super) fn later_scan(&mut self, stage: Stage, test: &str) {
        if self.scans_here() {
            self.scan_step(ScanSubject::Recorded(stage), Some(test));
        }
    }

    /// Whether the environment wants scans. Of several environments the first one scans, whose images go on.
    fn scans_here(&self) -> bool {
        self.known.promotes && ScanOptions::is_on(self.known.values)
    }

    fn scan_step(&mut self, what: ScanSubject, beside: Option<&str>) {
        let known = self.known;
        let recorded =
            matches!(what, ScanSubject::Recorded(_)) && known.inputs.promotion_record != Records::Off;
        let latest = known.command == Command::Scan && known.later.is_some();
        let job = ScanJob {
            what,
            attach: recorded && known.place == Place::Github && !latest,
            options: ScanOptions::of(known.values),
            beside: beside.map(str::to_owned),
            time_limit: known.inputs.timeout.unwrap_or(LIMIT),
        };
        let name = match job.kind() {
            ScanKind::Source => "scan-source",
            ScanKind::Images => "scan-images",
        };
        let registry = matches!(&job.what, ScanSubject::Recorded(_)) && known.place == Place::Github;
        let missing = registry && known.values.text(Key::Registry).is_none();
        let action = match known.later {
            _ if missing => Action::Skip { reason: "no registry is known".to_owned(), warn: true },
            Some(Later { version: None, because, .. }) if known.command == Command::Scan => {
                Action::Skip { reason: because.clone(), warn: false }
            }
            _ => Action::Run,
        };
        self.push(name, action, Job::Scan(Box::new(job)));
    }
}
