//! Finds the version of a later gate and checks out its tag.
//!
//! The version comes from the input, or it is the latest in the registry path of the gate. The Makefile comes from
//! the version's tag, which is checked out in a directory of this run.

use super::reviewed::Reviewed;
use super::search::{Chosen, Search};
use super::versions::{self, Found};
use super::{Asking, Host, Paths, Request, release};
use crate::domain::environment::{Sources, Stage};
use crate::domain::version::{Commit, NotACommit};
use crate::edges::git::Worktree;
use crate::edges::make::Makefile;
use crate::gate::plan::{Eligibility, Later, stage};
use crate::inputs::Command;
use oci::Client;
use sys::error::{Exit, Failure};

/// The gate of a command, if it is a later one.
pub(super) fn of(command: Command, targets: &[String]) -> Option<Stage> {
    match command {
        Command::ExtendedTest => Some(Stage::ExtendedTest),
        Command::Prod => Some(Stage::Prod),
        Command::Latest => stage(targets).ok(),
        _ => None,
    }
}

/// The version of a later gate, with its directories.
pub(super) struct Resolved {
    pub(super) later: Later,
    /// The directories of the checked-out version, or those of the workspace if nothing is checked out.
    pub(super) paths: Paths,
    /// The Makefile, if the search has read it and nothing else is checked out.
    pub(super) makefile: Option<Makefile>,
}

impl Host<'_> {
    /// If `request` is for a later gate, finds its version and checks out the version's tag.
    ///
    /// A local run with the embedded registry has no released versions, so it uses the checkout as it is.
    pub(super) async fn resolve(
        &self,
        request: &Request,
        sources: &Sources,
        paths: &Paths,
        connect: impl AsyncFnOnce(Asking<'_>) -> Result<Client, Failure>,
    ) -> Result<Option<Resolved>, Failure> {
        let stage = match request.command {
            // Without a version, a scan is about the latest one.
            Command::Scan => request.scanned_stage().filter(|_| request.inputs.version.is_none()),
            command => of(command, &request.targets),
        };
        let Some(stage) = stage else { return Ok(None) };
        if self.job.is_none() && request.inputs.registry.is_none() {
            return match request.command {
                Command::Latest => Err(Failure::usage(
                    "there are no released versions in a local run",
                    "name the registry to look in: `--registry`, or `p2p latest <registry>/<name>`",
                )),
                _ => Ok(None),
            };
        }
        let mut paths = paths.clone();
        // The version becomes part of a ref and of an image tag.
        let mut commit = self.commit_here(&paths).await?;
        let (chosen, mut makefile) = if let Some(given) = given(request) {
            (given, None)
        } else {
            let search = Search { host: self, request, stage, paths: &paths };
            search.latest(sources.clone(), connect).await?
        };
        let Chosen { version, because, mut notes, warnings } = chosen;
        let mut tag = None;
        if let Some(version) = &version
            && !matches!(request.command, Command::Latest | Command::Scan)
        {
            let name = request.inputs.prefix()?.tag_of(version);
            (commit, paths) = self.check_out(request, &paths, version, &name).await?;
            notes.push(format!(
                "the tag {name} is checked out in a directory of its own; the workspace stays as it is"
            ));
            if paths.workspace.join(".gitmodules").is_file() {
                notes.push(format!("the tag {name} has submodules, which are not checked out"));
            }
            (tag, makefile) = (Some(name), None);
        }
        let later = Later { stage, version, tag, commit, because, notes, warnings };
        Ok(Some(Resolved { later, paths, makefile }))
    }

    /// The commit of the event or of the checkout, for a run that checks out no tag.
    async fn commit_here(&self, paths: &Paths) -> Result<Commit, Failure> {
        match &self.job {
            Some(job) => job.sha().parse().map_err(|error: NotACommit| {
                Failure::from(error).context("the environment variable `GITHUB_SHA` names no commit")
            }),
            None => Ok(versions::locally(paths, &self.git).await?.eligibility.commit),
        }
    }

    /// Checks out a tag. Returns the tag's commit and the directories of the checkout.
    async fn check_out(
        &self,
        request: &Request,
        paths: &Paths,
        version: &str,
        tag: &str,
    ) -> Result<(Commit, Paths), Failure> {
        let (git, token) = (&self.git, request.inputs.github_token.as_ref());
        let url = self.job.as_ref().map(super::GithubJob::git_url);
        let commit = match &url {
            Some(url) => git.remote_tag(url, tag, token).await?,
            None => git.peel(&paths.directory, &format!("refs/tags/{tag}")).await?,
        };
        let place = url.as_deref().unwrap_or("this repository");
        let commit = commit.ok_or_else(|| Failure::usage(format!("the version {version} has no tag {tag} in {place}"), "a later gate runs the Makefile of the version's tag: correct `version` or `version-prefix`, or push \
                 the tag; nothing was run"))?;
        self.refuse_unreviewed(request, paths, &format!("the tag {tag} names the commit {commit}"), &commit)
            .await?;
        let to = paths.scratch()?.join("checkout");
        let worktree =
            Worktree { from: &paths.directory, url: url.as_deref(), token, tag, commit: &commit, to: &to };
        git.worktree(worktree)
            .await
            .map_err(|error| Failure::from(error).context(format!("the tag {tag} cannot be checked out")))?;
        let paths = paths.in_checkout(to).map_err(|directory| {
            Failure::usage(
                format!("the tag {tag} has no directory {}", directory.display()),
                "correct `working-directory` or `version-prefix`; nothing was run",
            )
        })?;
        Ok((commit, paths))
    }

    /// Refuses a commit that was not reviewed. Otherwise anyone who may create tags could run any Makefile with the
    /// secrets of production. `what` names the commit.
    pub(super) async fn refuse_unreviewed(
        &self,
        request: &Request,
        paths: &Paths,
        what: &str,
        commit: &Commit,
    ) -> Result<(), Failure> {
        let Some(job) = &self.job else { return Ok(()) };
        let reviewed = Reviewed::new(request, job, paths, &self.git)?;
        if reviewed.holds(commit).await? {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Failed,
            format!("{what}, which is not in the history of {}", reviewed.named()),
            "later gates run reviewed code only: remove the tag if it is not yours, merge the commit, or name its \
                 branch in `release-branches`; nothing was run",
        ))
    }

    /// The facts about the commit of a later gate.
    pub(super) fn found(&self, later: &Later, request: &Request) -> Result<Found, Failure> {
        let (inputs, commit) = (&request.inputs, later.commit.clone());
        let eligibility = match &self.job {
            Some(job) => {
                let facts = job.facts(commit.clone(), commit, None);
                later.eligibility(&facts, &inputs.main_branch_ref(), &inputs.prefix()?)
            }
            None => Eligibility { kind: later.kind(), commit, ineligible: None },
        };
        let (notes, warnings) = (later.notes.clone(), later.warnings.clone());
        Ok(Found { notes, warnings, ..Found::of(eligibility, later.kind()) })
    }
}

/// The version if no search is needed: that of the input, or of the gate's first environment.
fn given(request: &Request) -> Option<Chosen> {
    let (version, because) = match (&request.inputs.version, &request.decided) {
        (Some(version), _) => (version, release::because_given()),
        (None, Some(version)) => (version, "the version of the first environment".to_owned()),
        (None, None) => return None,
    };
    Some(Chosen { version: Some(version.clone()), because, ..Chosen::default() })
}
