//! What the scans of a plan examine, when they begin, and what they wait for.

use std::time::Duration;

use serde::Serialize;

use super::build::Planner;
use super::{Action, Job, Later, Place, Step};
use crate::domain::environment::{BUILD, FUNCTIONAL, Key, Stage};
use crate::domain::scan::{ScanKind, ScanOptions};
use crate::inputs::{Command, Records, Switch};
use oci::Reference;
use sys::error::Failure;

/// How long each scanner may take, unless the input `timeout` says otherwise.
const LIMIT: Duration = Duration::from_mins(20);

/// The words that `scan` accepts, for its error.
const WORDS: &str = "expected `source`, `secrets`, `dependencies`, `report DIRECTORY`, or `image` with images \
                     (`registry/name:tag`) or a gate (`fast-feedback`, `extended-test`, `prod`); nothing was run";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScanJob {
    /// What is scanned.
    pub what: ScanSubject,
    pub options: ScanOptions,
    /// The commit before the first commit of the event, if the event names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Whether dependencies are compared with those of that commit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compare: bool,
    /// The target of an earlier wave that the scan begins together with. Its own wave only waits for the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Whether the SBOM and the results of a scan are attached to an image, and earlier results are used.
    #[serde(skip)]
    pub attach: bool,
}

/// What is scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanSubject {
    /// The repository.
    Source {
        /// Whether TruffleHog searches the commits for secrets.
        secrets: bool,
        /// Whether Trivy examines dependencies and licences.
        dependencies: bool,
    },
    /// The findings of earlier jobs, in this directory.
    Reports(String),
    /// The images of this gate that the run recorded.
    Recorded(Stage),
    /// These images.
    Images(Vec<Reference>),
}

impl ScanJob {
    /// Whether it is a complete scan, not a part for a later job and not of images that the user named.
    pub fn is_whole(&self) -> bool {
        match self.what {
            ScanSubject::Source { secrets, dependencies } => secrets && dependencies,
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
    /// The scan that begins together with a target of this wave, if this step is one.
    pub fn begins_with(&self, wave: &[Self]) -> Option<&ScanJob> {
        let Job::Scan(job) = &self.job else { return None };
        let mut targets = wave.iter().filter_map(Self::target);
        let begins = self.action == Action::Run && targets.any(|of| job.beside.as_ref() == Some(&of.target));
        begins.then_some(job)
    }
}

/// Reads the words after `scan`. Images of a gate are those that the run records.
///
/// # Errors
/// For unknown words, and for images without a registry.
pub(crate) fn scan_target(words: &[String]) -> Result<ScanSubject, Failure> {
    let source = |secrets, dependencies| Ok(ScanSubject::Source { secrets, dependencies });
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["source"] => source(true, true),
        ["secrets"] => source(true, false),
        ["dependencies"] => source(false, true),
        ["report", directory] => Ok(ScanSubject::Reports((*directory).to_owned())),
        ["image", images @ ..] if !images.is_empty() => match (Stage::named(images[0]), images) {
            (Some(stage), [_]) => Ok(ScanSubject::Recorded(stage)),
            _ => Ok(ScanSubject::Images(images.iter().copied().map(named).collect::<Result<_, _>>()?)),
        },
        [] => Err(Failure::usage("`scan` does not say what", WORDS)),
        words => Err(Failure::usage(format!("`{}` cannot be scanned", words.join(" ")), WORDS)),
    }
}

/// Reads the name of an image. Without a registry it is more likely a mistyped gate than an image of Docker Hub.
fn named(image: &str) -> Result<Reference, Failure> {
    let registry = image.split_once('/').map(|(registry, _)| registry);
    if registry.is_none_or(|registry| registry != "localhost" && !registry.contains(['.', ':'])) {
        let help = format!("{WORDS}; an image of Docker Hub begins with `docker.io/`");
        return Err(Failure::usage(format!("`{image}` names no registry"), &help));
    }
    Ok(image.parse()?)
}

impl Planner<'_> {
    /// Adds the steps of the command `scan`.
    pub(super) fn scan(&mut self) -> Result<(), Failure> {
        let what = scan_target(self.known.targets)?;
        if let ScanSubject::Recorded(stage) = what
            && !matches!(self.known.later, Some(Later { version: None, .. }))
        {
            self.record(stage, &[])?;
        }
        self.scan_step(what, None);
        Ok(())
    }

    /// Adds the scans of fast feedback: the source beside the build, and the images beside the tests. Only the
    /// promotion waits for them.
    pub(super) fn scans(&mut self) {
        if !self.scans_here() {
            return;
        }
        let wave = self.wave;
        self.scan_step(ScanSubject::Source { secrets: true, dependencies: true }, Some(BUILD));
        if self.known.values.text(Key::Registry).is_some() {
            self.wave = wave;
            self.scan_step(ScanSubject::Recorded(Stage::FastFeedback), Some(FUNCTIONAL));
        }
    }

    /// Adds the scan of a later gate's images, beside its target.
    pub(super) fn later_scan(&mut self, stage: Stage, test: &str) {
        if self.scans_here() {
            self.scan_step(ScanSubject::Recorded(stage), Some(test));
        }
    }

    /// Whether the environment wants scans. With several environments, only the first one scans, because its images
    /// are promoted.
    fn scans_here(&self) -> bool {
        self.known.promotes && self.known.values.parsed(Key::Scan) == Some(Switch::On)
    }

    fn scan_step(&mut self, what: ScanSubject, beside: Option<&str>) {
        let known = self.known;
        let recorded = matches!(what, ScanSubject::Recorded(_)) && known.place == Place::Github;
        let latest = known.later.filter(|_| known.command == Command::Scan);
        let action = match latest {
            _ if recorded && known.values.text(Key::Registry).is_none() => {
                Action::Skip { reason: "no registry is known".to_owned(), warn: true }
            }
            Some(Later { version: None, because, .. }) => {
                Action::Skip { reason: because.clone(), warn: false }
            }
            _ => Action::Run,
        };
        let source = matches!(what, ScanSubject::Source { .. });
        let job = ScanJob {
            what,
            base: known.scan_base.filter(|_| source).map(str::to_owned),
            compare: source && known.pull_request,
            attach: recorded && latest.is_none() && known.inputs.promotion_record != Records::Off,
            options: ScanOptions::of(known.values, known.history, known.inputs.timeout.unwrap_or(LIMIT)),
            beside: beside.map(str::to_owned),
        };
        self.push(&format!("scan-{}", job.kind().word()), action, Job::Scan(Box::new(job)));
    }
}
