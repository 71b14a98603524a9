//! The descriptor of a blob.

use std::fmt::Write as _;

use sha2::Digest as _;

/// The digest and size of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobDescriptor {
    /// `sha256:<hex>`.
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

impl BlobDescriptor {
    /// The descriptor of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { digest: digest(sha2::Sha256::new_with_prefix(bytes)), size: bytes.len() as u64 }
    }
}

/// `sha256:<hex>` of the bytes in `hasher`.
pub(super) fn digest(hasher: sha2::Sha256) -> String {
    hasher.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
