//! Version tags, their order, and the rules that decide a commit's version.
//!
//! Pure: no git, no HTTP, no files. Edges read and create tags; [`crate::gate::allocation`] joins them.

mod bump;
mod child;
mod commit;
mod decide;
mod error;
mod floating;
mod latest;
mod number;
mod prefix;
mod tag;

pub use bump::BumpLevel;
pub use child::{release_message, released_by, released_by_object};
pub use commit::{Commit, NotACommit};
pub use decide::{Decision, Kind, decide};
pub use error::VersionError;
pub use floating::{Line, Motion, follow};
pub use latest::latest;
pub use number::{NumberError, Version};
pub use prefix::{Prefix, PrefixError};
pub use tag::{VersionTag, parse_ls_remote};
