//! The copy of the workspace that nft runs in, its removal, the artifacts that come back, and the files that a
//! target writes. This room works on directories. It knows no targets and no make, and of git only the `.git` files.
//! All functions block, so call them from a blocking task.

mod artifacts;
mod copy;
mod error;
mod globs;
mod links;
mod listed;
mod restore;
mod tree;
mod written;

pub use artifacts::{Brought, Conflict, Snapshot, bring_back};
pub use copy::{Copied, WorkspaceCopyOptions, copy_workspace};
pub use error::WorkspaceError;
pub use globs::ArtifactGlobs;
pub use listed::{Listed, list, remove_links_out_of};
pub use restore::RestoredFile;
pub use written::FilesBefore;
