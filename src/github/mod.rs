//! The edge to GitHub's REST API, on github.com or GitHub Enterprise Server: create a ref, read a ref.
//!
//! Knows nothing of versions' order or of git: [`crate::tagging`] joins the edges.

mod answer;
mod client;
mod error;
mod limit;
mod refs;

pub use client::GitHub;
pub use error::Error;
pub use refs::Creation;
