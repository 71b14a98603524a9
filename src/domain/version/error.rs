use super::{BumpLevel, Commit, NumberError, Prefix, Version};
use sys::error::{Exit, Help};

/// Why no version could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// A version tag cannot be read.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The number to increase is 2^64 - 1 already.
    #[error("no version comes after the tag '{prefix}{highest}': its {} number is the largest there is", level.word())]
    Exhausted {
        prefix: Prefix,
        /// The highest version in the remote repository.
        highest: Version,
        /// The part to increase.
        level: BumpLevel,
    },
    /// The first version tag with the default prefix would start a second sequence beside the existing one.
    #[error(
        "there is no version tag '{}…' yet, but there are tags without a prefix, up to '{highest}'",
        Prefix::default()
    )]
    Unprefixed {
        highest: Version,
        /// The commit that would get the first version.
        commit: Commit,
    },
    /// A floating tag on a commit without a version tag of its line.
    #[error("the floating tag '{tag}' is on commit {commit}, and no version tag of its line is")]
    Stray {
        tag: String,
        /// The commit that it is on.
        commit: Commit,
    },
    /// The version tag of this run is not in the remote repository.
    #[error("the version tag '{tag}' is not in the remote repository: it was deleted, or never created")]
    Gone { tag: String },
    /// The version tag of this run is on another commit.
    #[error(
        "the version tag '{tag}' is on commit {found}, and was expected on {wanted}: it was moved, or is another run's"
    )]
    Moved {
        tag: String,
        /// The commit of the tag.
        found: Commit,
        /// The commit of this run.
        wanted: Commit,
    },
    /// `git ls-remote` printed something other than ids and ref names.
    #[error("git ls-remote printed a line that is not a ref: '{line}'")]
    NotARef { line: String },
}

impl Help for VersionError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Number(error) => error.help(),
            Self::Exhausted { prefix, highest, .. } => Some(format!(
                "push a tag of a higher minor or major version, or delete this one: git push --delete origin '{prefix}{highest}'"
            )),
            Self::Unprefixed { highest, commit } => Some(format!(
                "to go on from {highest}, set `version-prefix: none`; to begin anew, push the first tag by hand \
                 (git push origin '{commit}:refs/tags/{}'); nothing was run",
                Prefix::default().tag(Version::new(0, 1, 0))
            )),
            Self::Stray { tag, .. } => Some(format!(
                "p2p cannot know which way it would move: put it on a release of its line, or delete it \
                 (git push --delete origin '{tag}') to have it created anew; then run again"
            )),
            Self::Gone { tag } => Some(format!(
                "put it back on its commit (git push origin '<commit>:refs/tags/{tag}'); to release under a new \
                 version instead, run the whole workflow again"
            )),
            Self::Moved { tag, wanted, .. } => Some(format!(
                "a version belongs to one commit for good: where somebody moved it, put it back \
                 (git push --force origin '{wanted}:refs/tags/{tag}'); where another run was first, run the whole \
                 workflow again, which takes the next version"
            )),
            Self::NotARef { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Number(error) => error.exit(),
            Self::Unprefixed { .. } => Exit::Usage,
            Self::Exhausted { .. } | Self::Stray { .. } | Self::Gone { .. } | Self::Moved { .. } => {
                Exit::Failed
            }
            Self::NotARef { .. } => Exit::Unavailable,
        }
    }
}
