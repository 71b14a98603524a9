//! The command `p2p image`: packs directories into images and unpacks them, without Docker.

mod pull;

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::domain::environment::runtime;
use crate::inputs::{self, Inputs, Size};
use crate::report::Console;
use oci::image::{MANIFEST_TYPE, PackOptions, pack};
use oci::{Client, Content, Insecure, Keyring, Manifest, Reference, Settings};
use sys::error::{Exit, Failure};
use sys::removals::Directory;
use sys::world::{Env, World};

/// The input that these commands read.
const INSECURE: &str = "insecure-registries";

/// The command line.
pub(crate) fn command() -> Command {
    let reference = || Arg::new("reference").value_name("REFERENCE").required(true);
    let directory = || Arg::new("directory").value_name("DIRECTORY").required(true);
    let insecure = || {
        Arg::new(INSECURE)
            .long(INSECURE)
            .value_name("NAMES")
            .help("Registries that are reached over plain HTTP: hosts with an optional port, or *.svc.cluster.local")
    };
    let list = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).action(ArgAction::Append)
    };
    Command::new("image")
        .about("Pack a directory into an image and push it, pull one, or print a digest; without Docker")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("push")
                .about("Pack a directory into an image, the same bytes each time, and push it; prints the digest")
                .args([directory().help("What the image holds"), reference().help("registry/name:tag")])
                .args([
                    list("entrypoint", "WORD", "The program, and with further ones its first arguments"),
                    list("cmd", "WORD", "An argument that `docker run` may replace"),
                    list("env", "KEY=VALUE", "An environment variable of the image"),
                    list("label", "KEY=VALUE", "A label of the image"),
                    Arg::new("working-dir").long("working-dir").value_name("PATH").help("Where the program starts"),
                    insecure(),
                    Arg::new("user").long("user").value_name("USER").help("Who the program runs as"),
                ]),
        )
        .subcommand(
            Command::new("pull")
                .about("Pull an image and unpack its layers into a directory")
                .args([reference().help("registry/name:tag or registry/name@digest"), directory().help("Made if it is missing")])
                .arg(insecure())
                .arg(
                    Arg::new("max-size")
                        .long("max-size")
                        .value_name("SIZE")
                        .help("The most that the layers may unpack to [default: 16GiB]"),
                ),
        )
        .subcommand(
            Command::new("digest")
                .about("Print the digest that a tag names")
                .args([reference().help("registry/name:tag"), insecure()]),
        )
}

/// Runs the command.
pub(crate) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(Exit::Usage) };
    console.only_answers();
    let client = client(world, matches, console)?;
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let reference: Reference = text("reference").parse()?;
    match name {
        "push" => {
            let options = options(matches, &world.env)?;
            let digest =
                push(&client, &reference, &world.directory.join(text("directory")), &options).await?;
            console.say(&digest);
        }
        "pull" => {
            let directory = world.directory.join(text("directory"));
            pull::pull(&client, &reference, &directory, max_size(matches)?).await?;
        }
        _ => {
            let found = client.resolve(&reference.repository, &reference.which()).await?;
            console.say(found.ok_or_else(|| missing(&reference))?.digest.as_str());
        }
    }
    Ok(Exit::Passed)
}

/// A client with the user's own logins.
fn client(world: &World, matches: &ArgMatches, console: &Console) -> Result<Client, Failure> {
    // The other inputs are for the gate, so an error in one of them does not matter here.
    let inputs = Inputs::read(|spec| match spec.name {
        INSECURE => {
            let given = spec.text(matches.get_one::<String>(INSECURE).cloned(), &world.reserved);
            given.or_else(|| world.env.get(runtime::P2P_INSECURE_REGISTRIES).map(str::to_owned))
        }
        _ => None,
    })?
    .checked()?;
    let (insecure, warnings) =
        Insecure::read(inputs.insecure_registries.as_ref().map_or(&[], |names| &names.0))?;
    for warning in warnings {
        console.complain(&format!("warning: {warning}"));
    }
    let keyring = Keyring::from_env(&world.env)?;
    Ok(Client::new(Settings { keyring, insecure, secrets: console.secrets(), ..Settings::default() }))
}

async fn push(
    client: &Client,
    reference: &Reference,
    directory: &Path,
    options: &PackOptions,
) -> Result<String, Failure> {
    let temporary = Directory::new(&std::env::temp_dir())?;
    let packed = pack(directory, temporary.path(), options)?;
    let repository = &reference.repository;
    client.push_blob(repository, &Content::File(packed.layer.to_path_buf())).await?;
    client.push_blob(repository, &Content::Bytes(packed.config.into())).await?;
    let manifest = Manifest::new(packed.manifest.into(), Some(MANIFEST_TYPE));
    client.push_manifest(repository, &manifest, &reference.which()).await?;
    Ok(packed.manifest_descriptor.digest)
}

/// The most bytes that an image may unpack to.
fn max_size(matches: &ArgMatches) -> Result<u64, Failure> {
    let text = matches.get_one::<String>("max-size").map_or("16GiB", String::as_str);
    let size = <Size as inputs::Value>::parse(text).map_err(|_| {
        Failure::usage(
            format!("`--max-size {text}`"),
            "expected a number of bytes, or one with a unit: `500MiB`, `20GiB`; nothing was pulled",
        )
    })?;
    Ok(size.0)
}

fn options(matches: &ArgMatches, env: &Env) -> Result<PackOptions, Failure> {
    let list = |name: &str| -> Vec<String> {
        matches.get_many::<String>(name).map(|words| words.cloned().collect()).unwrap_or_default()
    };
    let pairs = |name: &str| -> Result<Vec<(String, String)>, Failure> {
        list(name)
            .iter()
            .map(|word| match word.split_once('=') {
                Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
                _ => Err(Failure::usage(
                    format!("`--{name} {word}`"),
                    "expected KEY=VALUE; nothing was pushed",
                )),
            })
            .collect()
    };
    let created = match env.get("SOURCE_DATE_EPOCH") {
        None => jiff::Timestamp::UNIX_EPOCH,
        Some(text) => {
            text.parse().ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()).ok_or_else(
                || {
                    Failure::usage(
                        format!("`SOURCE_DATE_EPOCH` is {text:?}"),
                        "expected seconds since 1970; nothing was pushed",
                    )
                },
            )?
        }
    };
    Ok(PackOptions {
        entrypoint: list("entrypoint"),
        cmd: list("cmd"),
        env: pairs("env")?,
        labels: pairs("label")?.into_iter().collect(),
        working_dir: matches.get_one::<String>("working-dir").cloned(),
        user: matches.get_one::<String>("user").cloned(),
        created,
        ..PackOptions::default()
    })
}

fn missing(reference: &Reference) -> Failure {
    Failure {
        what: format!("{reference} is not in the registry"),
        causes: Vec::new(),
        help: Some("push it first, or correct its name".to_owned()),
        exit: Exit::Failed,
    }
}
