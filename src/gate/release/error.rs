use std::path::PathBuf;

use crate::domain::version::{Commit, VersionError};
use crate::edges::github::GitHubError;
use crate::gate::allocation;
use sys::error::{Exit, Help};

/// Why a release was not created or not completed. The parts that exist stay, and a re-run completes them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// GitHub refused.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// The tags could not be read.
    #[error(transparent)]
    Tags(#[from] allocation::Unread),
    /// The tags are inconsistent.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A file could not be read.
    #[error("{} cannot be read", file.display())]
    File { file: PathBuf, source: std::io::Error },
    /// A glob that matches no file.
    #[error("the input `{input}` has {glob:?}, which matches no file below {}", directory.display())]
    NoMatch {
        input: &'static str,
        glob: String,
        /// The directory that was searched.
        directory: PathBuf,
    },
    /// A name that GitHub would change.
    #[error("{name:?} cannot be the name of a file in a GitHub release")]
    Name { name: String },
    /// Two files with the same name.
    #[error("two files of the release are called {name:?}: {} and {}", first.display(), second.display())]
    SameName { name: String, first: PathBuf, second: PathBuf },
    /// The tag's commit has other content than this run would create.
    #[error("the tag '{tag}' is on a release commit of {commit} that holds other files than this run made")]
    OtherFiles {
        tag: String,
        /// The commit to release.
        commit: Commit,
    },
    /// The tag is on the release of another commit.
    #[error("the tag '{tag}' belongs to another commit than {commit}: {found}")]
    Taken {
        tag: String,
        /// The commit to release.
        commit: Commit,
        /// The commit of the tag.
        found: Commit,
    },
    /// A published release has a file with this name but other content.
    #[error("the published release '{tag}' has a file {name} with other content")]
    OtherAsset { tag: String, name: String },
    /// Other runs kept moving the floating tags.
    #[error("the floating tags could not be moved in {attempts} tries: {why}")]
    Restless {
        /// The number of tries.
        attempts: u32,
        /// What prevented the last try.
        why: String,
    },
}

impl Help for ReleaseError {
    fn help(&self) -> Option<String> {
        let text = match self {
            Self::GitHub(error) => return error.help(),
            Self::Tags(error) => return error.help(),
            Self::Version(error) => return error.help(),
            Self::File { .. } => return None,
            Self::NoMatch { .. } => {
                "globs are relative to `working-directory`; check that an earlier step made the files"
            }
            Self::Name { .. } => "letters, digits, '.', '_' and '-' stay as they are; GitHub changes others",
            Self::SameName { .. } => "rename one of them, or narrow the globs of `release-assets`",
            Self::OtherFiles { .. } => {
                "what is released stays as it is. Make the files so that their bytes are the same each time, and \
                 run again; or release another commit"
            }
            Self::Taken { .. } => {
                "another run was first. Run the whole workflow again: it takes the next version"
            }
            Self::OtherAsset { .. } => {
                "what is published stays as it is. Build so that the bytes are the same each time, and run \
                 again; or release another commit"
            }
            Self::Restless { .. } => "run again when fewer releases are under way",
        };
        Some(text.to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::GitHub(error) => error.exit(),
            Self::Tags(error) => error.exit(),
            Self::Version(error) => error.exit(),
            Self::NoMatch { .. } | Self::Name { .. } | Self::SameName { .. } => Exit::Usage,
            Self::File { .. } | Self::OtherFiles { .. } | Self::Taken { .. } | Self::OtherAsset { .. } => {
                Exit::Failed
            }
            Self::Restless { .. } => Exit::Unavailable,
        }
    }
}
