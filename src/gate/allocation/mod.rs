//! The version service: allocates the version of a commit while other runs allocate theirs.
//!
//! It joins two edges: `git` reads the tags of the remote repository, and `github` creates a tag for exactly one of
//! several concurrent callers. The module `release` does the rest of a release.

mod allocate;
mod level;
mod remote;
mod subject;

pub use allocate::{Allocated, AllocationError, Listing, PATIENCE, allocate};
pub use level::level;
pub use remote::{Remote, Unread};
pub use subject::Subject;
