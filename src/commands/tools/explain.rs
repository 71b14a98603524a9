//! `p2p explain`: prints again why a run failed, from its report.

use clap::{ArgMatches, Command};
use serde::{Deserialize, Serialize};

use super::access::{inputs, text_or_json};
use super::report_file;
use crate::gate::outcome::FailedStep;
use crate::inputs::OutputFormat;
use crate::report::{Console, why};
use sys::error::{Exit, Failure};
use sys::world::World;

pub(super) const NAME: &str = "explain";

/// The inputs that it reads.
pub(super) const INPUTS: [&str; 1] = ["output"];

pub(super) fn command() -> Command {
    Command::new(NAME).about("Say why a run failed, from its report").arg(report_file::argument())
}

/// The parts of a report that describe failures.
#[derive(Deserialize)]
struct Report {
    result: String,
    #[serde(default)]
    steps: Vec<Step>,
    failure: Option<FailedStep>,
}

#[derive(Deserialize)]
struct Step {
    failure: Option<FailedStep>,
    #[serde(flatten)]
    more: More,
}

/// What a report says of a step that failed, besides the failure.
#[derive(Default, Deserialize, Serialize)]
struct More {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cluster: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<String>,
}

/// A failed step, for a program.
#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    failed: FailedStep,
    #[serde(flatten)]
    more: More,
}

pub(super) fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let format = text_or_json(&inputs(world, matches, console)?)?;
    let report: Report = report_file::read(&report_file::find(world, matches)?)?;
    let failed = failed(report.steps, report.failure);
    if format == OutputFormat::Json {
        let answer = serde_json::json!({"result": report.result, "failed": failed});
        console.say(&format!("{answer:#}"));
    } else if failed.is_empty() {
        console.say(&format!("nothing failed: the result of the run is {}", report.result));
    } else {
        console.say(text(&failed).trim_start_matches('\n'));
    }
    Ok(Exit::Passed)
}

/// The failed steps, or the failure from before there were any.
fn failed(steps: Vec<Step>, early: Option<FailedStep>) -> Vec<Explained> {
    let explained = |step: Step| Some(Explained { failed: step.failure?, more: step.more });
    let steps: Vec<_> = steps.into_iter().filter_map(explained).collect();
    if !steps.is_empty() {
        return steps;
    }
    let early = early.map(|failed| FailedStep { step: "p2p".to_owned(), ..failed });
    early.into_iter().map(|failed| Explained { failed, more: More::default() }).collect()
}

/// The same for a person.
fn text(failed: &[Explained]) -> String {
    let mut lines = Vec::new();
    for Explained { failed, more: More { cluster, log, repeat } } in failed {
        lines.extend(why(failed));
        lines.extend(cluster.iter().map(|line| format!("  cluster: {line}")));
        lines.extend(log.iter().map(|log| format!("  whole log:  {log}")));
        lines.extend(repeat.iter().map(|repeat| format!("  repeat it:  {repeat}")));
    }
    lines.join("\n")
}
