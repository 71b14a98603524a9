//! Errors of the workspace's copy and of artifacts.

use std::io;
use std::path::{Path, PathBuf};

use sys::error::{Exit, FileError, Help};

/// A failure of the workspace's copy. After [`TooLarge`](Self::TooLarge) and [`NoRoom`](Self::NoRoom), nothing is
/// left behind, and the two targets can run one after the other in the workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The workspace is larger than the limit.
    #[error("the workspace holds {bytes} bytes to copy, over the limit of {limit}")]
    TooLarge {
        /// How many bytes p2p would copy. A lower bound if the file system can clone some of them.
        bytes: u64,
        limit: u64,
    },
    /// The disk has no room for the copy.
    #[error("the workspace holds {bytes} bytes to copy, and the disk has {free} bytes free")]
    NoRoom {
        /// The size of the copy in bytes.
        bytes: u64,
        /// The available space in bytes.
        free: u64,
    },
    /// The copy would be inside the original.
    #[error("a copy of {} cannot lie inside it, at {}", from.display(), to.display())]
    Inside { from: PathBuf, to: PathBuf },
    /// The copying was stopped.
    #[error("copying the workspace was interrupted")]
    Stopped,
    /// A glob that is invalid or could leave its directory.
    #[error("the glob {glob:?} {why}")]
    Glob { glob: String, why: String },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
}

impl WorkspaceError {
    /// For `map_err`: adds the action and the path.
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
