//! The version service: allocates the version of a commit while other runs allocate theirs.
//!
//! Stands above the edges it joins: the remote's tags are the truth (`git`), and GitHub creates a tag
//! for one of any number of callers (`github`). What a release is made of besides is `release`'s.

mod allocate;
mod level;
mod remote;
mod subject;

pub use allocate::{Allocated, AllocationError, Listing, PATIENCE, allocate};
pub use level::level;
pub use remote::{Remote, Unread};
pub use subject::Subject;
