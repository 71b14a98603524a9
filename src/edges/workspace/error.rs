//! What can go wrong with the copy of the workspace and with artifacts.

use std::io;
use std::path::{Path, PathBuf};

use sys::error::{Exit, FileError, Help};

/// A failure of the workspace's copy. After [`TooLarge`](Self::TooLarge) and
/// [`NoRoom`](Self::NoRoom) nothing was written that is still there; the two targets can run
/// one after the other in place instead.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The workspace holds more than may be copied.
    #[error("the workspace holds {bytes} bytes to copy, over the limit of {limit}")]
    TooLarge {
        /// How many bytes p2p would copy. A lower limit if the file system can clone some of them.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk has no room for a copy.
    #[error("the workspace holds {bytes} bytes to copy, and the disk has {free} bytes free")]
    NoRoom {
        /// The bytes that would be copied.
        bytes: u64,
        /// The bytes free for us.
        free: u64,
    },
    /// The copy would lie inside what is copied.
    #[error("a copy of {} cannot lie inside it, at {}", from.display(), to.display())]
    Inside {
        /// The workspace.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
    },
    /// The copying was asked to stop.
    #[error("copying the workspace was interrupted")]
    Stopped,
    /// A glob that could leave its directory, or that is none.
    #[error("the glob {glob:?} {why}")]
    Glob {
        /// As it was given.
        glob: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl WorkspaceError {
    /// For `map_err`: says what was being done to `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let at = FileError::at(action, path);
        move |source| Self::File(at(source))
    }
}

impl Help for WorkspaceError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::TooLarge { .. } | Self::NoRoom { .. } => {
                "set the input `parallel: false`, or let the build leave less behind".to_owned()
            }
            Self::Inside { .. } => "give a directory for temporary files outside the workspace".to_owned(),
            Self::Stopped => return None,
            Self::Glob { .. } => "a glob is relative to the working directory and stays inside it: \
                `reports/**/*.xml`"
                .to_owned(),
            Self::File(error) => return error.help(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Glob { .. } => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
