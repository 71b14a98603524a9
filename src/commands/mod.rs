//! The commands: runs of the gate, and tools for images and registries.

pub(crate) mod images;
pub mod run;
pub(crate) mod tools;
