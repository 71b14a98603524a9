//! The path-to-production gate. `docs/architecture.md` is the map of this crate.

pub mod cli;
pub mod context;
pub mod environment;
pub mod error;
pub mod execute;
pub mod git;
pub mod github;
pub mod image;
pub mod inputs;
pub mod kube;
pub mod logins;
pub mod make;
pub mod oci;
pub mod outcome;
pub mod output;
pub mod plan;
pub mod process;
pub mod registry;
pub mod report;
pub mod retry;
pub mod secret;
pub mod tagging;
pub mod version;
pub mod workspace;
pub mod world;
pub mod yaml;
