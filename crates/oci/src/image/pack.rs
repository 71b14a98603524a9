//! Packing: a directory becomes a layer, a configuration and a manifest.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use tempfile::{NamedTempFile, TempPath};

use super::config::{self, PackOptions};
use super::descriptor::BlobDescriptor;
use super::error::PackError;
use super::layer::{self, Failure, Hashing};

/// An image that is ready to be pushed: layer and configuration as blobs, then the manifest.
#[derive(Debug)]
pub struct Packed {
    /// The bytes of the manifest, with media type [`super::MANIFEST_TYPE`].
    pub manifest: Vec<u8>,
    /// The digest of the manifest. It is also the digest of the image.
    pub manifest_descriptor: BlobDescriptor,
    /// The bytes of the configuration, with media type [`super::CONFIG_TYPE`].
    pub config: Vec<u8>,
    pub config_descriptor: BlobDescriptor,
    /// The file of the layer, with media type [`super::LAYER_TYPE`]. It is removed when this is dropped.
    pub layer: TempPath,
    pub layer_descriptor: BlobDescriptor,
    /// What was left out, relative to the directory: sockets, pipes and devices.
    pub left_out: Vec<PathBuf>,
}

/// Packs the content of `directory` into an image. The layer's file is created in `temporary`.
///
/// The bytes depend only on names, contents and permissions: not on times, owners, the machine, or the order on the
/// disk.
pub fn pack(directory: &Path, temporary: &Path, options: &PackOptions) -> Result<Packed, PackError> {
    if !directory.is_dir() {
        return Err(PackError::NotADirectory { directory: directory.to_owned() });
    }
    let write = |source| PackError::Write { directory: temporary.to_owned(), source };
    let file = NamedTempFile::new_in(temporary).map_err(write)?;
    // Without a name and a time, and with 255, "unknown", as the operating system (RFC 1952, section 2.3.1).
    let zipped = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Hashing::new(BufWriter::new(file)), Compression::default());
    let mtime = u64::try_from(options.created.as_second()).unwrap_or(0);
    let mut plain = Hashing::new(zipped);
    let left_out = layer::write(directory, mtime, &mut plain).map_err(|failure| match failure {
        Failure::Pack(error) => error,
        Failure::Write(source) => write(source),
    })?;
    let (zipped, diff_id, _) = plain.finish();
    let (file, layer_digest, size) = zipped.finish().map_err(write)?.finish();
    let file = file.into_inner().map_err(|error| write(error.into_error()))?;
    let layer_descriptor = BlobDescriptor { digest: layer_digest, size };

    let json = |error: serde_json::Error| write(io::Error::other(error));
    let config = config::config(options, &diff_id).map_err(json)?;
    let config_descriptor = BlobDescriptor::of(&config);
    let manifest = config::manifest(options, &config_descriptor, &layer_descriptor).map_err(json)?;
    let manifest_descriptor = BlobDescriptor::of(&manifest);
    Ok(Packed {
        manifest,
        manifest_descriptor,
        config,
        config_descriptor,
        layer: file.into_temp_path(),
        layer_descriptor,
        left_out,
    })
}
