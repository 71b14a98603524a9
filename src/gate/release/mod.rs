//! Releases: the release commit, the GitHub release with its files, and the floating tags. Repeating a step
//! completes what is missing and changes nothing that exists.
//!
//! Uses the edges `git` and `github`. `version` decides which way a floating tag may move.

mod commit;
mod error;
mod files;
mod floating;
mod publish;

pub use commit::{Child, put};
pub use error::ReleaseError;
pub use files::{AssetFile, Files, asset_files, asset_names, committed_files};
pub use floating::{Moved, follow};
pub use publish::{Published, Source, notes, publish};
