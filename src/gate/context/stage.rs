//! Which version a later gate is about, and the checkout of its tag.
//!
//! The version is the input's, or the latest in the registry path of the gate. Its Makefile is the
//! one of its tag, which is checked out in a directory of the run's own.

use super::reviewed::Reviewed;
use super::versions::{self, Found};
use super::{Context, Job, Paths, Request, makefile};
use crate::domain::environment::{Key, Origin, Stage, Values};
use crate::domain::version::{self, Commit, Prefix};
use crate::edges::git::{Git, Worktree};
use crate::edges::make;
use crate::gate::plan::{Later, Names, Place, Plan, Standing, earlier, nameless, stage};
use crate::gate::record::{self, Finding, Kept, Rule, word};
use crate::inputs::{Command, Inputs, Records};
use oci::{Client, Repository};
use std::path::PathBuf;
use sys::error::{Exit, Failure};
use sys::private;
use sys::world::World;

/// The gate that a command is about, where it is a later one.
pub(super) fn of(command: Command, targets: &[String]) -> Option<Stage> {
    match command {
        Command::ExtendedTest => Some(Stage::ExtendedTest),
        Command::Prod => Some(Stage::Prod),
        Command::Latest => stage(targets).ok(),
        _ => None,
    }
}

/// The gate that a make target belongs to, where it belongs to one.
pub(super) fn of_target(target: &str) -> Option<Stage> {
    match target {
        "p2p-build" | "p2p-functional" | "p2p-nft" | "p2p-integration" => Some(Stage::FastFeedback),
        "p2p-extended-test" => Some(Stage::ExtendedTest),
        "p2p-prod" => Some(Stage::Prod),
        _ => None,
    }
}

/// Settles which version `request` is about, if it is about a later gate, and checks the version's tag
/// out: `paths` lead there from then on. `client` makes a client for what a plan is about.
///
/// A local run with a registry of its own has no released versions: it takes the checkout as it is.
pub async fn settle(
    world: &World,
    request: &mut Request,
    job: Option<&Job>,
    paths: &mut Paths,
    git: &Git,
    client: impl AsyncFnOnce(&Context, &Plan) -> Result<Client, Failure>,
) -> Result<(), Failure> {
    let Some(stage) = of(request.command, &request.targets) else { return Ok(()) };
    if job.is_none() && request.inputs.registry.is_none() {
        return match request.command {
            Command::Latest => Err(Failure::usage(
                "there are no released versions in a local run",
                "name the registry to look in: `--registry`, or `p2p latest <registry>/<name>`",
            )),
            _ => Ok(()),
        };
    }
    // A version becomes a part of a ref and of a tag.
    let commit = here(job, paths, git).await?;
    let mut later = Later {
        stage,
        version: None,
        tag: None,
        commit,
        because: String::new(),
        notes: Vec::new(),
        warnings: Vec::new(),
    };
    if let Some(version) = &request.inputs.version {
        later.version = Some(version.clone());
        "given by the input `version`".clone_into(&mut later.because);
    } else {
        let mut asking = request.clone();
        asking.command = Command::Latest;
        asking.targets = vec![if stage == Stage::Prod { "prod" } else { "extended-test" }.to_owned()];
        asking.later = Some(later.clone());
        let none = std::future::ready(Ok(None));
        let context = Context::gather(world, asking, job.cloned(), paths.shared(), git, none).await?;
        Latest {
            version: later.version,
            because: later.because,
            notes: later.notes,
            warnings: later.warnings,
        } = Box::pin(latest(world, &context, stage, client)).await?;
    }
    if let (Some(version), true) = (&later.version, request.command != Command::Latest) {
        let prefix = request.inputs.prefix()?;
        let tag = prefix.tag_of(version);
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

/// The commit of the event or the checkout, for a run that checks no tag out.
async fn here(job: Option<&Job>, paths: &Paths, git: &Git) -> Result<Commit, Failure> {
    match job {
        Some(job) => job.sha().parse().map_err(|error: version::Error| {
            Failure::from(error).context("the environment variable `GITHUB_SHA` names no commit")
        }),
        None => Ok(versions::locally(paths, git).await?.standing.commit),
    }
}

/// The latest version that awaits a gate.
#[derive(Debug, PartialEq, Eq)]
struct Latest {
    version: Option<String>,
    /// Why it is that one, or why there is none.
    because: String,
    /// The versions that were passed over, each with why.
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// Looks for the latest version in the registry path of a gate.
async fn latest(
    world: &World,
    context: &Context,
    stage: Stage,
    client: impl AsyncFnOnce(&Context, &Plan) -> Result<Client, Failure>,
) -> Result<Latest, Failure> {
    let plan = context.plan()?;
    if let Some(reason) = plan.skipped {
        return Ok(Latest { version: None, because: reason, notes: Vec::new(), warnings: Vec::new() });
    }
    let at =
        format!("{}/{}", context.values.require(Key::Registry)?.text, context.stage_paths.of(stage).text);
    let names = match &plan.images.names {
        Names::Names(names) => names.clone(),
        Names::PrintedBy(target) => {
            // Read with the same version as the rest of the Makefile.
            let origin = Origin::Run("what is looked for".to_owned());
            let mut env =
                target.variables.clone().with_version(makefile::UNSETTLED, &origin).over(&world.env);
            // What it writes for the runner is no more obeyed than what a target writes.
            if context.place == Place::Github {
                for (name, file) in private::runner_files(context.paths.scratch()?)? {
                    env.set(name, file);
                }
            }
            make::images(&context.paths.directory, &env, &[], &context.paths.temp).await?
        }
    };
    let mut repositories = Vec::new();
    for name in &names {
        let repository = format!("{at}/{name}").parse::<Repository>().map_err(|error| {
            let what = format!("no image can be called {name:?} at {at}");
            Failure::from(error).context(what)
        })?;
        repositories.push(repository);
    }
    if repositories.is_empty() {
        return match &plan.images.names {
            Names::Names(_) => Err(nameless(context.place, "there is no image to look for")),
            Names::PrintedBy(_) => Ok(Latest {
                version: None,
                because: "`p2p-images` names no image, so no version awaits this gate; the input `version` names one"
                    .to_owned(),
                notes: Vec::new(),
                warnings: Vec::new(),
            }),
        };
    }
    let client = client(context, &plan).await?;
    let mut found = Vec::new();
    for repository in repositories {
        let tags = client.tags(&repository).await?.unwrap_or_default();
        found.push((repository, tags));
    }
    let reads = context.request.inputs.promotion_record != Records::Off;
    let rule = context.rule(&world.env);
    let (mut passed_over, mut notes, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let chosen = common(&found, &passed_over);
        let rejected = match chosen.version.as_deref().filter(|_| reads) {
            Some(version) => rejected(&client, &rule, stage, &found, version, &mut warnings).await?,
            None => None,
        };
        let (Some(version), Some(why)) = (&chosen.version, rejected) else {
            warnings.extend(chosen.warnings);
            return Ok(Latest { notes, warnings, ..chosen });
        };
        notes.push(format!("the version {version} is passed over: {why}"));
        passed_over.push(version.clone());
    }
}

/// Why no gate takes a version: an earlier gate rejected one of its images, or somebody withdrew it. Records
/// that cannot be read are a warning here: the gate itself asks for them.
async fn rejected(
    client: &Client,
    rule: &Rule,
    stage: Stage,
    found: &[(Repository, Vec<String>)],
    version: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    for (repository, _) in found.iter().filter(|(_, tags)| tags.iter().any(|tag| tag == version)) {
        let tag = repository.tag(version)?;
        let read = async {
            match client.resolve(repository, &tag.which()).await? {
                Some(image) => record::read(client, repository, &image.digest).await,
                None => Ok(Vec::new()),
            }
        };
        let said = match read.await {
            Ok(kept) => Kept::records(&kept),
            Err(error) => {
                warnings.push(format!("the records of {tag} cannot be read: {error}"));
                continue;
            }
        };
        let gates = earlier(stage).iter().map(|gate| rule.judge(&said, word(*gate)));
        let rejection = gates.into_iter().find_map(|finding| match finding {
            Finding::Rejected(why) => Some(format!("{tag}: {why}")),
            Finding::Passed | Finding::Missing(_) => None,
        });
        if rejection.is_some() {
            return Ok(rejection);
        }
    }
    Ok(None)
}

/// The latest version that all images have: a promotion may have ended half-way. An image without any
/// version was not promoted yet: a new one must not keep the others waiting. Versions that are passed over
/// do not count.
fn common(found: &[(Repository, Vec<String>)], passed_over: &[String]) -> Latest {
    let highest = |tags: &[String]| version::latest(tags.iter().map(String::as_str)).map(str::to_owned);
    let (there, new): (Vec<_>, Vec<_>) = found.iter().partition(|(_, tags)| highest(tags).is_some());
    let places = |images: &[&(Repository, Vec<String>)]| {
        images.iter().map(|(place, _)| place.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let none = |because| Latest { version: None, because, notes: Vec::new(), warnings: Vec::new() };
    let Some(((_, first), others)) = there.split_first() else {
        return none(format!("no version awaits this gate at {}", places(&new)));
    };
    let mut warnings = Vec::new();
    if !new.is_empty() {
        warnings.push(format!("no version awaits this gate at {}, which is left out", places(&new)));
    }
    let everywhere = |tag: &String| others.iter().all(|(_, tags)| tags.contains(tag));
    let (over, tags): (Vec<_>, Vec<_>) =
        first.iter().filter(|tag| everywhere(tag)).cloned().partition(|tag| passed_over.contains(tag));
    let version = highest(&tags);
    if version.is_none() && !over.is_empty() {
        return none(format!("each version at {} is passed over", places(&there)));
    }
    let because = match version {
        Some(_) => format!("the latest at {}", places(&there)),
        None => format!("no version is at {} alike", places(&there)),
    };
    if version.is_none() {
        let each = there.iter().filter_map(|(place, tags)| Some(format!("{} at {place}", highest(tags)?)));
        warnings.push(format!(
            "nothing is tested, although versions await this gate: no version has all images (the highest are {}); \
             run the gate before again, or name the images in `image-names`",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    Latest { version, because, notes: Vec::new(), warnings }
}

/// Whether the inputs say all that a search for a version needs, so that there need be no Makefile.
pub(super) fn said(inputs: &Inputs, own: &Values) -> bool {
    inputs.image_names.is_some() && own.get(Key::Registry).is_some()
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
    if let Some(job) = job {
        reviewed(request, job, paths, git, (tag, &commit)).await?;
    }
    let to: PathBuf = paths.scratch()?.join("checkout");
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

/// Refuses a tag whose commit nobody reviewed: whoever may create tags could let any Makefile run with the
/// secrets of production.
async fn reviewed(
    request: &Request,
    job: &Job,
    paths: &Paths,
    git: &Git,
    (tag, commit): (&str, &Commit),
) -> Result<(), Failure> {
    let reviewed = Reviewed::new(request, job, paths, git)?;
    if reviewed.holds(commit).await? {
        return Ok(());
    }
    Err(Failure {
        what: format!(
            "the tag {tag} names the commit {commit}, which is not in the history of {}",
            reviewed.named()
        ),
        causes: Vec::new(),
        help: Some(
            "a later gate runs reviewed code only: remove the tag if it is not yours, merge the commit, or name its \
             branch in `release-branches`; nothing was run"
                .to_owned(),
        ),
        exit: Exit::Failed,
    })
}

/// What is known of the commit of a later gate.
pub(super) fn found(later: &Later, job: Option<&Job>, main_branch: &str, prefix: &Prefix) -> Found {
    let commit = later.commit.clone();
    let standing = match job {
        Some(job) => later.standing(&job.facts(commit.clone(), commit, None), main_branch, prefix),
        None => Standing { kind: later.kind(), commit, barred: None },
    };
    let (notes, warnings) = (later.notes.clone(), later.warnings.clone());
    Found { notes, warnings, ..Found::of(standing, later.kind()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn images_without_a_version_keep_nobody_waiting() {
        let found = |images: &[(&str, &[&str])], over: &[&str]| {
            let tags = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
            let images: Vec<_> =
                images.iter().map(|(at, of)| (format!("r.io/{at}").parse().unwrap(), tags(of))).collect();
            let over: Vec<String> = over.iter().map(ToString::to_string).collect();
            let Latest { version, because, warnings, .. } = common(&images, &over);
            format!("{}: {because}; {}", version.as_deref().unwrap_or("none"), warnings.join("; "))
                .trim_end()
                .to_owned()
        };
        let texts = [
            found(&[("r/a", &["1.0.0", "1.1.0"])], &[]),
            found(&[("r/a", &["1.0.0", "1.1.0", "latest"]), ("r/b", &["0.9.0", "1.0.0", "latest"])], &[]),
            found(&[("r/new", &["latest"]), ("r/a", &["1.0.0", "1.1.0"])], &[]),
            found(&[("r/a", &["1.0.0"]), ("r/b", &["2.0.0"]), ("r/new", &[])], &[]),
            found(&[("r/a", &["latest"]), ("r/new", &[])], &[]),
            found(&[("r/a", &["1.0.0", "1.1.0"]), ("r/b", &["1.1.0"])], &["1.1.0"]),
            found(&[("r/a", &["1.0.0", "1.1.0"]), ("r/b", &["1.0.0", "1.1.0"])], &["1.1.0"]),
        ];
        insta::assert_snapshot!(texts.join("\n").replace("r.io/", ""), @r"
        1.1.0: the latest at r/a;
        1.0.0: the latest at r/a and r/b;
        1.1.0: the latest at r/a; no version awaits this gate at r/new, which is left out
        none: no version is at r/a and r/b alike; no version awaits this gate at r/new, which is left out; nothing is tested, although versions await this gate: no version has all images (the highest are 1.0.0 at r/a, 2.0.0 at r/b); run the gate before again, or name the images in `image-names`
        none: no version awaits this gate at r/a and r/new;
        none: each version at r/a and r/b is passed over;
        1.0.0: the latest at r/a and r/b;
        ");
    }
}
