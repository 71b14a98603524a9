//! The platforms of an image.

use serde_json::Value;

use oci::image::platform_name;
use oci::{Client, Digest, Repository, TagOrDigest};
use sys::error::{Exit, Failure};

/// The largest configuration of an image, in bytes.
const CONFIGURATION: u64 = 16 << 20;

/// The media types of an image's configuration.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// A platform of an image.
pub(super) struct ImagePlatform {
    /// `linux/arm/v7`.
    pub(super) name: String,
    pub(super) digest: Digest,
}

/// The platforms of an image: those in its index, or its own. What is not an image, such as an attestation, does not
/// count.
pub(super) async fn platforms(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<ImagePlatform>, Failure> {
    let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
    let wrong = |problem: &str| no_image(repository, digest, problem);
    let contents = manifest.contents().map_err(|problem| wrong(&problem))?;
    let mut listed = vec![(digest.clone(), Value::Null)];
    if contents.index {
        let index: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
        let platforms = index["manifests"].as_array().into_iter().flatten();
        let platforms = platforms.map(|entry| entry["platform"].clone());
        listed = contents.manifests.into_iter().map(|entry| entry.digest).zip(platforms).collect();
    }
    let mut platforms = Vec::new();
    for (digest, platform) in listed {
        // BuildKit's attestations have the platform `unknown/unknown`.
        if platform["os"] == "unknown" {
            continue;
        }
        let name = match platform_name(&platform) {
            Some(name) => Some(name),
            None => configured(client, repository, &digest).await?,
        };
        platforms.extend(name.map(|name| ImagePlatform { name, digest }));
    }
    if platforms.is_empty() { Err(wrong("it contains no image")) } else { Ok(platforms) }
}

/// The platform in the configuration of an image. `None` if the manifest is not one of an image.
async fn configured(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<String>, Failure> {
    let wrong = |problem: &str| no_image(repository, digest, problem);
    let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
    let contents = manifest.contents().map_err(|problem| wrong(&problem))?;
    if contents.index {
        return Err(wrong("it is an index in an index"));
    }
    // The configuration comes first.
    let configuration = contents.blobs.first();
    let Some(configuration) = configuration.filter(|blob| IMAGES.contains(&blob.media_type.as_str())) else {
        return Ok(None);
    };
    let bytes = client.blob_bytes(repository, configuration, CONFIGURATION).await?;
    let name = serde_json::from_slice(&bytes).ok().and_then(|configuration| platform_name(&configuration));
    name.map(Some).ok_or_else(|| wrong("its configuration names no platform"))
}

pub(super) fn no_image(repository: &Repository, digest: &Digest, problem: &str) -> Failure {
    let what = format!("{repository}@{digest} is not an image that can be scanned: {problem}");
    let help = "scan an image; leave artifacts of other kinds out of `image-names`";
    Failure::new(Exit::Failed, what, help)
}
