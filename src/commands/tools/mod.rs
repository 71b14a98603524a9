//! Commands that are not gates. `copy`, `latest`, `verify`, `sign`, `yank` and `registry` work on images in
//! registries; `explain`, `diagnose` and `report` are about failures. Each reads its inputs, calls `oci`, `record`
//! or `registry`, and reports the answer.

mod access;
mod copy;
mod diagnose;
mod explain;
mod latest;
mod page;
mod registry;
mod report_file;
mod sign;
mod verify;
mod yank;

use clap::{Arg, ArgMatches, Command};

use crate::report::Console;
use oci::{Client, Digest, Reference};
use sys::error::{Exit, Failure};
use sys::world::World;

/// The command lines.
pub(crate) fn commands() -> [Command; 9] {
    [
        copy::command(),
        latest::command(),
        verify::command(),
        sign::command(),
        yank::command(),
        registry::command(),
        explain::command(),
        diagnose::command(),
        page::command(),
    ]
}

/// The inputs of the command with this name, if it is one of these.
pub(crate) fn inputs(name: &str) -> Option<&'static [&'static str]> {
    match name {
        copy::NAME => Some(&copy::INPUTS),
        verify::NAME => Some(&verify::INPUTS),
        sign::NAME => Some(&sign::INPUTS),
        latest::NAME | yank::NAME => Some(&access::OWN),
        registry::NAME => Some(&registry::INPUTS),
        explain::NAME => Some(&explain::INPUTS),
        diagnose::NAME => Some(&diagnose::INPUTS),
        page::NAME => Some(&page::INPUTS),
        _ => None,
    }
}

/// Runs the command `name`.
///
/// # Errors
/// The failure. The caller reports it.
pub(crate) async fn run(
    world: &World,
    name: &str,
    matches: &ArgMatches,
    console: &Console,
) -> Result<Exit, Failure> {
    match name {
        copy::NAME => Box::pin(copy::run(world, matches, console)).await,
        latest::NAME => latest::run(world, matches, console).await,
        registry::NAME => registry::run(world, matches, console).await,
        page::NAME => page::run(world, matches, console),
        explain::NAME => explain::run(world, matches, console),
        diagnose::NAME => Box::pin(diagnose::run(world, matches, console)).await,
        sign::NAME => Box::pin(sign::run(world, matches, console)).await,
        yank::NAME => Box::pin(yank::run(world, matches, console)).await,
        _ => Box::pin(verify::run(world, matches, console)).await,
    }
}

/// A required argument.
fn required(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).help(help).required(true)
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map(String::as_str).unwrap_or_default()
}

/// The digest of an image that must exist.
async fn present(client: &Client, image: &Reference) -> Result<Digest, Failure> {
    let found = client.resolve(&image.repository, &image.which()).await?;
    found.map(|found| found.digest).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            format!("{image} is not in the registry"),
            "correct its name, or promote it first",
        )
    })
}
