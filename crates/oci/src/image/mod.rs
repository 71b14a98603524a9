//! Packs directories into images and unpacks them, without Docker: the same directory gives the same bytes on every
//! machine. This module works on files and bytes. [`Client`](crate::Client) pushes and pulls.

mod config;
mod descriptor;
mod error;
mod layer;
mod limit;
mod pack;
mod place;
mod platform;
mod unpack;
mod zstd;

pub use config::{PackOptions, Platform};
pub use descriptor::BlobDescriptor;
pub use error::{PackError, UnpackError};
pub use limit::Limit;
pub use pack::{Packed, pack};
pub use platform::{Choice, choose, platform_name};
pub use unpack::unpack;

/// The media type of the manifest that [`pack()`] makes.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of its config.
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of its layer.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
