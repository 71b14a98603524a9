use crate::domain::version::{NumberError, Prefix, VersionTag};
use crate::edges::git::{Git, GitError};
use crate::edges::github::{GitHub, GitHubError};
use crate::inputs::ReleaseCommit;
use sys::error::{Exit, Help};
use workflow_commands::Secret;

/// The remote repository, in which version tags are read and created.
#[derive(Debug)]
pub struct Remote {
    /// Reads the tags.
    pub git: Git,
    /// The API of the repository.
    pub github: GitHub,
    /// The URL that git reads.
    pub url: String,
    /// The token for git and the API.
    pub token: Option<Secret>,
    /// The prefix of version tags.
    pub prefix: Prefix,
    /// The commits that carry version tags.
    pub release_commit: ReleaseCommit,
}

/// Why the version tags could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    #[error(transparent)]
    Git(#[from] GitError),
    /// There is no git, and GitHub's API failed.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// There is no git, and the run needs it.
    #[error(
        "with `release-commit: child` the program git is needed, and it is not installed or not on the PATH"
    )]
    NoGit,
}

impl Help for Unread {
    fn help(&self) -> Option<String> {
        match self {
            Self::Git(error) => error.help(),
            Self::GitHub(error) => error.help(),
            Self::NoGit => Some("install git, or add its directory to the PATH of the job".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Git(error) => error.exit(),
            Self::GitHub(error) => error.exit(),
            Self::NoGit => Exit::Usage,
        }
    }
}

impl Remote {
    /// All version tags with their commits: from git in one request, or from the API if git is missing.
    pub async fn tags(&self) -> Result<Vec<VersionTag>, Unread> {
        self.tags_of(&self.prefix).await
    }

    /// The tags that are a plain version without any prefix.
    pub async fn unprefixed(&self) -> Result<Vec<VersionTag>, Unread> {
        self.tags_of(&Prefix::NONE).await
    }

    async fn tags_of(&self, prefix: &Prefix) -> Result<Vec<VersionTag>, Unread> {
        match self.git.ls_remote_tags(&self.url, prefix, self.token.as_ref()).await {
            Ok(tags) => Ok(tags),
            Err(GitError::Missing) => {
                let version = |name: &str| prefix.read(name).transpose();
                let tags = self.github.tags(prefix.as_str(), |name| version(name).is_some()).await?;
                let tags = tags.into_iter().filter_map(|tag| {
                    Some(version(&tag.name)?.map(|version| VersionTag { version, commit: tag.commit }))
                });
                let tags: Result<_, _> = tags.collect();
                tags.map_err(|error: NumberError| {
                    GitError::Tags { url: self.url.clone(), source: error.into() }.into()
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All version tags with the commits that they stand for. For a tag on a release commit, it is the commit that
    /// was released.
    pub async fn versions(&self) -> Result<Vec<VersionTag>, Unread> {
        let mut tags = self.tags().await?;
        if self.release_commit == ReleaseCommit::Child && !tags.is_empty() {
            let commits = self.git.release_commits(&self.url, &self.prefix, self.token.as_ref()).await;
            let commits = commits.map_err(|error| match error {
                GitError::Missing => Unread::NoGit,
                error => error.into(),
            })?;
            for tag in &mut tags {
                if let Some(released) = commits.get(&tag.commit) {
                    tag.commit = released.clone();
                }
            }
        }
        Ok(tags)
    }
}
