//! `p2p verify`: how an image got here, by the records of gates that are attached to it.

use clap::{Arg, ArgMatches, Command};

use super::access::{client, inputs};
use super::{present, required, text};
use crate::domain::environment::Stage;
use crate::gate::plan::EVENTS;
use crate::gate::record::{self, Chain, Finding, Kept, Refs, Rule, yanked};
use crate::inputs::Inputs;
use crate::report::Console;
use oci::Reference;
use sys::error::{Exit, Failure};
use sys::world::World;

pub(super) const NAME: &str = "verify";

/// The inputs that it reads besides the login.
pub(super) const INPUTS: [&str; 6] = [
    "registry-username",
    "registry-password",
    "registry-logins",
    "insecure-registries",
    "main-branch",
    "version-prefix",
];

pub(super) fn command() -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new(NAME)
        .about("Print the records that gates left on an image, and fail where a required one is missing")
        .arg(required("image", "IMAGE", "registry/name:tag or registry/name@digest"))
        .arg(
            flag("require", "STAGES", "Stages that it must have passed: fast-feedback, extended-test, prod")
                .value_delimiter(','),
        )
        .arg(flag(
            "repository",
            "OWNER/NAME",
            "Whose records count [default: GITHUB_REPOSITORY in a job on GitHub, else any]",
        ))
        .arg(flag("commit", "SHA", "The full commit that must have passed [default: any]"))
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let image: Reference = text(matches, "image").parse()?;
    let required: Vec<String> =
        matches.get_many::<String>("require").map(|words| words.cloned().collect()).unwrap_or_default();
    if let Some(unknown) = required.iter().find(|stage| Stage::named(stage).is_none()) {
        return Err(Failure::usage(
            format!("`--require` names {unknown:?}"),
            "expected stages: fast-feedback, extended-test, prod",
        ));
    }
    let rule = rule(world, &inputs, matches)?;
    let repository = &image.repository;
    let client = client(world, console, &inputs, &[repository])?;
    let digest = present(&client, &image).await?;
    let found = Kept::records(&record::read(&client, repository, &digest).await?);
    for reason in found.iter().filter_map(|record| record.as_ref().err()) {
        console.complain(&format!("warning: a record does not count: {reason}"));
    }
    console.say(&format!("{repository}@{digest}"));
    console.say(&Chain::new(found.iter().flatten().cloned().collect()).to_string());
    let mut wrong = Vec::new();
    for stage in &required {
        match rule.judge(&found, stage) {
            Finding::Passed => {}
            Finding::Missing(why) => wrong.push(format!("no record says that it passed {stage}: {why}")),
            Finding::Rejected(why) => wrong.push(why),
        }
    }
    wrong.dedup();
    if wrong.is_empty() {
        if let Some(why) = yanked(&found) {
            console.complain(&format!("warning: {why}; no gate takes it"));
        }
        return Ok(Exit::Passed);
    }
    Err(Failure {
        what: format!("{image} did not pass {}", required.join(" and ")),
        causes: wrong,
        help: Some("let the gate of that stage promote it, or find out how it came here".to_owned()),
        exit: Exit::Failed,
    })
}

/// Whose records count: the rule of the gates, with what the flags say in place of the job.
fn rule(world: &World, inputs: &Inputs, matches: &ArgMatches) -> Result<Rule, Failure> {
    let refs = Refs { main_branch: inputs.main_branch_ref(), prefix: inputs.prefix()?, events: &EVENTS };
    let flag = |name: &str| matches.get_one::<String>(name).cloned();
    let here = Rule::here(&world.env, world.env.get("GITHUB_ACTIONS") == Some("true"), refs);
    Ok(match flag("repository") {
        Some(repository) => {
            Rule { repository: Some(repository), repository_id: None, commit: flag("commit"), ..here }
        }
        None => Rule { commit: flag("commit"), ..here },
    })
}
