//! Releases: the commit of one, the GitHub release with its files, the floating tags; each made so that
//! doing it again completes what is missing, and changes nothing that is there.
//!
//! Stands above the edges `git` and `github`, beside `allocation`. Which way a floating tag may move is
//! decided in `version`.

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
