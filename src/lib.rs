//! The path-to-production gate. `docs/architecture.md` is the map of this crate.

pub mod cli;
pub mod context;
pub mod environment;
pub mod error;
pub mod execute;
pub mod git;
pub mod github;
pub mod google;
mod group;
pub mod image;
pub mod images;
pub mod inputs;
pub mod kube;
pub mod login_file;
pub mod logins;
pub mod make;
pub mod oci;
pub mod outcome;
pub mod output;
pub mod plan;
pub mod private;
pub mod process;
pub mod record;
pub mod registry;
pub mod release;
pub mod removals;
pub mod report;
pub mod retry;
pub mod run;
pub mod secret;
pub mod slack;
pub mod tagging;
pub mod tools;
pub mod version;
pub mod web;
pub mod workspace;
pub mod world;
pub mod yaml;

/// The release that this is, told by `scripts/release/build`; else the version of the sources.
pub const VERSION: &str = match option_env!("P2P_RELEASE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
