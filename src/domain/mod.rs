//! Pure: versions, environments and what happened. Knows no HTTP, no files, no environment and no clock.

pub mod environment;
pub mod image;
pub mod outcome;
pub mod version;
