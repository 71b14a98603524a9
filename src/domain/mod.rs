//! Pure: versions, environments and images. Knows no HTTP, no files, no environment and no clock.

pub mod cause;
pub mod environment;
pub mod image;
pub mod results;
pub mod scan;
pub mod version;
