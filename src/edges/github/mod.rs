//! The edge to GitHub's REST and GraphQL APIs, on github.com or GitHub Enterprise Server: refs, commits,
//! releases.
//!
//! Knows nothing of versions' order or of git: [`crate::gate::tagging`] and [`crate::gate::release`] join the edges.

mod answer;
mod assets;
mod client;
mod commits;
mod error;
mod graphql;
mod limit;
mod refs;
mod releases;

pub use assets::{Asset, Upload};
pub use client::GitHub;
pub use commits::{CommitFacts, Mode, TreeFile};
pub use error::Error;
pub use graphql::TagUpdate;
pub use refs::{Creation, Tag};
pub use releases::{Notes, Release};
