//! `p2p yank`: withdraws an image, so that no gate accepts it any more.

use clap::{Arg, ArgMatches, Command};

use super::access::{client, inputs};
use super::{present, required, text};
use crate::gate::record::{Basis, By, Judgement, Ledger, Left, Record, Trust, UNSIGNED};
use crate::report::Console;
use oci::{Reference, TagOrDigest};
use sys::error::{Exit, Failure};
use sys::world::World;

pub(super) const NAME: &str = "yank";

/// The longest reason, in characters. Errors and summaries quote it.
const LONGEST: usize = 500;

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Withdraw an image: attach a record with which every later gate and promotion refuses it")
        .arg(required("image", "IMAGE", "registry/name:tag or registry/name@digest"))
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("TEXT")
                .required(true)
                .help("Why; gates that refuse the image quote it"),
        )
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let image: Reference = text(matches, "image").parse()?;
    let reason = text(matches, "reason").trim();
    if reason.is_empty() || reason.chars().count() > LONGEST || reason.chars().any(char::is_control) {
        return Err(Failure::usage(
            "`--reason` is empty, too long or not one line",
            format!("say in at most {LONGEST} characters why the image is withdrawn; nothing was written"),
        ));
    }
    let repository = &image.repository;
    let client = client(world, console, &inputs, &[repository])?;
    let digest = present(&client, &image).await?;
    let by = By::here(&world.env, world.env.get("GITHUB_ACTIONS") == Some("true"));
    let actor = by.actor.clone().or_else(|| world.env.get("USER").map(str::to_owned));
    let record = Record {
        trust: UNSIGNED.to_owned(),
        stage: None,
        result: Judgement::Yanked,
        reason: Some(reason.to_owned()),
        judged: world.now.to_string(),
        version: match image.which() {
            TagOrDigest::Tag(version) => Some(version),
            TagOrDigest::Digest(_) => None,
        },
        image: image.clone(),
        by: By { actor, ..by },
        targets: Vec::new(),
        scans: Vec::new(),
        handed_over: false,
        basis: Basis::default(),
        signer: None,
    };
    let ledger = Ledger::new(client, Trust::default(), None);
    let known = ledger.read(repository, &digest).await?;
    let left = ledger.attach(repository, &digest, &record, &known).await?;
    let what = if left == Left::Nothing { "was yanked before" } else { "is yanked" };
    console.say(&format!("{repository}@{digest} {what}: {reason}"));
    Ok(Exit::Passed)
}
