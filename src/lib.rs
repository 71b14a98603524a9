//! The path-to-production gate. `docs/architecture.md` is the map of this crate.

pub mod cli;
pub mod commands;
pub mod domain;
pub mod edges;
pub mod gate;
pub mod inputs;
pub mod report;

pub use sys::VERSION;
