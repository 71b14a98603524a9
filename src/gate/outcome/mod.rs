//! What happened. Pure: `execute` makes these values, the listeners of `report` read them, and the report file is
//! their JSON.

mod event;

pub(crate) use event::Event;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    /// The target exists but does nothing. That passes.
    Nothing,
    /// It did not run.
    Skipped,
    /// It ran and failed.
    Failed,
    /// It exceeded its time limit.
    TimedOut,
    /// A signal stopped the run while the step was running.
    Interrupted,
}

impl Status {
    /// Whether the gate continues after this status.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Passed | Self::Nothing | Self::Skipped)
    }

    /// The word for this status in outputs, logs and the report.
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

/// The result of a step.
#[derive(Debug, Clone, Serialize)]
pub struct StepResult {
    /// The step's name: a make target, or a step of p2p such as `version` or `images`. With several environments, it
    /// includes the environment.
    pub name: String,
    /// The name of the make target, if the step runs one.
    #[serde(skip)]
    pub target: Option<String>,
    /// How it ended.
    pub status: Status,
    /// When it began (RFC 3339). `None` if it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Its duration in seconds, to the millisecond.
    pub seconds: f64,
    /// Why it was skipped, or how it failed, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The exit code of make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The file with everything that it printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The last lines that it printed, masked. Only for a failed step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// Why a target failed. The report holds it in `failure`.
    #[serde(skip)]
    pub cause: Option<Cause>,
    /// The results of its tests, if it wrote reports of them. They change nothing about its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestResults>,
    /// What is wrong in its namespace, if it failed there: pods that are not ready, the last lines of their logs,
    /// and warnings. Masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    /// The command that repeats the step on a laptop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// The background processes that it left running. p2p ended them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// The failure of a step of p2p.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl StepResult {
    /// The result with masked messages of p2p. The output of a target is masked already.
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

    /// A result with this status. The caller fills in the rest.
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

    /// The result of a step that did not run.
    pub fn skipped(name: &str, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(name, Status::Skipped, 0.0) }
    }

    /// The result of a step of p2p that failed.
    pub fn failed(name: &str, seconds: f64, failure: Failure) -> Self {
        let reason = Some(failure.what.clone());
        Self { reason, failure: Some(failure), ..Self::new(name, Status::Failed, seconds) }
    }

    /// The exit code that p2p returns for this result.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that had to pass has passed.
    Success,
    /// At least one step failed.
    Failure,
    /// A signal stopped the run.
    Cancelled,
    /// There was nothing to do, for example on a pull request from a fork.
    Skipped,
}

/// A failure as programs read it: in each step that did not pass, and for the first one in the report itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailedStep {
    /// The step. A failure before any step has none.
    #[serde(default)]
    pub step: String,
    /// What failed.
    pub what: String,
    /// The causes, outermost first. Empty for a target.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What the reader can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What the output of a target says about its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl FailedStep {
    /// The line that says most: the cause in the output of a target, or what failed.
    pub fn headline(&self) -> &str {
        self.cause.as_ref().map_or(&self.what, |cause| &cause.headline)
    }

    /// Where it is in the repository, in brackets, if that is known. `show` makes it fit for the reader.
    pub fn place(&self, show: impl Fn(&str) -> String) -> String {
        let place = self.cause.as_ref().and_then(|cause| cause.place.as_ref());
        place.map(|place| format!(" ({})", show(&place.to_string()))).unwrap_or_default()
    }

    /// The lines that show it, if they say more than the headline.
    pub fn lines(&self) -> impl Iterator<Item = &str> + Clone {
        let lines = self.cause.iter().map(|cause| &cause.lines).filter(|lines| lines.len() > 1);
        lines.flatten().map(String::as_str)
    }
}

impl StepResult {
    /// The failure, if the step did not pass.
    pub fn failed_step(&self) -> Option<FailedStep> {
        let (step, cause) = (self.name.clone(), self.cause.clone());
        match self.failure.clone() {
            Some(Failure { what, causes, help, .. }) => Some(FailedStep { step, what, causes, help, cause }),
            None if self.status.passes() => None,
            None => {
                let what = self.reason.clone().unwrap_or_default();
                let help = cause.as_ref().and_then(|cause| cause.help.clone());
                Some(FailedStep { step, what, causes: Vec::new(), help, cause })
            }
        }
    }
}

impl Verdict {
    /// Decides which verdict wins if the parts of a run end differently.
    fn weight(self) -> u8 {
        match self {
            Self::Skipped => 0,
            Self::Success => 1,
            Self::Failure => 2,
            Self::Cancelled => 3,
        }
    }

    /// The word for this verdict in the output `result`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub result: Verdict,
    pub plan: Plan,
    /// Further plans: for other environments, and for promotions to them.
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
    /// Warnings, in the order in which they appeared.
    pub warnings: Vec<String>,
    /// Namespaces that may contain half of a deployment, because a target was stopped there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub half_deployed: Vec<String>,
    /// The median time of each target in earlier versions, in seconds, if their records contain times.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub usual: BTreeMap<String, f64>,
    /// When the run began (RFC 3339).
    pub started: String,
    /// Its duration in seconds.
    pub seconds: f64,
    /// The directory that holds the targets' logs.
    pub logs: String,
    /// The exit code of the process.
    #[serde(skip)]
    pub exit: Exit,
}

impl Outcome {
    /// The version tag. `None` if this run should have created it but did not get that far.
    pub fn version_tag(&self) -> Option<&str> {
        let version = &self.plan.version;
        // A plan that is only shown has no steps. It names the tag that it would create.
        let missing = version.create && !self.tag_created && !self.steps.is_empty();
        version.tag.as_deref().filter(|_| !missing)
    }

    /// Joins the outcomes of the parts of a run, which began at the same time. `None` without parts.
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

    /// The outcome of a plan that is only shown.
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
