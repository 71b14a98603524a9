//! It knows neither the order of versions nor git: [`crate::gate::allocation`] and [`crate::gate::release`] join the
//! edges.

mod assets;
mod attestations;
mod client;
mod comments;
mod commits;
mod error;
mod limit;
mod linked_artifacts;
mod messages;
mod refs;
mod releases;
mod transport;

pub use assets::Upload;
pub use client::GitHub;
pub use comments::{COMMENT_LIMIT, comment_marker};
pub use commits::{Mode, TreeFile};
pub use error::{GitHubError, Reason};
pub use linked_artifacts::{LinkedArtifact, LinkedImage};
pub use octocrab::models::repos::Release;
pub use refs::{Creation, GitTag, TagUpdate};
