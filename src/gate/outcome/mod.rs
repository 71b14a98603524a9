//! Pure: what happened. `execute` makes these values, the listeners of `report` read them, and
//! the report file is their JSON. No effects here.

mod event;

pub(crate) use event::Event;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::cause::Cause;
use crate::domain::image::{Image, Promoted};
use crate::domain::results::TestResults;
use crate::domain::scan::Scan;
use crate::gate::plan::Plan;
use sys::error::{Exit, Failure};

/// The result of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It ran and succeeded.
    Passed,
    /// The target exists and does nothing; that passes.
    Nothing,
    /// It did not run.
    Skipped,
    /// It ran and failed.
    Failed,
    /// It ran into its time limit.
    TimedOut,
    /// A signal stopped the run while it was under way.
    Interrupted,
}

impl Status {
    /// Whether the gate goes on after it.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Passed | Self::Nothing | Self::Skipped)
    }

    /// The word for it in outputs, logs and the report.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Nothing => "nothing",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Serialize)]
pub struct StepResult {
    /// The step's name: a make target, or what we do ourselves (`version`, `images`); with the environment
    /// where there are several.
    pub name: String,
    /// The make target by its own name, where the step runs one.
    #[serde(skip)]
    pub target: Option<String>,
    /// How it ended.
    pub status: Status,
    /// When it began, RFC 3339; none for a step that did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// How long it took, to the millisecond.
    pub seconds: f64,
    /// Why it was skipped, or how it failed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The exit code of make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The file that holds all that it printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The last lines that it printed, masked and harmless; for a failed step only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// Why a target failed. The report holds it in `failure`.
    #[serde(skip)]
    pub cause: Option<Cause>,
    /// The results of its tests, if it wrote reports of them. They change nothing about its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestResults>,
    /// What is wrong in its namespace where it failed there, masked and harmless: pods that are not
    /// well, the last lines of their logs, warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    /// The command that repeats it on a laptop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// The processes that it left running in the background; they were ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// The failure of a step of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl StepResult {
    /// The result without the secrets in what p2p itself says of it; what a target printed has none.
    #[must_use]
    pub(crate) fn masked(mut self, mask: impl Fn(String) -> String) -> Self {
        self.reason = self.reason.map(&mask);
        self.leftovers = self.leftovers.into_iter().map(&mask).collect();
        self.failure = self.failure.map(|failure| Failure {
            what: mask(failure.what),
            causes: failure.causes.into_iter().map(&mask).collect(),
            help: failure.help.map(&mask),
            exit: failure.exit,
        });
        self
    }

    /// A step that ended like this. The caller fills in the rest.
    pub fn new(name: &str, status: Status, seconds: f64) -> Self {
        Self {
            name: name.to_owned(),
            target: None,
            status,
            started: None,
            seconds: (seconds * 1000.0).round() / 1000.0,
            reason: None,
            exit_code: None,
            log: None,
            tail: Vec::new(),
            cause: None,
            tests: None,
            cluster: Vec::new(),
            repeat: None,
            leftovers: Vec::new(),
            failure: None,
        }
    }

    /// A step that did not run.
    pub fn skipped(name: &str, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(name, Status::Skipped, 0.0) }
    }

    /// A step of ours that failed.
    pub fn failed(name: &str, seconds: f64, failure: Failure) -> Self {
        let reason = Some(failure.what.clone());
        Self { reason, failure: Some(failure), ..Self::new(name, Status::Failed, seconds) }
    }

    /// The exit code of the process that this result asks for.
    pub fn exit(&self) -> Exit {
        match (&self.status, &self.failure, self.exit_code) {
            (Status::TimedOut, ..) => Exit::TimedOut,
            (_, Some(failure), _) => failure.exit,
            (Status::Failed, None, Some(code)) if code > 0 => Exit::Target(code),
            (status, ..) if status.passes() => Exit::Passed,
            _ => Exit::Failed,
        }
    }
}

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that had to pass did.
    Success,
    /// Something failed.
    Failure,
    /// A signal stopped it.
    Cancelled,
    /// Nothing was to be done: a pull request from a fork.
    Skipped,
}

/// What failed, for programs: in each step that did not pass, and of the first one in the report itself.
#[derive(Debug, Clone, Serialize)]
pub struct FailedStep<'a> {
    /// The step.
    pub step: &'a str,
    /// What failed.
    pub what: &'a str,
    /// Why, from the outside in; empty for a target.
    pub causes: &'a [String],
    /// What the reader can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a str>,
    /// What the output of a target says about its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a Cause>,
}

impl StepResult {
    /// What failed, if the step did not pass.
    pub fn failed_step(&self) -> Option<FailedStep<'_>> {
        let (step, cause) = (self.name.as_str(), self.cause.as_ref());
        match &self.failure {
            Some(Failure { what, causes, help, .. }) => {
                Some(FailedStep { step, what, causes, help: help.as_deref(), cause })
            }
            None if self.status.passes() => None,
            None => {
                let what = self.reason.as_deref().unwrap_or_default();
                let help = cause.and_then(|cause| cause.help.as_deref());
                Some(FailedStep { step, what, causes: &[], help, cause })
            }
        }
    }
}

impl Verdict {
    /// What goes before what, where parts of a run end differently.
    fn weight(self) -> u8 {
        match self {
            Self::Skipped => 0,
            Self::Success => 1,
            Self::Failure => 2,
            Self::Cancelled => 3,
        }
    }

    /// The word for it in the output `result`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The verdict.
    pub result: Verdict,
    /// The plan as it was executed.
    pub plan: Plan,
    /// The plans besides: of other environments, and of promotions to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_plans: Vec<Plan>,
    /// Whether this run created the version tag.
    pub tag_created: bool,
    /// The steps in order.
    pub steps: Vec<StepResult>,
    /// The images that the build pushed.
    pub images: Vec<Image>,
    /// The images that were promoted.
    pub promoted: Vec<Promoted>,
    /// What scans found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<Scan>,
    /// Files that the `artifacts` globs name.
    pub artifacts: Vec<String>,
    /// What the reader should know besides: warnings in the order they came up.
    pub warnings: Vec<String>,
    /// Namespaces in which something may be half-deployed: a target was broken off there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub half_deployed: Vec<String>,
    /// The median time of each target in earlier versions, in seconds, where their records say it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub usual: BTreeMap<String, f64>,
    /// When it began, RFC 3339.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The directory that holds the targets' logs.
    pub logs: String,
    /// The exit code of the process.
    #[serde(skip)]
    pub exit: Exit,
}

impl Outcome {
    /// The version tag: none where this run was to create it and did not get there.
    pub fn version_tag(&self) -> Option<&str> {
        let version = &self.plan.version;
        // A plan that is only shown has no steps, and says what it would create.
        let missing = version.create && !self.tag_created && !self.steps.is_empty();
        version.tag.as_deref().filter(|_| !missing)
    }

    /// One outcome of the parts of a run, of which there is at least one. They began at the same time.
    pub fn joined(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut all = parts.next()?;
        for part in parts {
            let worse = part.result.weight() > all.result.weight();
            if worse {
                (all.result, all.exit) = (part.result, part.exit);
            }
            all.other_plans.push(part.plan);
            all.tag_created |= part.tag_created;
            all.steps.extend(part.steps);
            all.images.extend(part.images);
            all.promoted.extend(part.promoted);
            all.scans.extend(part.scans);
            all.usual.extend(part.usual);
            for (list, more) in [
                (&mut all.artifacts, part.artifacts),
                (&mut all.warnings, part.warnings),
                (&mut all.half_deployed, part.half_deployed),
            ] {
                for text in more {
                    if !list.contains(&text) {
                        list.push(text);
                    }
                }
            }
            all.seconds = all.seconds.max(part.seconds);
        }
        Some(all)
    }

    /// The outcome of a plan that is only shown: nothing ran.
    pub fn of_plan(plan: Plan, now: jiff::Timestamp, logs: String) -> Self {
        Self {
            result: Verdict::Success,
            other_plans: Vec::new(),
            tag_created: false,
            steps: Vec::new(),
            images: Vec::new(),
            promoted: Vec::new(),
            scans: Vec::new(),
            artifacts: Vec::new(),
            warnings: plan.warnings.clone(),
            half_deployed: Vec::new(),
            usual: BTreeMap::new(),
            started: now.to_string(),
            seconds: 0.0,
            logs,
            exit: Exit::Passed,
            plan,
        }
    }
}
