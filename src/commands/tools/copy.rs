//! `p2p copy`: copies an image, complete and unchanged.

use std::fmt::Write as _;

use clap::{Arg, ArgMatches, Command};

use super::access::{client, inputs};
use super::{required, text};
use crate::inputs;
use crate::report::{Console, Transfer, attachments, left_behind, size};
use oci::{CopyOptions, CopyReport, OnExisting, Reference, TagOrDigest, Tally};
use sys::error::{Exit, Failure};
use sys::world::World;

pub(super) const NAME: &str = "copy";

/// The inputs that it reads.
pub(super) const INPUTS: [&str; 7] = [
    "insecure-registries",
    "dry-run",
    "include-referrers",
    "on-existing",
    "registry-username",
    "registry-password",
    "registry-logins",
];

pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Copy an image with all its platforms and what refers to it, byte for byte")
        .arg(required("source", "SOURCE", "registry/name:tag or registry/name@digest"))
        .arg(required("destination", "DESTINATION", "registry/name[:tag]; without a tag the source's"))
        .arg(
            Arg::new("concurrency")
                .long("concurrency")
                .value_name("NUMBER")
                .value_parser(clap::value_parser!(u16).range(1..))
                .help("Requests under way at once to begin with [default: 32]"),
        )
}

pub(super) async fn run(world: &World, matches: &ArgMatches, console: &Console) -> Result<Exit, Failure> {
    let inputs = inputs(world, matches, console)?;
    let source: Reference = text(matches, "source").parse()?;
    let destination: Reference = text(matches, "destination").parse()?;
    let tag = match (&destination.tag, &destination.digest, source.which()) {
        (Some(tag), None, _) => Some(tag.clone()),
        (None, None, TagOrDigest::Tag(tag)) => Some(tag),
        (None, None, TagOrDigest::Digest(_)) => source.tag.clone(),
        (_, Some(_), _) => {
            return Err(Failure::usage(
                format!("the destination {destination} names a digest"),
                "name registry/name:tag; the digest is that of the source. Nothing was copied",
            ));
        }
    };
    let client = client(world, console, &inputs, &[&source.repository, &destination.repository])?;
    let transfer = Transfer::default();
    let options = CopyOptions {
        on_existing: match inputs.on_existing {
            // A copy by hand knows no commit, so it cannot decide to keep an image.
            inputs::OnExisting::Keep | inputs::OnExisting::Fail => OnExisting::Fail,
            inputs::OnExisting::Overwrite => OnExisting::Overwrite,
        },
        include_referrers: inputs.include_referrers,
        except: Vec::new(),
        dry_run: inputs.dry_run,
        concurrency: matches
            .get_one::<u16>("concurrency")
            .map_or(CopyOptions::default().concurrency, |number| usize::from(*number)),
        listener: transfer.listener(),
    };
    let tags: Vec<String> = tag.into_iter().collect();
    let to = &destination.repository;
    let work = client.copy(&source, to, &tags, &options);
    let report = transfer.watch(console, work).await?;
    let name = tags.first().map_or_else(|| to.to_string(), |tag| format!("{to}:{tag}"));
    console.say(&message(&name, &report, inputs.dry_run));
    if let Some(text) = left_behind(&report.unread) {
        console.complain(&format!("warning: {text}"));
    }
    Ok(Exit::Passed)
}

/// The message about what was done, or would be done.
fn message(name: &str, report: &CopyReport, dry_run: bool) -> String {
    let digest = &report.digest;
    let mut text = match (report.unchanged, dry_run) {
        (true, _) => format!("{name}@{digest} was there already"),
        (false, true) => format!("would copy {name}@{digest}; nothing was written"),
        (false, false) => format!("copied {name}@{digest}"),
    };
    let tallies = [
        ("moved", report.moved),
        ("mounted", report.mounted),
        ("skipped, there already", report.skipped),
        ("foreign, left where they are", report.foreign),
    ];
    for (how, Tally { blobs, bytes }) in tallies.into_iter().filter(|(_, tally)| tally.blobs > 0) {
        let _ = write!(text, "\n  {blobs} blobs {how} ({})", size(bytes));
    }
    for line in attachments(&report.attached, dry_run) {
        let _ = write!(text, "\n  {line}");
    }
    text
}
