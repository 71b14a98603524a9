//! `p2p report`: writes the report of a run as one page, with its logs.

use std::io::BufWriter;
use std::path::Path;

use clap::{Arg, ArgMatches, Command};
use serde_json::Value;

use super::access::inputs;
use super::{report_file, text};
use crate::report::{Console, write_page};
use sys::error::{Exit, Failure, FileError};
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
    if !(report["result"].is_string() && report["steps"].is_array()) {
        return Err(report_file::none(&file, "it has no `result` and no `steps`"));
    }
    let html = world.directory.join(text(matches, "html"));
    if html == file {
        return Err(Failure::usage("`--html` names the report itself", "name another file"));
    }
    let written = private::create(&html).and_then(|page| {
        let logs = file.parent().unwrap_or(Path::new("."));
        write_page(&report, logs, &mut BufWriter::new(page))
    });
    written.map_err(FileError::at("write", &html))?;
    console.say(&format!("wrote {}", html.display()));
    Ok(Exit::Passed)
}
