//! What the other crates build on: failures with their help, private files, child processes, HTTP with retries,
//! and the process environment as a value. Knows no outside system.

mod closest;
pub mod error;
pub mod http;
pub mod private;
pub mod process;
pub mod removals;
mod remove;
pub mod retry;
pub mod sync;
pub mod world;
pub mod yaml;

pub use closest::closest;
pub use remove::remove_tree;

/// The version of this release, which `scripts/release/build` sets; else the version of the sources.
pub const VERSION: &str = match option_env!("P2P_RELEASE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
