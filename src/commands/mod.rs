//! The commands: runs of the gate, and tools for images and registries.

pub mod images;
pub mod run;
pub mod tools;
