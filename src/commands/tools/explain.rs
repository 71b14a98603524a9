//! `p2p explain`: says again why a run failed, from its report.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};
use serde::{Deserialize, Serialize};

use super::access::inputs;
use crate::domain::cause::Cause;
use crate::gate::outcome::FailedStep;
use crate::inputs::OutputFormat;
use crate::report::{Console, why};
use sys::error::{Exit, Failure, FileError};
use sys::world::World;

pub(super) const NAME: &str = "explain";

/// The inputs that it reads.
pub(super) const INPUTS: [&str; 1] = ["output"];

/// What the name of each report ends with.
const REPORT: &str = "report.json";

pub(super) fn command() -> Command {
    Command::new(NAME).about("Say why a run failed, from its report").arg(
        Arg::new("report").value_name("REPORT").help("The report [default: that of the latest run here]"),
    )
}

/// The parts of a report that say what failed.
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

/// A step that failed, for a program.
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
    let file = match matches.get_one::<String>("report") {
        Some(file) => world.directory.join(file),
        None => latest(world)?,
    };
    let text = fs::read_to_string(&file).map_err(FileError::at("read", &file))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(
            format!("{} is no report of p2p: {error}", file.display()),
            "name the file that the output `report-path` names",
        )
    })?;
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

/// The steps that failed, or what failed before there were any.
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

/// The report of the latest run: of this job, or of this laptop.
fn latest(world: &World) -> Result<PathBuf, Failure> {
    let of_job = world.env.path("RUNNER_TEMP").filter(|_| world.env.get("GITHUB_ACTIONS") == Some("true"));
    let runs = of_job.unwrap_or_else(|| world.cache().join("runs"));
    let reports = entries(&runs).map(|run| run.join(REPORT));
    let newest =
        reports.filter_map(|report| Some((fs::metadata(&report).ok()?.modified().ok()?, report))).max();
    newest.map(|(_, report)| report).ok_or_else(|| {
        Failure::usage(
            format!("there is no report of a run in {}", runs.display()),
            "name the report: `p2p explain path/to/report.json`",
        )
    })
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}
