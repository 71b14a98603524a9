//! The version service: settles which version a commit gets, whoever else is settling one.
//!
//! Stands above the edges it joins: the remote's tags are the truth (`git`), and GitHub creates a tag
//! for one of any number of callers (`github`). What a release is made of besides is `release`'s.

mod level;
mod remote;
mod settle;

pub use level::level;
pub use remote::{Remote, Unread};
pub use settle::{Error, Listing, PATIENCE, Settled, Subject, settle};
