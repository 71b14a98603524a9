use std::path::PathBuf;

use crate::domain::version::{Commit, VersionError};
use crate::edges::github::GitHubError;
use crate::gate::allocation;
use sys::error::{Exit, Help};

/// Why a release was not made, or not completed. What was made until then stays, and the same run
/// again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// GitHub did not do it.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// The tags could not be read.
    #[error(transparent)]
    Tags(#[from] allocation::Unread),
    /// The tags are not as they should be.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A file could not be read.
    #[error("{} cannot be read", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A glob that names no file.
    #[error("the input `{input}` has {glob:?}, which matches no file below {}", directory.display())]
    NoMatch {
        /// The input.
        input: &'static str,
        /// The glob.
        glob: String,
        /// Where files were looked for.
        directory: PathBuf,
    },
    /// A name that GitHub would change.
    #[error("{name:?} can be no file of a GitHub release")]
    Name {
        /// The name.
        name: String,
    },
    /// Two files of one name.
    #[error("two files of the release are called {name:?}: {} and {}", first.display(), second.display())]
    SameName {
        /// The name.
        name: String,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The tag's commit holds something else than this run would put there.
    #[error("the tag '{tag}' is on a release commit of {commit} that holds other files than this run made")]
    OtherFiles {
        /// The tag.
        tag: String,
        /// The commit that is released.
        commit: Commit,
    },
    /// The tag is another commit's release.
    #[error("the tag '{tag}' belongs to another commit than {commit}: {found}")]
    Taken {
        /// The tag.
        tag: String,
        /// The commit that was to be released.
        commit: Commit,
        /// Where it is.
        found: Commit,
    },
    /// A published release has a file of this name, with other content.
    #[error("the published release '{tag}' has a file {name} with other content")]
    OtherAsset {
        /// The tag.
        tag: String,
        /// The file.
        name: String,
    },
    /// Others kept moving the floating tags.
    #[error("the floating tags did not come to rest in {attempts} tries: {why}")]
    Restless {
        /// How often it was tried.
        attempts: u32,
        /// What stood in the way the last time.
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
                "globs are relative to `working-directory`; see that the step before made the files"
            }
            Self::Name { .. } => "letters, digits, '.', '_' and '-' stay as they are; GitHub changes others",
            Self::SameName { .. } => "rename one of them, or narrow the globs of `release-assets`",
            Self::OtherFiles { .. } => {
                "what is released stays as it is. Make the files in a way that gives the same bytes each time, and \
                 run again; or release another commit"
            }
            Self::Taken { .. } => {
                "another run was first. Run the whole workflow again: it takes the next version"
            }
            Self::OtherAsset { .. } => {
                "what is published stays as it is. Build in a way that gives the same bytes each time, and run \
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
