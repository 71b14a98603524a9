//! `p2p latest`: the highest version among a repository's tags.

use clap::{ArgMatches, Command};

use super::access::{client, inputs};
use super::{required, text};
use crate::domain::version;
use crate::report::Console;
use oci::Repository;
use sys::error::{Exit, Failure};
use sys::world::World;

pub(super) const NAME: &str = "latest";

pub(super) fn command() -> Command {
    Command::new(NAME).about("Print the highest semantic version among the tags of a repository").arg(
        required(
            "repository",
            "REPOSITORY",
            "registry/name, without a tag; or extended-test or prod: what awaits that gate",
        ),
    )
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let repository: Repository = text(matches, "repository").parse()?;
    let client = client(world, console, &inputs, &[&repository])?;
    let tags = client.tags(&repository).await?;
    let count = tags.as_ref().map(Vec::len);
    match version::latest(tags.iter().flatten().map(String::as_str)) {
        Some(latest) => {
            console.say(latest);
            Ok(Exit::Passed)
        }
        None => Err(Failure {
            what: format!("{repository} has no tag that is a semantic version"),
            causes: vec![match count {
                None => "the registry knows no such repository".to_owned(),
                Some(0) => "it has no tags".to_owned(),
                Some(count) => format!("none of its {count} tags is one"),
            }],
            help: Some("promote an image there first, or correct the repository's name".to_owned()),
            exit: Exit::Failed,
        }),
    }
}
