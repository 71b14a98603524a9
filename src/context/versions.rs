//! The commit and the remote's version tags.

use super::stage;
use super::{Context, Job, Paths, Request};
use crate::error::Failure;
use crate::git::{self, Git};
use crate::inputs::Command;
use crate::plan::{Standing, Version, standing};
use crate::version::{self, Commit, Kind, Prefix, VersionTag};

/// What git says.
pub(super) struct Found {
    pub(super) standing: Standing,
    pub(super) kind: Kind,
    pub(super) tags: Vec<VersionTag>,
    pub(super) notes: Vec<String>,
}

/// Reads the checkout, and the remote where the version depends on it.
pub(super) async fn read(
    request: &Request,
    job: Option<&Job>,
    paths: &Paths,
    git: &Git,
    prefix: &Prefix,
) -> Result<Found, Failure> {
    let inputs = &request.inputs;
    if let Some(later) = &request.later {
        return Ok(stage::found(later, job, &main_branch(request), prefix));
    }
    let mut found = match job {
        Some(job) => on_github(request, job, paths, git, prefix).await?,
        None => locally(paths, git).await?,
    };
    if let Some(version) = &inputs.version {
        found.kind = Kind::Given(version.clone());
    } else if let (Some(job), true) = (job, found.kind.needs_tags()) {
        found.tags = git.ls_remote_tags(&job.git_url(), prefix, inputs.github_token.as_ref()).await?;
    }
    Ok(found)
}

async fn on_github(
    request: &Request,
    job: &Job,
    paths: &Paths,
    git: &Git,
    prefix: &Prefix,
) -> Result<Found, Failure> {
    let head = git.head(&paths.directory).await?;
    // GITHUB_SHA may name an annotated tag's object; a shallow checkout may not have it at all.
    let event_sha = match git.peel(&paths.directory, job.sha()).await? {
        Some(commit) => commit,
        None => job.sha().parse().map_err(|error: version::Error| {
            Failure::from(error).context("the environment variable `GITHUB_SHA` names no commit")
        })?,
    };
    let named = match &request.inputs.checkout_version {
        None => None,
        Some(name) => Some(named(name, paths, git).await?),
    };
    let standing = standing(&job.facts(event_sha, head, named), &main_branch(request), prefix);
    Ok(Found { kind: standing.kind.clone(), standing, tags: Vec::new(), notes: Vec::new() })
}

/// The main branch as a full ref.
fn main_branch(request: &Request) -> String {
    let main_branch = &request.inputs.main_branch;
    if main_branch.starts_with("refs/") { main_branch.clone() } else { format!("refs/heads/{main_branch}") }
}

/// The commit that `checkout-version` names, as this checkout knows it.
async fn named(name: &str, paths: &Paths, git: &Git) -> Result<Commit, Failure> {
    for revision in [name.to_owned(), format!("refs/tags/{name}"), format!("refs/remotes/origin/{name}")] {
        if let Some(commit) = git.peel(&paths.directory, &revision).await? {
            return Ok(commit);
        }
    }
    Err(Failure::usage(
        format!("the input `checkout-version` is {name:?}, which the checkout does not hold"),
        "give the step that checks out the same `ref`; nothing was run",
    ))
}

pub(super) async fn locally(paths: &Paths, git: &Git) -> Result<Found, Failure> {
    let (commit, short, notes) = match git.describe(&paths.directory).await {
        Ok((commit, short)) => (commit, short, Vec::new()),
        Err(git::Error::NotARepository { .. } | git::Error::NoCommit { .. } | git::Error::Missing) => {
            let note = "  the commit     none: this is no git repository with a commit".to_owned();
            ("0".repeat(40).parse()?, "local".to_owned(), vec![note])
        }
        Err(error) => return Err(error.into()),
    };
    let kind = Kind::Local(short);
    let standing = Standing { kind: kind.clone(), commit, barred: None };
    Ok(Found { standing, kind, tags: Vec::new(), notes })
}

/// The version of this run, as far as it is decided before anything is done.
pub(super) fn decide(context: &Context) -> Result<Version, Failure> {
    let Context { prefix, tags, kind, standing, request, .. } = context;
    if let Some(later) = &request.later {
        return Ok(Version {
            version: later.version.clone().unwrap_or_default(),
            previous: None,
            tag: later.tag.clone(),
            create: false,
            because: later.because.clone(),
        });
    }
    let commit = &standing.commit;
    let mut decision = version::decide(prefix, tags, commit, kind)?;
    let mut because = because(kind, &decision, prefix);
    if decision.create {
        match request.command {
            // A version without a tag could be given twice: a commit that has none gets a
            // version of its own.
            Command::Run => {
                decision = version::decide(prefix, tags, commit, &Kind::Elsewhere)?;
                "the commit carries no version tag, and `run` creates none".clone_into(&mut because);
            }
            Command::Promote => {
                return Err(Failure::usage(
                    format!("which version is to be promoted? The commit {commit} carries no version tag"),
                    "give the input `version` with the version that was tested; nothing was run",
                ));
            }
            _ => {}
        }
    }
    Ok(Version {
        version: decision.version,
        previous: decision.previous.map(|previous| previous.to_string()),
        tag: decision.tag,
        create: decision.create,
        because,
    })
}

fn because(kind: &Kind, decision: &version::Decision, prefix: &Prefix) -> String {
    match (kind, decision.previous) {
        (Kind::Given(_), _) => "given by the input `version`".to_owned(),
        (Kind::Local(_), _) => "a local run".to_owned(),
        (Kind::VersionTag(version), _) => format!("the tag {} was pushed", prefix.tag(*version)),
        (Kind::MainBranch, _) if !decision.create => "the commit carries its tag".to_owned(),
        (Kind::MainBranch, Some(previous)) if previous == version::Version::ZERO => {
            "the first version".to_owned()
        }
        (Kind::MainBranch, Some(previous)) => format!("the next patch after {}", prefix.tag(previous)),
        (Kind::MainBranch | Kind::Elsewhere, _) => {
            "the previous version and the commit under test".to_owned()
        }
    }
}
