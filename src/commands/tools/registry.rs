//! `p2p registry`: serves the images of local runs until it is stopped.

use clap::{Arg, ArgMatches, Command, value_parser};

use super::access::inputs;
use crate::report::{Console, size};
use registry::Home;
use sys::error::{Exit, Failure};
use sys::process::Signals;
use sys::world::World;

pub(super) const NAME: &str = "registry";

/// The inputs that it reads.
pub(super) const INPUTS: [&str; 1] = ["cache-limit"];

pub(super) fn command() -> Command {
    Command::new(NAME).about("Serve the images that local runs kept, until it is ended (Ctrl-C)").arg(
        Arg::new("port")
            .long("port")
            .value_name("PORT")
            .value_parser(value_parser!(u16).range(1..))
            .help("Listen on this port, and let later runs use it too; default: the port of the runs before"),
    )
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let limit = inputs(world, matches, console)?.cache_limit.0;
    let signals = Signals::listen()?;
    let root = world.registry();
    let home = Home::at(&root);
    let trimmed = home.trim(limit)?;
    if !trimmed.versions.is_empty() {
        console.complain(&format!("removed {} to stay below {}:", size(trimmed.bytes), size(limit)));
        trimmed.versions.iter().for_each(|version| console.complain(&format!("  {version}")));
    }
    let local = home.serve(matches.get_one::<u16>("port").copied()).await?;
    let address = local.address();
    let mut lines = format!("{} holds these images; Ctrl-C ends the registry:", root.display());
    lines.extend(home.images()?.iter().map(|image| format!("\n  {address}/{image}")));
    console.say(&lines);
    signals.stop().wait().await;
    local.stop(limit).await?;
    Ok(Exit::Passed)
}
