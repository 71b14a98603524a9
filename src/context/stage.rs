//! Which version a later gate is about, and the checkout of its tag.
//!
//! The version is the input's, or the latest in the registry path of the gate. Its Makefile is the
//! one of its tag, which is checked out in a directory of the run's own.

use std::path::PathBuf;
use std::time::Duration;

use super::versions::{self, Found};
use super::{Job, Paths, Request, read_makefile, sources, stage_paths};
use crate::environment::{EnvVars, Key, Stage, Target as Facing, Values, target_variables};
use crate::error::{Exit, Failure};
use crate::git::{Git, Worktree};
use crate::inputs::Command;
use crate::make::{self, Makefile, State};
use crate::oci::{Client, Repository};
use crate::plan::{Later, Place, stage};
use crate::version::{self, Commit, Prefix};
use crate::world::World;

/// The longest that `p2p-images` may take.
const NAMING: Duration = Duration::from_mins(2);

/// The gate that a command is about, where it is a later one.
pub(super) fn of(command: Command, targets: &[String]) -> Option<Stage> {
    match command {
        Command::ExtendedTest => Some(Stage::ExtendedTest),
        Command::Prod => Some(Stage::Prod),
        Command::Latest => stage(targets).ok(),
        Command::FastFeedback | Command::Version | Command::Run | Command::Promote | Command::Plan => None,
    }
}

/// Settles which version `request` is about, if it is about a later gate, and checks the version's tag
/// out: `paths` lead there from then on. `client` makes a client for a repository.
///
/// A local run with a registry of its own has no released versions: it takes the checkout as it is.
pub async fn settle(
    world: &World,
    request: &mut Request,
    job: Option<&Job>,
    paths: &mut Paths,
    git: &Git,
    client: impl FnOnce(&Repository) -> Result<Client, Failure>,
) -> Result<(), Failure> {
    let Some(stage) = of(request.command, &request.targets) else { return Ok(()) };
    if job.is_none() && request.inputs.registry.is_none() {
        return Ok(());
    }
    let (version, because) = match &request.inputs.version {
        Some(version) => (Some(version.clone()), "given by the input `version`".to_owned()),
        None => latest(world, request, job, paths, stage, client).await?,
    };
    let mut later =
        Later { stage, version, tag: None, commit: here(job, paths, git).await?, because, notes: Vec::new() };
    if let (Some(version), true) = (&later.version, request.command != Command::Latest) {
        let prefix: Prefix = request.inputs.version_prefix.parse()?;
        let tag = tag(&prefix, version);
        later.commit = enter(request, job, paths, git, version, &tag).await?;
        later.notes.push(format!(
            "the tag {tag} is checked out in a directory of its own; the workspace stays as it is"
        ));
        if paths.workspace.join(".gitmodules").is_file() {
            later.notes.push(format!("the tag {tag} has submodules, which are not checked out"));
        }
        later.tag = Some(tag);
    }
    request.inputs.version.clone_from(&later.version);
    request.later = Some(later);
    Ok(())
}

/// The name of a version's tag. Registries may spell versions with a `v` of their own.
fn tag(prefix: &Prefix, version: &str) -> String {
    let plain = version.strip_prefix('v').filter(|rest| version::latest([*rest]).is_some());
    format!("{prefix}{}", plain.unwrap_or(version))
}

/// The commit of the event or the checkout, for a run that checks no tag out.
async fn here(job: Option<&Job>, paths: &Paths, git: &Git) -> Result<Commit, Failure> {
    match job {
        Some(job) => job.sha().parse().map_err(|error: version::Error| {
            Failure::from(error).context("the environment variable `GITHUB_SHA` names no commit")
        }),
        None => Ok(versions::locally(paths, git).await?.standing.commit),
    }
}

/// The latest version that awaits a gate, and why it is that one, or why there is none. With several
/// images it is the latest that all of them have: a promotion may have ended half-way.
async fn latest(
    world: &World,
    request: &Request,
    job: Option<&Job>,
    paths: &Paths,
    stage: Stage,
    client: impl FnOnce(&Repository) -> Result<Client, Failure>,
) -> Result<(Option<String>, String), Failure> {
    let (values, names) = about(world, request, job, paths).await?;
    let at =
        format!("{}/{}", values.require(Key::Registry)?.text, stage_paths(&request.inputs)?.of(stage).text);
    let mut repositories = Vec::new();
    for name in &names {
        let repository = format!("{at}/{name}").parse::<Repository>().map_err(|error| {
            let what = format!("no image can be called {name:?} at {at}");
            Failure::from(error).context(what)
        })?;
        repositories.push(repository);
    }
    let Some(first) = repositories.first() else {
        return Err(Failure::usage(
            "no image to look for: neither `image-names` nor the target `p2p-images` nor an app's name",
            "set `app-name` or `image-names`, or `P2P_APP_NAME` in the Makefile; nothing was run",
        ));
    };
    let client = client(first)?;
    let mut common: Option<Vec<String>> = None;
    for repository in &repositories {
        let tags = client.tags(repository).await?.unwrap_or_default();
        common = Some(match common {
            None => tags,
            Some(common) => common.into_iter().filter(|tag| tags.contains(tag)).collect(),
        });
    }
    let tags = common.unwrap_or_default();
    let all: Vec<_> = repositories.iter().map(ToString::to_string).collect();
    let place = all.join(" and ");
    Ok(match version::latest(tags.iter().map(String::as_str)) {
        Some(version) => (Some(version.to_owned()), format!("the latest at {place}")),
        None => (None, format!("no version awaits this gate at {place}")),
    })
}

/// The values of the environment and the names of the images, by the inputs and, where these do not
/// say enough, by the Makefile of the checkout.
async fn about(
    world: &World,
    request: &Request,
    job: Option<&Job>,
    paths: &Paths,
) -> Result<(Values, Vec<String>), Failure> {
    let inputs = &request.inputs;
    let mut sources = sources(request, paths)?;
    let values = sources.own()?;
    if let (Some(names), Some(_)) = (&inputs.image_names, values.get(Key::Registry)) {
        return Ok((values, names.0.clone()));
    }
    let place = if job.is_some() { Place::Github } else { Place::Local };
    let stages = stage_paths(inputs)?;
    let makefile = read_makefile(world, place, request, paths, &sources, &stages).await?;
    sources.add(&makefile);
    let values = sources.own()?;
    let names = match &inputs.image_names {
        Some(names) => names.0.clone(),
        None if prints_names(&makefile) => {
            let variables = target_variables(&Facing {
                values: &values,
                source: None,
                paths: &stages,
                version: None,
                github_token: None,
                env_vars: &EnvVars::default(),
            });
            make::images(&paths.directory, &variables.over(&world.env), NAMING).await?
        }
        None => values.text(Key::AppName).map(str::to_owned).into_iter().collect(),
    };
    Ok((values, names))
}

fn prints_names(makefile: &Makefile) -> bool {
    matches!(makefile.target("p2p-images").state, State::Defined { .. })
}

/// Checks a tag out and goes there. Gives the tag's commit.
async fn enter(
    request: &Request,
    job: Option<&Job>,
    paths: &mut Paths,
    git: &Git,
    version: &str,
    tag: &str,
) -> Result<Commit, Failure> {
    let token = request.inputs.github_token.as_ref();
    let url = job.map(Job::git_url);
    let commit = match &url {
        Some(url) => git.remote_tag(url, tag, token).await?,
        None => git.peel(&paths.directory, &format!("refs/tags/{tag}")).await?,
    };
    let place = url.as_deref().unwrap_or("this repository");
    let commit = commit.ok_or_else(|| Failure {
        what: format!("the version {version} has no tag {tag} in {place}"),
        causes: Vec::new(),
        help: Some(
            "a later gate runs the Makefile of the version's tag: correct `version` or `version-prefix`, or push \
             the tag; nothing was run"
                .to_owned(),
        ),
        exit: Exit::Usage,
    })?;
    let to: PathBuf = paths.scratch.join("checkout");
    let worktree =
        Worktree { from: &paths.directory, url: url.as_deref(), token, tag, commit: &commit, to: &to };
    git.worktree(worktree)
        .await
        .map_err(|error| Failure::from(error).context(format!("the tag {tag} cannot be checked out")))?;
    paths.enter(to).map_err(|directory| {
        Failure::usage(
            format!("the tag {tag} has no directory {}", directory.display()),
            "correct `working-directory` or `version-prefix`; nothing was run",
        )
    })?;
    Ok(commit)
}

/// What is known of the commit of a later gate.
pub(super) fn found(later: &Later, job: Option<&Job>, main_branch: &str, prefix: &Prefix) -> Found {
    let commit = later.commit.clone();
    let standing = match job {
        Some(job) => later.standing(&job.facts(commit.clone(), commit, None), main_branch, prefix),
        None => crate::plan::Standing { kind: later.kind(), commit, barred: None },
    };
    Found { kind: later.kind(), standing, tags: Vec::new(), notes: later.notes.clone() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_registry_s_own_v_is_no_part_of_the_tag() {
        for (prefix, version, expected) in [
            ("v", "1.2.3", "v1.2.3"),
            ("v", "v1.2.3", "v1.2.3"),
            ("api-v", "v1.2.3-rc.1", "api-v1.2.3-rc.1"),
            ("", "v1.2.3", "1.2.3"),
            ("v", "vienna", "vvienna"),
            ("v", "2024.1", "v2024.1"),
        ] {
            assert_eq!(tag(&prefix.parse().unwrap(), version), expected, "{prefix} {version}");
        }
    }
}
