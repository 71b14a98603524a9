//! `p2p report`: writes the report of a run as one page, with its logs.

use std::fs;
use std::path::Path;

use clap::{Arg, ArgMatches, Command};
use serde_json::Value;

use super::access::inputs;
use super::{report_file, text};
use crate::report::{Console, write_page};
use sys::error::{Exit, Failure};
use sys::private;
use sys::world::World;

pub(super) const NAME: &str = "report";

/// The inputs that it reads.
pub(super) const INPUTS: [&str; 0] = [];

pub(super) fn command() -> Command {
    let html = Arg::new("html").long("html").value_name("FILE").required(true);
    Command::new(NAME)
        .about("Write the report of a run, with its logs, as one page for a browser")
        .arg(report_file::argument())
        .arg(html.help("The file to write"))
}

pub(super) fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    inputs(world, matches, console)?;
    let file = report_file::find(world, matches)?;
    let report: Value = report_file::read(&file)?;
    let steps = report["steps"].as_array().filter(|steps| steps.iter().all(Value::is_object));
    if !report["result"].is_string() || steps.is_none() {
        return Err(report_file::none(&file, "it has no `result`, or no `steps` that are objects"));
    }
    let html = world.directory.join(text(matches, "html"));
    let logs = file.parent().unwrap_or(Path::new("."));
    check(&html, logs)?;
    let mut page = Vec::new();
    let written = write_page(&report, logs, &mut page).and_then(|()| private::write(&html, &page));
    written.map_err(|error| {
        Failure::usage(
            format!("{} cannot be written: {error}", html.display()),
            "name a file, such as `report.html`, in a directory that exists and that you may write to",
        )
    })?;
    console.say(&format!("wrote {}", html.display()));
    Ok(Exit::Passed)
}

/// Checks the place of the page: the page may replace a file, but no directory and none of the run's own files.
fn check(html: &Path, logs: &Path) -> Result<(), Failure> {
    let Ok(metadata) = fs::metadata(html) else { return Ok(()) };
    if !metadata.is_file() {
        return Err(Failure::usage(
            format!("`--html` names {}, which is not a file", html.display()),
            "name a file, such as `report.html`",
        ));
    }
    let beside = html.canonicalize().ok().zip(logs.canonicalize().ok());
    let of_run = beside
        .is_some_and(|(html, logs)| html.starts_with(logs) && html.extension() != Some("html".as_ref()));
    if of_run {
        return Err(Failure::usage(
            format!("`--html` names {}, a file of the run itself", html.display()),
            "name another file, such as `report.html`",
        ));
    }
    Ok(())
}
