//! `p2p explain`: prints again why a run failed, from its report.

use clap::{ArgMatches, Command};
use serde::{Deserialize, Serialize};

use super::access::inputs;
use super::report_file;
use crate::domain::cause::Cause;
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
    failure: Option<Reason>,
}

#[derive(Deserialize)]
struct Step {
    name: String,
    failure: Option<Reason>,
    log: Option<String>,
    repeat: Option<String>,
    #[serde(default)]
    cluster: Vec<String>,
}

#[derive(Deserialize)]
struct Reason {
    what: String,
    #[serde(default)]
    causes: Vec<String>,
    help: Option<String>,
    cause: Option<Cause>,
}

impl Reason {
    fn of<'a>(&'a self, step: &'a str) -> FailedStep<'a> {
        let Self { what, causes, help, cause } = self;
        FailedStep { step, what, causes, help: help.as_deref(), cause: cause.as_ref() }
    }
}

/// A failed step, for a program.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    failed: FailedStep<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cluster: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<&'a str>,
}

pub(super) fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let format = inputs(world, matches, console)?.output;
    let report: Report = report_file::read(&report_file::find(world, matches)?)?;
    let failed = explained(&report);
    match format {
        OutputFormat::Text => print(console, &report.result, &failed),
        OutputFormat::Json => {
            let answer = serde_json::json!({"result": report.result, "failed": failed});
            console.say(&format!("{answer:#}"));
        }
        OutputFormat::Matrix => {
            return Err(Failure::usage(
                "`--output` is `matrix`, which only plans can be printed as",
                "expected: text, json",
            ));
        }
    }
    Ok(Exit::Passed)
}

/// The failed steps, or the failure from before there were any.
fn explained(report: &Report) -> Vec<Explained<'_>> {
    let steps = report.steps.iter().filter_map(|step| {
        let failed = step.failure.as_ref()?.of(&step.name);
        let (log, repeat) = (step.log.as_deref(), step.repeat.as_deref());
        Some(Explained { failed, cluster: &step.cluster, log, repeat })
    });
    let steps: Vec<_> = steps.collect();
    if !steps.is_empty() {
        return steps;
    }
    let early = report.failure.iter().map(|failure| failure.of("p2p"));
    early.map(|failed| Explained { failed, cluster: &[], log: None, repeat: None }).collect()
}

fn print(console: &Console, result: &str, failed: &[Explained<'_>]) {
    if failed.is_empty() {
        return console.say(&format!("nothing failed: the result of the run is {result}"));
    }
    for (index, Explained { failed, cluster, log, repeat }) in failed.iter().enumerate() {
        let lines = why(failed).join("\n");
        console.say(if index == 0 { lines.trim_start_matches('\n') } else { &lines });
        for line in *cluster {
            console.say(&format!("  cluster: {line}"));
        }
        for (title, text) in [("whole log:  ", log), ("repeat it:  ", repeat)] {
            if let Some(text) = text {
                console.say(&format!("  {title}{text}"));
            }
        }
    }
}
