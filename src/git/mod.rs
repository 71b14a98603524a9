//! The edge to the `git` program: facts about the checkout, and the tags of a remote repository.
//!
//! Reads only. Tags are created through GitHub's API ([`crate::github`]), never with git.

mod answer;
mod checkout;
mod error;
mod program;
mod remote;

pub use checkout::toplevel;
pub use error::Error;
pub use program::Git;
