//! Whether a commit was reviewed: whether it is in the history of the main branch, or of a branch in the input
//! `release-branches`.

use globset::{GlobSet, GlobSetBuilder};

use super::versions::remote;
use super::{GithubJob, Paths, Request};
use crate::domain::version::Commit;
use crate::edges::git::Git;
use crate::edges::github::{GitHub, GitHubError};
use crate::gate::record::branch_glob;
use sys::error::Failure;

/// The branches whose commits count as reviewed.
pub(super) struct Reviewed<'a> {
    job: &'a GithubJob,
    paths: &'a Paths,
    git: &'a Git,
    github: GitHub,
    /// The full ref of the main branch.
    main: String,
    /// The globs of `release-branches`.
    release: Vec<String>,
}

impl<'a> Reviewed<'a> {
    /// # Errors
    /// If `GITHUB_REPOSITORY` or `GITHUB_API_URL` is wrong.
    pub(super) fn new(
        request: &Request,
        job: &'a GithubJob,
        paths: &'a Paths,
        git: &'a Git,
    ) -> Result<Self, Failure> {
        let inputs = &request.inputs;
        let github = remote(job, inputs, &inputs.prefix()?, git)?.github;
        let release = inputs.release_branches.clone().map(|words| words.0).unwrap_or_default();
        Ok(Self { job, paths, git, github, main: inputs.main_branch_ref(), release })
    }

    /// Whether a commit is in the history of the main branch. Reads the checkout if it has the history, and
    /// otherwise asks GitHub's API.
    ///
    /// # Errors
    /// If neither gives an answer. A missing answer does not count as "no".
    pub(super) async fn by_main(&self, commit: &Commit) -> Result<bool, Failure> {
        let here = self.job.is_on(&self.main);
        if here && self.git.is_ancestor(&self.paths.base, commit, self.job.sha()).await {
            return Ok(true);
        }
        let main = self.short_main();
        self.in_branches(main, commit, |branch| branch == main).await
    }

    /// Whether a commit is in the history of the main branch or of a release branch.
    ///
    /// # Errors
    /// If there is no answer, or if `release-branches` is not a list of globs.
    pub(super) async fn holds(&self, commit: &Commit) -> Result<bool, Failure> {
        let release = globs(&self.release)?;
        if self.by_main(commit).await? {
            return Ok(true);
        }
        Ok(!release.is_empty() && self.in_branches("", commit, |branch| release.is_match(branch)).await?)
    }

    /// Whether a commit is in the history of a branch that starts with `prefix` and is `wanted`.
    async fn in_branches(
        &self,
        prefix: &str,
        commit: &Commit,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<bool, Failure> {
        let asked = async {
            for (name, tip) in self.github.branches(prefix).await? {
                if wanted(&name) && self.github.contains(&tip, commit).await? {
                    return Ok(true);
                }
            }
            Ok::<_, GitHubError>(false)
        };
        asked.await.map_err(|error| {
            Failure::from(error).context(format!(
                "it is not known whether the commit {commit} is in the history of the main branch; nothing was run"
            ))
        })
    }

    /// The branches that `holds` searches, for messages.
    pub(super) fn named(&self) -> String {
        let main = self.short_main();
        let all: Vec<&str> = std::iter::once(main).chain(self.release.iter().map(String::as_str)).collect();
        format!("`{}`", all.join("` or `"))
    }

    fn short_main(&self) -> &str {
        self.main.strip_prefix("refs/heads/").unwrap_or(&self.main)
    }
}

fn globs(texts: &[String]) -> Result<GlobSet, Failure> {
    let wrong = |error: globset::Error| {
        Failure::usage(
            format!("the input `release-branches` holds no glob of branches: {error}"),
            "expected names of branches, such as `release/*`, separated by white space; nothing was run",
        )
    };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(branch_glob(text).map_err(wrong)?);
    }
    set.build().map_err(wrong)
}
