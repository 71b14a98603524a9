//! The facts that only `release` needs.

use super::{Context, Paths};
use crate::domain::version::{Decision, Kind, Version, VersionError, VersionTag};
use crate::gate::allocation::Remote;
use crate::gate::plan::{Place, PlannedVersion};
use crate::gate::release::{Files, ReleaseError, asset_names, notes};
use crate::inputs::{Command, Inputs, Lines, ReleaseCommit};
use sys::error::Failure;

/// The files of a release must exist before its tag is created.
pub(super) fn files(inputs: &Inputs, paths: &Paths) -> Result<(), Failure> {
    let directory = &paths.directory;
    let globs = |globs: &Option<Lines>| globs.clone().map(|globs| globs.0).unwrap_or_default();
    let (committed, assets) = (globs(&inputs.release_files), globs(&inputs.release_assets));
    Files { input: "release-files", globs: &committed, directory }.find()?;
    asset_names(&Files { input: "release-assets", globs: &assets, directory })?;
    notes(&inputs.release_notes, directory).map(drop)
}

/// Adds the tag of `version` if the list lacks it: an earlier job has just created it, and git's side of the server
/// may not list it yet.
pub(super) async fn complete(
    remote: &Remote,
    version: Version,
    tags: &mut Vec<VersionTag>,
) -> Result<(), Failure> {
    if remote.release_commit == ReleaseCommit::Own
        && !tags.iter().any(|tag| tag.version == version)
        && let Some(commit) = remote.github.tag_commit(&remote.prefix.tag(version)).await?
    {
        tags.push(VersionTag { version, commit });
    }
    Ok(())
}

/// Checks that the pushed version tag still exists, on the commit that is checked out.
pub(super) fn check_tag(context: &Context) -> Result<(), Failure> {
    match context.kind {
        Kind::VersionTag(version) if context.request.inputs.release_commit == ReleaseCommit::Own => {
            stands(context, version)
        }
        _ => Ok(()),
    }
}

fn stands(context: &Context, version: Version) -> Result<(), Failure> {
    let Context { prefix, tags, eligibility, .. } = context;
    let (tag, wanted) = (prefix.tag(version), &eligibility.commit);
    match tags.iter().find(|tag| tag.version == version).map(|tag| &tag.commit) {
        None => Err(VersionError::Gone { tag }.into()),
        Some(found) if found != wanted => {
            Err(VersionError::Moved { tag, found: found.clone(), wanted: wanted.clone() }.into())
        }
        Some(_) => Ok(()),
    }
}

/// Decides the version to release. `decision` is what `version` would decide.
pub(super) fn decide(
    context: &Context,
    decision: Decision,
    because: String,
) -> Result<PlannedVersion, Failure> {
    let Context { prefix, tags, eligibility, request, place, .. } = context;
    if *place == Place::Local {
        return Err(Failure::usage("a release is made on GitHub only", "run in GitHub Actions"));
    }
    if let Some(ineligible) = &eligibility.ineligible {
        return Err(Failure::usage(
            format!("nothing is released: {ineligible}"),
            "run `release` on a push to the main branch, or on a version tag",
        ));
    }
    let child = makes_child(context);
    let given = match &request.inputs.version {
        Some(given) => {
            let wrong = |error| Failure::from(error).context("the input `version` cannot be released");
            given.parse::<Version>().map_err(wrong)?
        }
        None if child && decision.create => {
            return Err(Failure::usage(
                format!("which version should be released? The commit {} has none yet", eligibility.commit),
                "give the input `version` with the output `version` of an earlier job that ran \
                 `version` with `release-commit: child`; nothing was run",
            ));
        }
        None => {
            return Ok(PlannedVersion {
                version: decision.version,
                previous: decision.previous.map(|previous| previous.to_string()),
                tag: decision.tag,
                create: decision.create,
                because,
            });
        }
    };
    if child {
        is_free(context, given)?;
    } else {
        stands(context, given)?;
    }
    let previous = tags.iter().map(|tag| tag.version).filter(|version| *version < given).max();
    let own = VersionTag { version: given, commit: eligibility.commit.clone() };
    Ok(PlannedVersion {
        version: given.to_string(),
        previous: Some(previous.unwrap_or(Version::ZERO).to_string()),
        tag: tags.contains(&own).then(|| prefix.tag(given)),
        create: false,
        because: because_given(),
    })
}

/// Refuses a version that a child of the commit cannot get: the commit has another version, or another commit has
/// this one.
fn is_free(context: &Context, given: Version) -> Result<(), Failure> {
    let Context { prefix, tags, eligibility, .. } = context;
    let (own, others): (Vec<_>, Vec<_>) = tags.iter().partition(|tag| tag.commit == eligibility.commit);
    let is_given = |tag: &&&VersionTag| tag.version == given;
    if let Some(other) = own.iter().max_by_key(|tag| tag.version)
        && !own.iter().any(|tag| is_given(&tag))
    {
        return Err(Failure::usage(
            format!(
                "the commit {} was released as {}, and the input `version` is {given}",
                eligibility.commit, other.version
            ),
            "run the whole workflow again: `version` gives the version that the commit has; nothing was run",
        ));
    }
    if let Some(found) = others.iter().find(is_given) {
        let (commit, found) = (eligibility.commit.clone(), found.commit.clone());
        return Err(ReleaseError::Taken { tag: prefix.tag(given), commit, found }.into());
    }
    Ok(())
}

/// Whether the release creates a commit of its own. A run for a pushed version tag does not.
fn makes_child(context: &Context) -> bool {
    context.request.inputs.release_commit == ReleaseCommit::Child && context.kind == Kind::MainBranch
}

/// The tag that will be put on a child of the commit. If the tag exists, its content is checked.
pub(super) fn tag(context: &Context, version: &PlannedVersion) -> Option<String> {
    let child = context.request.command == Command::Release && makes_child(context);
    let version: Option<Version> = version.version.parse().ok();
    version.filter(|_| child).map(|version| context.prefix.tag(version))
}

/// Why a version is the one of the input.
pub(super) fn because_given() -> String {
    "given by the input `version`".to_owned()
}
