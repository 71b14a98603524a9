//! The platforms of an image.

use std::fmt;

use oci::image::platform_name;
use oci::{Contents, Digest, Manifest, Repository, TagOrDigest};
use serde_json::Value;
use sys::error::{Exit, Failure};

use super::ScanRun;
use crate::domain::image::Tested;

/// The largest configuration of an image, in bytes.
const CONFIGURATION: u64 = 16 << 20;

/// The media types of an image's configuration.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// A platform of an image.
pub(super) struct ImagePlatform {
    /// The name of the image, as in `image-names`.
    pub(super) image: String,
    /// `linux/arm/v7`.
    pub(super) name: String,
    pub(super) repository: Repository,
    pub(super) manifest: Manifest,
    pub(super) contents: Contents,
}

impl ImagePlatform {
    /// A valid name for its files.
    pub(super) fn file(&self) -> String {
        let hash = self.manifest.digest.hex().get(..12).unwrap_or_default();
        let name = format!("{}-{}-{hash}", self.image, self.name);
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
    }
}

impl fmt::Display for ImagePlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.image, self.name)
    }
}

impl ScanRun {
    /// The platforms of an image: those in its index, or its own. What is not an image, such as an attestation, does
    /// not count.
    pub(super) async fn platforms(
        &self,
        image: &Tested,
        at: &Repository,
    ) -> Result<Vec<ImagePlatform>, Failure> {
        let (manifest, contents) = self.contents(at, &image.digest).await?;
        let mut listed = vec![(image.digest.clone(), Value::Null)];
        if contents.index {
            let index: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
            let platforms = index["manifests"].as_array().into_iter().flatten();
            let platforms = platforms.map(|entry| entry["platform"].clone());
            listed = contents.manifests.into_iter().map(|entry| entry.digest).zip(platforms).collect();
        }
        let mut all = Vec::new();
        // BuildKit's attestations have the platform `unknown/unknown`.
        for (digest, platform) in listed.into_iter().filter(|(_, platform)| platform["os"] != "unknown") {
            let (manifest, contents) = self.contents(at, &digest).await?;
            let name = match platform_name(&platform) {
                _ if contents.index => return Err(no_image(at, &digest, "it is an index in an index")),
                Some(name) => Some(name),
                None => self.configured(at, &digest, &contents).await?,
            };
            let (image, repository) = (image.name.clone(), at.clone());
            all.extend(name.map(|name| ImagePlatform { image, name, repository, manifest, contents }));
        }
        if all.is_empty() { Err(no_image(at, &image.digest, "it contains no image")) } else { Ok(all) }
    }

    async fn contents(&self, at: &Repository, digest: &Digest) -> Result<(Manifest, Contents), Failure> {
        let manifest = self.client.manifest(at, &TagOrDigest::Digest(digest.clone())).await?;
        let contents = manifest.contents().map_err(|problem| no_image(at, digest, &problem))?;
        Ok((manifest, contents))
    }

    /// The platform in the configuration of an image. `None` for something that is not an image.
    async fn configured(
        &self,
        at: &Repository,
        digest: &Digest,
        contents: &Contents,
    ) -> Result<Option<String>, Failure> {
        // The configuration comes first.
        let configuration = contents.blobs.first();
        let configuration = configuration.filter(|blob| IMAGES.contains(&blob.media_type.as_str()));
        let Some(configuration) = configuration else { return Ok(None) };
        let bytes = self.client.blob_bytes(at, configuration, CONFIGURATION).await?;
        let name = serde_json::from_slice(&bytes).ok().and_then(|found| platform_name(&found));
        name.map(Some).ok_or_else(|| no_image(at, digest, "its configuration names no platform"))
    }
}

fn no_image(repository: &Repository, digest: &Digest, problem: &str) -> Failure {
    let what = format!("{repository}@{digest} is not an image that can be scanned: {problem}");
    let help = "scan an image; leave artifacts of other kinds out of `image-names`";
    Failure::new(Exit::Failed, what, help)
}
