//! The images of a run as values: which digest was found where, and where it was promoted to.

use std::fmt;

use oci::{Digest, Reference, ReferenceError, Repository};
use serde::Serialize;

/// The registry path of a stage, `<registry>/<stage path>`, or of an image below it, as inputs give it. It may be unusable while no
/// step needs it, so only the step that needs it turns it into a repository.
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
    /// When the registry, the path or the image's name is not valid.
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
    /// Its name, as `image-names` lists it.
    pub name: String,
    /// Where it is: `<registry>/<stage path>/<name>:<version>`.
    pub reference: Reference,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// How many bytes it has in the registry, where that is known.
    #[serde(skip)]
    pub size: Option<u64>,
}

/// An image that was tested, by this run or by an earlier job, which may not say where the image was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// Its name, as `image-names` lists it.
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
    /// Its name.
    pub name: String,
    /// Where from.
    pub source: Reference,
    /// Where to.
    pub destination: Reference,
    /// The digest, the same on both sides.
    pub digest: Digest,
}
