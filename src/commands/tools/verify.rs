//! `p2p verify`: shows how an image got here, from its records of gates.

use attestation::embedded_since;
use clap::{Arg, ArgMatches, Command};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::access::{client, inputs, refs};
use super::{present, required, text};
use crate::domain::environment::Stage;
use crate::gate::plan::EVENTS;
use crate::gate::record::{Chain, Finding, Kept, Ledger, Record, Refs, Rule, SigningSettings, yanked};
use crate::inputs::{Inputs, OutputFormat, Records};
use crate::report::Console;
use oci::{Client, Digest, Reference, Repository, TagOrDigest};
use sys::error::{Exit, Failure};
use sys::world::World;

pub(super) const NAME: &str = "verify";

/// The inputs that it reads, besides the login.
pub(super) const INPUTS: [&str; 9] = [
    "registry-username",
    "registry-password",
    "registry-logins",
    "insecure-registries",
    "main-branch",
    "release-branches",
    "version-prefix",
    "promotion-record",
    "output",
];

/// The age in days from which p2p warns about the trust roots.
const FRESH: i32 = 180;

/// The annotation with which `BuildKit` marks provenance and SBOMs in an index.
const BUILDKIT: &str = "vnd.docker.reference.type";

pub(super) fn command() -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let list = |name, value, help| flag(name, value, help).value_delimiter(',');
    Command::new(NAME)
        .about("Print the records that gates left on an image, and fail where a required one is missing")
        .arg(required("image", "IMAGE", "registry/name:tag or registry/name@digest"))
        .arg(list("require", "STAGES", "Stages that it must have passed: fast-feedback, extended-test, prod"))
        .arg(flag(
            "repository",
            "OWNER/NAME",
            "Whose records count [default: GITHUB_REPOSITORY in a job on GitHub, else any]",
        ))
        .arg(flag("repository-id", "NUMBER", "The repository's number, which a new owner of its name lacks"))
        .arg(flag("commit", "SHA", "The full commit that must have passed [default: any]"))
        .arg(flag(
            "ref",
            "REF",
            "The only ref that counts [default: the main branch, release branches, version tags]",
        ))
        .arg(list("workflow", "GLOBS", "Workflows that must have signed: acme/shop/.github/workflows/*"))
        .arg(flag("issuer", "URL", "The issuer of the signers' id tokens; the records must be signed"))
        .arg(flag(
            "trust-root",
            "FILE",
            "The trust root of an instance of Sigstore, or public keys [default: Sigstore's and GitHub's roots]",
        ))
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let image: Reference = text(matches, "image").parse()?;
    let required: Vec<String> = list(matches, "require").unwrap_or_default();
    if let Some(unknown) = required.iter().find(|stage| Stage::named(stage).is_none()) {
        return Err(Failure::usage(
            format!("`--require` names {unknown:?}"),
            "expected stages: fast-feedback, extended-test, prod",
        ));
    }
    let settings = SigningSettings {
        root: matches
            .get_one::<String>("trust-root")
            .map(|path| SigningSettings::root(path.as_ref()))
            .transpose()?,
        issuer: matches.get_one::<String>("issuer").cloned(),
        workflows: list(matches, "workflow"),
        ..SigningSettings::default()
    };
    let rule = rule(world, &inputs, matches, &settings)?;
    let trust = settings.trust();
    let repository = &image.repository;
    let client = client(world, console, &inputs, &[repository])?;
    let digest = present(&client, &image).await?;
    let others = others(&client, repository, &digest).await?;
    let ledger = Ledger::new(client, trust, None);
    let found = Kept::records(&ledger.read(repository, &digest).await?);
    let mut wrong = Vec::new();
    for stage in &required {
        match rule.judge(&found, stage) {
            Finding::Passed => {}
            Finding::Missing(why) => wrong.push(format!("no record says that it passed {stage}: {why}")),
            Finding::Rejected(why) => wrong.push(why),
        }
    }
    wrong.dedup();
    let unread = found.iter().filter_map(|record| record.as_ref().err());
    let old = settings.root.is_none().then(|| old(embedded_since(), world.now)).flatten();
    for text in unread.map(|reason| format!("a record does not count: {reason}")).chain(old) {
        console.complain(&format!("warning: {text}"));
    }
    let records: Vec<Record> = found.iter().flatten().cloned().collect();
    let name = format!("{repository}@{digest}");
    console.say(&match inputs.output {
        OutputFormat::Json => json(&name, &records, &wrong, &others),
        _ => for_a_person(&name, records, &others),
    });
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

/// A warning if the trust roots in this binary are so old that they may lack keys.
fn old(since: &str, now: Timestamp) -> Option<String> {
    let days = now.to_zoned(TimeZone::UTC).date().since(since.parse::<Date>().ok()?).ok()?.get_days();
    let help = "take a newer p2p, or name a newer one with `--trust-root`";
    (days > FRESH).then(|| format!("the trust roots in this p2p are of {since}, {days} days ago; {help}"))
}

fn for_a_person(image: &str, records: Vec<Record>, others: &[String]) -> String {
    let others = others.iter().map(|other| format!("  attached    {other}; its signature was not checked"));
    std::iter::once(image.to_owned())
        .chain(others)
        .chain([Chain::new(records).to_string()])
        .collect::<Vec<_>>()
        .join("\n")
}

fn json(image: &str, records: &[Record], wrong: &[String], others: &[String]) -> String {
    let records: Vec<_> = records.iter().map(shown).collect();
    let report = json!({
        "image": image, "passed": wrong.is_empty(), "wrong": wrong, "records": records, "attached": others,
    });
    format!("{report:#}")
}

fn list(matches: &ArgMatches, name: &str) -> Option<Vec<String>> {
    matches.get_many::<String>(name).map(|words| words.cloned().collect())
}

/// A record as JSON, with its signer.
fn shown(record: &Record) -> Value {
    let mut shown = serde_json::to_value(record).unwrap_or_default();
    shown["signer"] = serde_json::to_value(&record.signer).unwrap_or_default();
    shown
}

/// Everything else that is attached to an image: `BuildKit`'s entries in its index, and other referrers. p2p does
/// not know whose signatures count for them.
async fn others(client: &Client, repository: &Repository, digest: &Digest) -> Result<Vec<String>, Failure> {
    let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
    let contents = manifest.contents().map(|contents| contents.manifests).unwrap_or_default();
    let inside = contents.into_iter().filter_map(|listed| {
        let kind = listed.annotations.get(BUILDKIT)?;
        Some(format!("{kind} {}", listed.digest))
    });
    let referrers = client.referrers(repository, digest).await?.into_iter().filter_map(|listed| {
        let kind = listed.artifact_type.clone().filter(|_| !Kept::is_record(&listed))?;
        Some(format!("{kind} {}", listed.digest))
    });
    Ok(inside.chain(referrers).map(|text| workflow_commands::one_line(&text)).collect())
}

/// The rule for the records that count: that of the gates, with flags in place of the job's values.
fn rule(
    world: &World,
    inputs: &Inputs,
    matches: &ArgMatches,
    settings: &SigningSettings,
) -> Result<Rule, Failure> {
    let flag = |name: &str| matches.get_one::<String>(name).cloned();
    let refs = match flag("ref") {
        Some(main_branch) => {
            Refs { main_branch, release_branches: Vec::new(), prefix: None, events: &EVENTS }
        }
        None => refs(inputs)?,
    };
    let here = Rule::here(&world.env, world.env.get("GITHUB_ACTIONS") == Some("true"), refs);
    let (repository, repository_id) = match flag("repository") {
        Some(repository) => (Some(repository), flag("repository-id")),
        None => (here.repository.clone(), flag("repository-id").or(here.repository_id.clone())),
    };
    let must = inputs.promotion_record == Records::Signed
        || settings.issuer.is_some()
        || settings.workflows.is_some();
    let signed = match &repository {
        Some(repository) if must => Some(settings.allowed(&world.env, repository, repository_id.clone())),
        None if must => {
            return Err(Failure::usage(
                "`--repository` is missing",
                "name the repository that must have signed",
            ));
        }
        _ => None,
    };
    Ok(Rule { repository, repository_id, commit: flag("commit"), signed, ..here })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn trust_roots_are_old_after_half_a_year() {
        let at = |now: &str| old("2026-01-01", now.parse().unwrap());
        assert_eq!((at("2026-06-30T23:59:59Z"), at("2025-12-31T00:00:00Z")), (None, None));
        assert!(at("2026-07-01T00:00:00Z").unwrap().contains("of 2026-01-01, 181 days ago"));
        assert!(old(embedded_since(), "2100-01-01T00:00:00Z".parse().unwrap()).is_some());
    }
}
