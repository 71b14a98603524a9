//! The edge to the `git` program: facts about the checkout, the tags of a remote repository, and a checkout of a tag
//! in a directory of p2p's own.

mod answer;
mod checkout;
mod children;
mod error;
mod files;
mod pinned;
mod program;
mod remote;
mod trust;
mod worktree;

pub use error::GitError;
pub use files::{named as named_by_files, toplevel};
pub use program::Git;
pub use worktree::Worktree;
