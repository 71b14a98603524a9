//! Reads the commit and the version tags of the remote repository.

use tokio::time::Instant;

use super::{Context, GithubJob, Host, Paths, Request, release};
use crate::domain::version::{
    self, BumpLevel, Commit, Kind, NotACommit, Prefix, Version, VersionError, VersionTag,
};
use crate::edges::git::{self, Git, GitError};
use crate::edges::github::{GitHub, GitHubError};
use crate::gate::allocation::{self, Remote, Subject};
use crate::gate::plan::{Eligibility, Facts, Named, PlannedVersion, eligibility};
use crate::inputs::{Command, Inputs, ReleaseCommit};
use sys::error::Failure;
use sys::retry::Policy;

/// The number of digits of the commit in the version of a local run.
const SHORT: usize = 12;

/// The facts from git.
pub(super) struct Found {
    pub(super) eligibility: Eligibility,
    pub(super) kind: Kind,
    pub(super) tags: Vec<VersionTag>,
    /// When p2p began to read the tags. A tag that was pushed later may be missing.
    pub(super) tags_at: Instant,
    pub(super) level: BumpLevel,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    /// The facts about a commit, without tags, notes or warnings.
    pub(super) fn of(eligibility: Eligibility, kind: Kind) -> Self {
        Self {
            eligibility,
            kind,
            tags: Vec::new(),
            tags_at: Instant::now(),
            level: BumpLevel::Patch,
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Reads the checkout, and the remote repository if the version depends on it.
pub(super) async fn read(
    host: &Host<'_>,
    request: &Request,
    paths: &Paths,
    prefix: &Prefix,
) -> Result<Found, Failure> {
    let (inputs, job, git) = (&request.inputs, host.job.as_ref(), &host.git);
    let mut found = match job {
        Some(job) => on_github(request, job, paths, git, prefix).await?,
        None => locally(paths, git).await?,
    };
    match (&inputs.version, job) {
        // A scan creates no tag, and works without the remote repository.
        (None, Some(_)) if request.command == Command::Scan => found.kind = Kind::Elsewhere,
        // A release uses the version of an earlier job and checks that its tag still exists.
        (Some(version), _) if request.command != Command::Release => {
            found.kind = Kind::Given(version.clone());
            found.warnings.extend(prefixed(version, prefix));
        }
        (given, Some(job)) if found.kind.needs_tags() => {
            let remote = remote(job, inputs, prefix, git)?;
            found.tags_at = Instant::now();
            found.tags = match found.kind {
                Kind::MainBranch => remote.versions().await?,
                _ => remote.tags().await?,
            };
            if let Some(version) = wanted(given.as_deref(), &found.kind) {
                release::complete(&remote, version, &mut found.tags).await?;
            }
            if request.command.creates_tags() && found.tags.is_empty() {
                first(&remote, &found).await?;
            }
            let subject =
                Subject { prefix, commit: &found.eligibility.commit, kind: &found.kind, bump: inputs.bump };
            found.level = allocation::level(subject, &found.tags, &remote.github).await?;
        }
        _ => {}
    }
    Ok(found)
}

/// Returns a warning if the given version includes the prefix, like the name of a tag.
fn prefixed(given: &str, prefix: &Prefix) -> Option<String> {
    let rest = given.strip_prefix(prefix.as_str()).filter(|rest| *rest != given)?;
    version::latest([rest]).map(|_| {
        format!(
            "the input `version` is {given}, which begins with the prefix `{prefix}`, and is taken as it is, for \
             images too; did you mean {rest}?"
        )
    })
}

/// Refuses to create the first tag of the default prefix if there are version tags without a prefix: with tags like
/// `1.2.3` the next version is expected to be 1.2.4, and not 0.0.1. Any other prefix was chosen on purpose.
async fn first(remote: &Remote, found: &Found) -> Result<(), Failure> {
    if found.kind != Kind::MainBranch || remote.prefix != Prefix::default() {
        return Ok(());
    }
    match remote.unprefixed().await?.iter().map(|tag| tag.version).max() {
        None => Ok(()),
        Some(highest) => {
            let commit = found.eligibility.commit.clone();
            Err(VersionError::Unprefixed { highest, commit }.into())
        }
    }
}

/// The version whose tag should exist already.
fn wanted(given: Option<&str>, kind: &Kind) -> Option<Version> {
    match kind {
        Kind::VersionTag(version) => Some(*version),
        _ => given.and_then(|given| given.parse().ok()),
    }
}

/// The repository of a job.
///
/// # Errors
/// If `GITHUB_REPOSITORY` or `GITHUB_API_URL` is wrong.
pub(crate) fn remote(
    job: &GithubJob,
    inputs: &Inputs,
    prefix: &Prefix,
    git: &Git,
) -> Result<Remote, Failure> {
    let github = GitHub::new(&job.api_url, &job.repository, inputs.github_token.clone())?
        .retrying(Policy::default(), git.watcher().clone());
    Ok(Remote {
        git: git.clone(),
        github,
        url: job.git_url(),
        token: inputs.github_token.clone(),
        prefix: prefix.clone(),
        release_commit: inputs.release_commit,
    })
}

async fn on_github(
    request: &Request,
    job: &GithubJob,
    paths: &Paths,
    git: &Git,
    prefix: &Prefix,
) -> Result<Found, Failure> {
    let mut facts = facts(request, job, paths, git).await?;
    let main_branch = request.inputs.main_branch_ref();
    // `run` and `scan` neither create tags nor promote.
    if !matches!(request.command, Command::Run | Command::Scan) && hangs_on_main(&facts, &main_branch, prefix)
    {
        facts.of_main = of_main(&facts, &remote(job, &request.inputs, prefix, git)?).await?;
    }
    let eligibility = eligibility(&facts, &main_branch, prefix);
    let kind = eligibility.kind.clone();
    Ok(Found::of(eligibility, kind))
}

/// The facts of the event and the checkout. The caller still has to set `of_main`.
pub(super) async fn facts(
    request: &Request,
    job: &GithubJob,
    paths: &Paths,
    git: &Git,
) -> Result<Facts, Failure> {
    let head = git.head(&paths.directory).await?;
    // GITHUB_SHA may be the id of an annotated tag, and a shallow checkout may not contain it.
    let peeled = if job.sha() == head.as_str() {
        Some(head.clone())
    } else {
        match git.peel(&paths.directory, job.sha()).await {
            Err(GitError::Missing) => None,
            peeled => peeled?,
        }
    };
    let event_sha = match peeled {
        Some(commit) => commit,
        None => job.sha().parse().map_err(|error: NotACommit| {
            Failure::from(error).context("the environment variable `GITHUB_SHA` names no commit")
        })?,
    };
    let named = match &request.inputs.checkout_version {
        None => None,
        Some(name) => Some(named(name, paths, git).await?),
    };
    let mut facts = job.facts(event_sha, head, named);
    // A release checks the version against the commit itself.
    facts.given = request.inputs.version.clone().filter(|_| request.command != Command::Release);
    Ok(facts)
}

/// Whether the result depends on `of_main`: if HEAD, which is not the event's commit, belongs to the main branch.
fn hangs_on_main(facts: &Facts, main_branch: &str, prefix: &Prefix) -> bool {
    let stands =
        |of_main| eligibility(&Facts { of_main, ..facts.clone() }, main_branch, prefix).ineligible.is_none();
    stands(true) && !stands(false)
}

/// Whether HEAD belongs to the main branch, according to GitHub: it is in the history of the event's commit, or it
/// is the commit of the version tag that `checkout-version` names. Whoever can push such a tag can promote to the
/// second path. Later gates refuse the commit if it was not reviewed.
async fn of_main(facts: &Facts, remote: &Remote) -> Result<bool, Failure> {
    let Facts { event_sha, head, named, .. } = facts;
    let asked = async {
        if remote.github.contains(event_sha, head).await? {
            return Ok(true);
        }
        let name = named.as_ref().map(|named| named.name.as_str()).unwrap_or_default();
        let tag = name.strip_prefix("refs/tags/").unwrap_or(name);
        let tags_it = remote.prefix.version(tag).is_some()
            && remote.github.tag_commit(tag).await?.as_ref() == Some(head);
        Ok::<_, GitHubError>(tags_it)
    };
    asked.await.map_err(|error| {
        let what = format!("whether the commit {head} that `checkout-version` names is the main branch's");
        Failure::from(error).context(format!("it is not known {what}; nothing was run"))
    })
}

/// The commit that `checkout-version` names in this checkout: a full commit id, a full ref, a tag or a branch.
/// `HEAD`, a path below `refs` or an expression of git could name any commit that happens to be checked out.
async fn named(name: &str, paths: &Paths, git: &Git) -> Result<Named, Failure> {
    let revisions = match name.strip_prefix("refs/") {
        // actions/checkout puts a ref that is neither a branch nor a tag, such as refs/pull/7/head, below
        // refs/remotes.
        Some(rest) => vec![name.to_owned(), format!("refs/remotes/{rest}")],
        None if name.parse::<Commit>().is_ok() => vec![name.to_owned()],
        None => ["tags", "remotes/origin", "heads"].map(|kind| format!("refs/{kind}/{name}")).into(),
    };
    for revision in revisions {
        let commit = match git.peel(&paths.directory, &revision).await {
            Err(GitError::Missing) => git::named_by_files(&paths.directory, &revision),
            commit => commit?,
        };
        if let Some(commit) = commit {
            return Ok(Named { name: name.to_owned(), commit });
        }
    }
    Err(Failure::usage(
        format!(
            "the input `checkout-version` is {name:?}, which is not a commit, branch or tag of the checkout"
        ),
        "expected a full commit id, or a branch or tag that is also the `ref` of the step that checks out; nothing was \
         run",
    ))
}

/// The facts of a local run. If tracked files were changed, the version ends in `-dirty`, so that nobody takes the
/// image for the commit's.
pub(super) async fn locally(paths: &Paths, git: &Git) -> Result<Found, Failure> {
    let mut notes = Vec::new();
    let (commit, short) = match git.head(&paths.directory).await {
        Ok(commit) => {
            let changed = match git.is_changed(&paths.directory).await {
                Err(GitError::Missing) => {
                    notes.push("  the commit     as it is or changed: there is no git to ask".to_owned());
                    false
                }
                changed => changed?,
            };
            let short = format!("{}{}", &commit.as_str()[..SHORT], if changed { "-dirty" } else { "" });
            (commit, short)
        }
        Err(GitError::NotARepository { .. } | GitError::NoCommit { .. } | GitError::Headless { .. }) => {
            notes.push("  the commit     none: this is not a git repository with a commit".to_owned());
            ("0".repeat(40).parse()?, "local".to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    let kind = Kind::Local(short);
    let eligibility = Eligibility { kind: kind.clone(), commit, ineligible: None };
    Ok(Found { notes, ..Found::of(eligibility, kind) })
}

/// Decides the version of this run, as far as possible before anything is done.
pub(super) fn decide(context: &Context) -> Result<PlannedVersion, Failure> {
    let Context { prefix, tags, kind, eligibility, request, level, later, .. } = context;
    if let Some(later) = later {
        return Ok(PlannedVersion {
            version: later.version.clone().unwrap_or_default(),
            previous: None,
            tag: later.tag.clone(),
            create: false,
            because: later.because.clone(),
        });
    }
    let commit = &eligibility.commit;
    release::check_tag(context)?;
    let mut decision = version::decide(prefix, tags, commit, kind, *level)?;
    let mut because = because(kind, &decision, prefix, *level);
    if request.command == Command::Release {
        return release::decide(context, decision, because);
    }
    if decision.create {
        match request.command {
            // A version without a tag could be used twice, so a commit without a tag gets a version of its own.
            Command::Run => {
                decision = version::decide(prefix, tags, commit, &Kind::Elsewhere, *level)?;
                "the commit carries no version tag, and `run` creates none".clone_into(&mut because);
            }
            Command::Promote => {
                return Err(Failure::usage(
                    format!("which version should be promoted? The commit {commit} carries no version tag"),
                    "give the input `version` with the version that was tested; nothing was run",
                ));
            }
            // `release` creates the tag on a child of the commit.
            _ if request.inputs.release_commit == ReleaseCommit::Child => {
                decision.create = false;
                decision.tag = None;
                because.push_str("; `release` creates its tag");
            }
            _ => {}
        }
    }
    Ok(PlannedVersion {
        version: decision.version,
        previous: decision.previous.map(|previous| previous.to_string()),
        tag: decision.tag,
        create: decision.create,
        because,
    })
}

fn because(kind: &Kind, decision: &version::Decision, prefix: &Prefix, level: BumpLevel) -> String {
    match (kind, decision.previous) {
        (Kind::Given(_), _) => release::because_given(),
        (Kind::Local(_), _) => "a local run".to_owned(),
        (Kind::VersionTag(version), _) => format!("the tag {} was pushed", prefix.tag(*version)),
        (Kind::MainBranch, _) if !decision.create => "the commit carries its tag".to_owned(),
        (Kind::MainBranch, Some(previous)) if previous == Version::ZERO => "the first version".to_owned(),
        (Kind::MainBranch, Some(previous)) => {
            format!("the next {} after {}", level.word(), prefix.tag(previous))
        }
        (Kind::MainBranch | Kind::Elsewhere, _) => {
            "the previous version and the commit under test".to_owned()
        }
    }
}
