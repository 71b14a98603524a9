//! What the other crates build on: failures with their help, private files, child processes, HTTP with retries,
//! and the process environment as a value. Knows no outside system.
//!
//! ```
//! use std::time::Duration;
//!
//! use sys::process::{Spec, capture};
//! use sys::world::Env;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! // A program gets exactly this environment, and is killed with all that it started at the time limit.
//! let mut env = Env::of_process();
//! env.set("WHO", "p2p");
//! let spec = Spec::new("sh", ["-c", "echo hello $WHO"], ".", env);
//! let captured = capture(&spec, Duration::from_secs(10)).await?;
//! assert_eq!(captured.stdout, b"hello p2p\n");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

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
