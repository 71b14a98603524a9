use super::{Prefix, Version};
use crate::error::{Exit, Help};

/// Why no version could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tags that begin with this text cannot exist in git.
    #[error("no git tag can begin with the prefix '{prefix}': {why}")]
    Prefix {
        /// The prefix as it was given.
        prefix: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Text that should be `MAJOR.MINOR.PATCH`.
    #[error("'{text}' is not a version of the form MAJOR.MINOR.PATCH")]
    NotAVersion {
        /// The text as it was given.
        text: String,
    },
    /// A version tag with a number above 2^64 - 1.
    #[error("the version tag '{tag}' has a number that is too large to count on from")]
    TooLarge {
        /// The tag's name.
        tag: String,
    },
    /// The patch number of the highest tag is 2^64 - 1.
    #[error("no version comes after the tag '{prefix}{highest}': its patch number is the largest there is")]
    Exhausted {
        /// The prefix of the tags.
        prefix: Prefix,
        /// The highest version in the remote repository.
        highest: Version,
    },
    /// Text that should be the full id of a commit.
    #[error("'{text}' is not the full id of a commit")]
    NotACommit {
        /// The text as it was given.
        text: String,
    },
    /// `git ls-remote` printed something else than ids and ref names.
    #[error("git ls-remote printed a line that is no ref: '{line}'")]
    NotARef {
        /// The line.
        line: String,
    },
}

impl Help for Error {
    fn help(&self) -> Option<String> {
        match self {
            Self::Prefix { .. } => Some(
                "a prefix is literal text in front of the number, such as 'v', 'api-v' or 'team/api/'".into(),
            ),
            Self::NotAVersion { .. } => {
                Some("three numbers without leading zeros and nothing after them, such as 1.4.0".into())
            }
            Self::TooLarge { tag } => Some(format!("delete the tag: git push --delete origin '{tag}'")),
            Self::Exhausted { prefix, highest } => Some(format!(
                "push a tag of a higher minor or major version, or delete this one: git push --delete origin '{prefix}{highest}'"
            )),
            Self::NotACommit { .. } => Some("use all 40 (SHA-1) or 64 (SHA-256) hexadecimal digits".into()),
            Self::NotARef { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Prefix { .. } | Self::NotAVersion { .. } | Self::NotACommit { .. } => Exit::Usage,
            Self::TooLarge { .. } | Self::Exhausted { .. } => Exit::Failed,
            Self::NotARef { .. } => Exit::Unavailable,
        }
    }
}
