//! Finds and reads the report of a run.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches};
use serde::de::DeserializeOwned;

use sys::error::Failure;
use sys::private::{self, Links};
use sys::world::World;

/// The ending of the name of each report.
const REPORT: &str = "report.json";

/// The largest report, in bytes.
const LARGEST: u64 = 256 << 20;

/// The argument for the report.
pub(super) fn argument() -> Arg {
    Arg::new("report").value_name("REPORT").help("The report [default: that of the latest run here]")
}

/// The given report, or the report of the latest run: of this job, or on this laptop.
pub(super) fn find(world: &World, matches: &ArgMatches) -> Result<PathBuf, Failure> {
    match matches.get_one::<String>("report") {
        Some(file) => Ok(world.directory.join(file)),
        None => latest(world),
    }
}

pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    let bytes =
        private::read(file, Links::Follow, LARGEST).map_err(|error| none(file, &error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| none(file, &error.to_string()))
}

/// The failure for a file that is not a report.
pub(super) fn none(file: &Path, why: &str) -> Failure {
    Failure::usage(
        format!("{} is not a report of p2p: {why}", file.display()),
        "name a `report.json`, such as the one that the output `report-path` names",
    )
}

fn latest(world: &World) -> Result<PathBuf, Failure> {
    let of_job = world.env.path("RUNNER_TEMP").filter(|_| world.env.get("GITHUB_ACTIONS") == Some("true"));
    let runs = of_job.unwrap_or_else(|| world.cache().join("runs"));
    let reports = entries(&runs).map(|run| run.join(REPORT));
    let newest =
        reports.filter_map(|report| Some((fs::metadata(&report).ok()?.modified().ok()?, report))).max();
    newest.map(|(_, report)| report).ok_or_else(|| {
        Failure::usage(
            format!("there is no report of a run in {}", runs.display()),
            "name the report, such as `path/to/report.json`",
        )
    })
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}
