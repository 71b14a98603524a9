//! `p2p sign`: signs records that a gate could not sign because a service was down.

use clap::{Arg, ArgMatches, Command};

use super::access::{client, inputs, refs};
use super::{present, required, text};
use crate::domain::environment::{Environments, Key, Origin, SettingsFile, Sources, Value, Values};
use crate::edges::google::{
    Federation, FederationSettings, IdTokenRequest, Identity, KeyVersion, Role, SigningKey,
};
use crate::gate::plan::endpoints;
use crate::gate::record::{
    By, Credential, Kept, Ledger, Record, Rule, Signing, SigningSettings, UNSIGNED, pending,
};
use crate::inputs::Inputs;
use crate::report::Console;
use oci::{Reference, TagOrDigest};
use sys::error::{Exit, Failure, FileError};
use sys::retry::Watcher;
use sys::world::World;

pub(super) const NAME: &str = "sign";

/// The inputs that it reads, besides the login.
pub(super) const INPUTS: [&str; 9] = [
    "registry-username",
    "registry-password",
    "registry-logins",
    "insecure-registries",
    "main-branch",
    "release-branches",
    "version-prefix",
    "environment",
    "environments",
];

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Sign the records of an image that its gate could not sign, with the identity of this job")
        .arg(required("image", "IMAGE", "registry/name@digest, as the gate's log names it"))
        .arg(
            Arg::new("stage")
                .long("stage")
                .value_name("STAGE")
                .required(true)
                .value_parser(["fast-feedback", "extended-test", "prod", "scan"])
                .help("The gate that left the record, as its log names it"),
        )
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let image: Reference = text(matches, "image").parse()?;
    let values = values(world, &inputs)?;
    let settings = SigningSettings::of(&values)?;
    let on_github = world.env.get("GITHUB_ACTIONS") == Some("true");
    let rule = Rule::here(&world.env, on_github, refs(&inputs)?);
    let here = By::here(&world.env, on_github);
    let may = here.event.as_deref().zip(here.git_ref.as_deref());
    if rule.repository.is_none() || !may.is_some_and(|(event, at)| rule.refs.promote(event, at)) {
        return Err(Failure::usage(
            "a record that is signed here would not count",
            "run `p2p sign` in a job on GitHub, on the main branch, after a push, on a schedule or by hand; nothing \
             was signed",
        ));
    }
    let repository = &image.repository;
    let client = client(world, console, &inputs, &[repository])?;
    let digest = present(&client, &image).await?;
    let signing = Signing {
        credential: match settings.key.clone() {
            Some(version) => Credential::Key(key(world, &values, console, version)?),
            None => Credential::Job(IdTokenRequest::of(&world.reserved)),
        },
        watcher: Watcher::default(),
        secrets: console.secrets(),
        must: true,
        made: tokio::sync::Mutex::default(),
        settings: settings.clone(),
    };
    let ledger = Ledger::new(client, settings.trust(), Some(signing));
    let known = ledger.read(repository, &digest).await?;
    let found = Kept::records(&known);
    let stage = text(matches, "stage");
    let of_stage = |record: &&Record| rule.accepts(record) && record.stage.as_deref() == Some(stage);
    let waiting: Vec<&Record> = pending(&found).into_iter().filter(of_stage).collect();
    only_one(&image, &waiting, stage)?;
    if matches!(image.which(), TagOrDigest::Tag(_)) {
        named_by_its_run(&image, &waiting, &here)?;
    }
    for record in &waiting {
        // Somebody else may have written what waits. So the signature is for the run that signs, as with a certificate.
        let By { commit, actor, environment, .. } = record.by.clone();
        let by = By { commit, actor, environment, ..here.clone() };
        let record = Record { trust: UNSIGNED.to_owned(), by, ..(*record).clone() };
        ledger.attach(repository, &digest, &record, &known).await?;
        console.say(&format!("signed that {repository}@{digest} {} {stage}", record.result));
    }
    if waiting.is_empty() {
        console.say(&format!(
            "{repository}@{digest} has no record of {stage} of this repository that waits for a signature"
        ));
    }
    Ok(Exit::Passed)
}

/// Refuses if several records could be the gate's: anyone who can push can add one that looks like it, and p2p
/// cannot know which one to sign.
fn only_one(image: &Reference, waiting: &[&Record], stage: &str) -> Result<(), Failure> {
    if waiting.len() < 2 {
        return Ok(());
    }
    let runs: Vec<_> =
        waiting.iter().map(|record| record.by.run.as_deref().unwrap_or("an unknown run")).collect();
    Err(Failure {
        what: format!("{} records of {stage} on {image} wait for a signature", waiting.len()),
        causes: vec![format!("they name {}", runs.join(" and "))],
        help: Some(
            "somebody other than the gate may have left one of them: run the gate again, which signs its own record; \
             nothing was signed"
                .to_owned(),
        ),
        exit: Exit::Failed,
    })
}

/// Anyone who can push can move a tag and write an unsigned record. So a tag is enough only in the run that left the
/// record. For other runs, a person takes the digest from that run's log.
fn named_by_its_run(image: &Reference, waiting: &[&Record], here: &By) -> Result<(), Failure> {
    let Some(other) = waiting.iter().find(|record| here.run.is_none() || record.by.run != here.run) else {
        return Ok(());
    };
    let run = other.by.run.as_deref().unwrap_or("an unknown run");
    Err(Failure::usage(
        format!("{image} is a tag, and another run left the record: {run}"),
        "name the image by the digest in the log of that run: `p2p sign registry/name@sha256:…`; anybody who may push \
         can move a tag. Nothing was signed",
    ))
}

/// The key, with the account of the job's environment.
fn key(
    world: &World,
    values: &Values,
    console: &Console,
    version: KeyVersion,
) -> Result<SigningKey, Failure> {
    let (Some(provider), Some(account)) =
        (values.text(Key::WorkloadIdentityProvider), values.text(Key::ServiceAccount))
    else {
        return Err(Failure::usage(
            "`signing: key` signs as a service account, and the environment has none",
            "set service-account and workload-identity-provider, or project-number, project-id and tenant-name, in .p2p.yaml \
             or `--environments`; nothing was signed",
        ));
    };
    let federation = Federation::new(FederationSettings {
        endpoints: endpoints(values),
        request: IdTokenRequest::of(&world.reserved),
        secrets: console.secrets(),
        ..FederationSettings::default()
    })?;
    let identity = Identity::new(Role::Own, provider, account)?;
    Ok(SigningKey { federation, identity, version })
}

/// The values of the job's environment, as the gate reads them.
fn values(world: &World, inputs: &Inputs) -> Result<Values, Failure> {
    let mut environments =
        inputs.environments.as_deref().map(Environments::parse).transpose()?.unwrap_or_default();
    let file = world.directory.join(SettingsFile::NAME);
    match std::fs::read_to_string(&file) {
        Ok(text) => environments = environments.or(SettingsFile::parse(&text)?.environments),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::at("read the settings", &file)(error).into()),
    }
    let named = |name: &String| Value::new(name, Origin::Input("environment".to_owned()));
    let environment = inputs.environment.as_ref().map(named);
    Ok(Sources { environment, environments, ..Sources::default() }.own()?)
}
