//! `p2p verify`: how an image got here, by the promotion records that are attached to it.

use clap::{Arg, ArgMatches, Command};

use super::access::{client, inputs};
use super::{required, text};
use crate::error::{Exit, Failure};
use crate::oci::{Reference, Which};
use crate::record::{self, Chain, UNSIGNED};
use crate::report::Console;
use crate::world::World;

pub(super) const NAME: &str = "verify";

/// What may be required.
const STAGES: [&str; 2] = ["fast-feedback", "extended-test"];

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Print the promotion records of an image, and fail where a required stage is missing; they are not signed")
        .arg(required("image", "IMAGE", "registry/name:tag or registry/name@digest"))
        .arg(
            Arg::new("require")
                .long("require")
                .value_name("STAGES")
                .value_delimiter(',')
                .help("Stages that must have been passed: fast-feedback, extended-test"),
        )
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let image: Reference = text(matches, "image").parse()?;
    let required: Vec<String> =
        matches.get_many::<String>("require").map(|words| words.cloned().collect()).unwrap_or_default();
    if let Some(unknown) = required.iter().find(|stage| !STAGES.contains(&stage.as_str())) {
        return Err(Failure::usage(
            format!("`--require` names {unknown:?}"),
            format!("expected stages that end with a promotion: {}", STAGES.join(", ")),
        ));
    }
    let repository = &image.repository;
    let client = client(world, console, &inputs, &[repository])?;
    let found = client.resolve(repository, &image.which()).await?;
    let digest = found.map(|found| found.digest).ok_or_else(|| Failure {
        what: format!("{image} is not in the registry"),
        causes: Vec::new(),
        help: Some("correct its name, or promote it first".to_owned()),
        exit: Exit::Failed,
    })?;
    let mut records = Vec::new();
    for kept in record::read(&client, repository, &digest).await? {
        match kept.record {
            Ok(record) => records.push(record),
            Err(reason) => console.complain(&format!("warning: a record cannot be read: {reason}")),
        }
    }
    let chain = Chain::new(records);
    let missing = chain.missing(&required);
    console.say(&format!("{repository}@{digest}"));
    let (chain, others) = match image.which() {
        Which::Tag(version) => chain.of_version(&version),
        Which::Digest(_) => (chain, 0),
    };
    console.say(&chain.to_string());
    if others > 0 {
        console.say(&format!(
            "{others} more are of other versions of the same bytes: ask for {repository}@{digest}"
        ));
    }
    if missing.is_empty() {
        return Ok(Exit::Passed);
    }
    Err(Failure {
        what: format!("no record says that {image} passed {}", missing.join(" and ")),
        causes: vec![format!("promotion records are {UNSIGNED}")],
        help: Some(
            "promote it through the gate of that stage with `promotion-record: on`, or look into how it came here"
                .to_owned(),
        ),
        exit: Exit::Failed,
    })
}
