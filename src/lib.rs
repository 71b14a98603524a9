//! The path-to-production gate. `docs/architecture.md` is the map of this crate.

pub mod cli;
pub mod context;
pub mod environment;
pub mod error;
pub mod execute;
pub mod git;
pub mod github;
<<<<<<< HEAD
mod group;
=======
pub mod google;
>>>>>>> google
pub mod image;
pub mod images;
pub mod inputs;
pub mod kube;
pub mod logins;
pub mod make;
pub mod oci;
pub mod outcome;
pub mod output;
pub mod plan;
pub mod private;
pub mod process;
pub mod registry;
pub mod report;
pub mod retry;
pub mod run;
pub mod secret;
pub mod tagging;
pub mod version;
pub mod web;
pub mod workspace;
pub mod world;
pub mod yaml;
