//! The images of a run: which digest was found where, and where it was promoted to.

use std::fmt;

use oci::{Digest, Reference, ReferenceError, Repository};
use serde::Serialize;

/// The registry path of a stage, `<registry>/<stage path>`, or of an image below it, as the inputs give it. It may
/// be invalid as long as no step needs it, so it becomes a repository only in the step that needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ImagePath(String);

impl ImagePath {
    /// The path of a stage in `registry`.
    pub fn new(registry: &str, stage_path: &str) -> Self {
        Self(format!("{registry}/{stage_path}"))
    }

    /// The path of the image `name`.
    #[must_use]
    pub fn image(&self, name: &str) -> Self {
        Self(format!("{self}/{name}"))
    }

    /// The path as a repository.
    ///
    /// # Errors
    /// If the registry, the path or the image's name is invalid.
    pub fn repository(&self) -> Result<Repository, ReferenceError> {
        self.0.parse()
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image that this run found in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Its name, as in `image-names`.
    pub name: String,
    /// Its reference: `<registry>/<stage path>/<name>:<version>`.
    pub reference: Reference,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Its size in the registry in bytes, if it is known.
    #[serde(skip)]
    pub size: Option<u64>,
}

/// An image that this run or an earlier job tested. An earlier job may not say where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// Its name, as in `image-names`.
    pub name: String,
    /// Where it was tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The digest of its manifest or index.
    pub digest: Digest,
}

impl From<&Image> for Tested {
    fn from(image: &Image) -> Self {
        let Image { name, reference, digest, .. } = image.clone();
        Self { name, reference: Some(reference), digest }
    }
}

/// An image that was promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promoted {
    pub name: String,
    /// The reference at the source.
    pub source: Reference,
    /// The reference at the destination.
    pub destination: Reference,
    /// The digest. It is the same on both sides.
    pub digest: Digest,
}
