//! The edge to the `git` program: facts about the checkout, and the tags of a remote repository.
//!
//! Reads only. Tags are created through GitHub's API ([`crate::github`]), never with git.

mod answer;
mod checkout;
mod children;
mod error;
mod files;
mod program;
mod remote;

pub use checkout::toplevel;
pub use error::Error;
pub use files::{head as head_by_files, named as named_by_files};
pub use program::Git;
