//! The command `p2p image`: directories into images and back, without Docker.

use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use tokio::io::AsyncWriteExt;

use crate::error::{Exit, Failure};
use crate::image::{MANIFEST_TYPE, PackOptions, Platform, pack, unpack};
use crate::oci::{Client, Content, Digest, Keyring, Manifest, Reference, Settings, Which};
use crate::report::Console;
use crate::world::{Env, World};

/// The command line.
pub fn command() -> Command {
    let reference = || Arg::new("reference").value_name("REFERENCE").required(true);
    let directory = || Arg::new("directory").value_name("DIRECTORY").required(true);
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
                    list("cmd", "WORD", "An argument that whoever runs the image may replace"),
                    list("env", "KEY=VALUE", "An environment variable of the image"),
                    list("label", "KEY=VALUE", "A label of the image"),
                    Arg::new("working-dir").long("working-dir").value_name("PATH").help("Where the program starts"),
                    Arg::new("user").long("user").value_name("USER").help("Who the program runs as"),
                ]),
        )
        .subcommand(
            Command::new("pull")
                .about("Pull an image and unpack its layers into a directory")
                .args([reference().help("registry/name:tag or registry/name@digest"), directory().help("Made if it is missing")]),
        )
        .subcommand(
            Command::new("digest")
                .about("Print the digest that a tag names")
                .arg(reference().help("registry/name:tag")),
        )
}

/// Runs the command.
pub async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let client = Client::new(Settings { keyring: Keyring::from_env(&world.env)?, ..Settings::default() });
    let Some((name, matches)) = matches.subcommand() else { return Ok(Exit::Usage) };
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let reference: Reference = text("reference").parse()?;
    match name {
        "push" => {
            let options = options(matches, &world.env)?;
            let digest =
                push(&client, &reference, &world.directory.join(text("directory")), &options).await?;
            console.say(&digest);
        }
        "pull" => pull(&client, &reference, &world.directory.join(text("directory"))).await?,
        _ => {
            let found = client.resolve(&reference.repository, &reference.which()).await?;
            console.say(found.ok_or_else(|| missing(&reference))?.digest.as_str());
        }
    }
    Ok(Exit::Passed)
}

async fn push(
    client: &Client,
    reference: &Reference,
    directory: &Path,
    options: &PackOptions,
) -> Result<String, Failure> {
    let temporary = tempfile::tempdir()?;
    let packed = pack(directory, temporary.path(), options)?;
    let repository = &reference.repository;
    client.push_blob(repository, &Content::File(packed.layer.to_path_buf())).await?;
    client.push_blob(repository, &Content::Bytes(packed.config.into())).await?;
    let manifest = Manifest::new(packed.manifest.into(), Some(MANIFEST_TYPE));
    client.push_manifest(repository, &manifest, &reference.which()).await?;
    Ok(packed.manifest_descriptor.digest)
}

async fn pull(client: &Client, reference: &Reference, directory: &Path) -> Result<(), Failure> {
    let repository = &reference.repository;
    let mut manifest = client.manifest(repository, &reference.which()).await?;
    let unreadable = |why: String| Failure {
        what: format!("{reference} is no image that can be unpacked"),
        causes: vec![why],
        help: Some("name an image with layers that are tar archives".to_owned()),
        exit: Exit::Failed,
    };
    let mut contents = manifest.contents().map_err(unreadable)?;
    if contents.index {
        let platform = Platform::default();
        let child = of_platform(&manifest.bytes, &platform).ok_or_else(|| {
            unreadable(format!("it has no image for {}/{}", platform.os, platform.architecture))
        })?;
        manifest = client.manifest(repository, &Which::Digest(child)).await?;
        contents = manifest.contents().map_err(unreadable)?;
    }
    std::fs::create_dir_all(directory)?;
    let temporary = tempfile::tempdir()?;
    // The first blob is the config; the layers follow in the order they are applied.
    for layer in contents.blobs.iter().skip(1) {
        let path = temporary.path().join(layer.digest.hex());
        let mut reader = client.blob(repository, layer).await?;
        let mut file = tokio::fs::File::create(&path).await?;
        while let Some(chunk) = reader.chunk().await? {
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        unpack(std::fs::File::open(&path)?, directory)?;
    }
    Ok(())
}

/// The digest of the image for a platform, in an index.
fn of_platform(index: &[u8], platform: &Platform) -> Option<Digest> {
    let index: serde_json::Value = serde_json::from_slice(index).ok()?;
    let fits = |child: &&serde_json::Value| {
        child["platform"]["os"] == platform.os.as_str()
            && child["platform"]["architecture"] == platform.architecture.as_str()
    };
    index["manifests"].as_array()?.iter().find(fits)?["digest"].as_str()?.parse().ok()
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
