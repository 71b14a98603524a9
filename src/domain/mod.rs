//! Values and rules: versions, environments, images, findings of scans, results of tests, causes of failures. Pure:
//! no HTTP, no files, no environment, no clock.

pub mod cause;
pub mod environment;
pub mod image;
pub mod results;
pub mod scan;
pub mod version;
