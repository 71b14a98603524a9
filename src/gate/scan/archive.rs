//! Writes an image as one file in the format of `docker save`, so that it is pulled only once for both scanners.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use oci::{Client, Contents, Descriptor, Repository};
use serde_json::json;
use sys::error::Failure;
use tar::Header;

/// Files in an archive begin at multiples of this size, in bytes.
const BLOCK: u64 = 512;

/// Pulls an image into the file `to`. Compressed layers stay compressed.
pub(super) async fn pull(
    client: &Client,
    repository: &Repository,
    image: &Contents,
    to: &Path,
) -> Result<(), Failure> {
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut archive = Archive(File::create(to)?);
    let mut there = HashSet::new();
    let names: Vec<_> = image.blobs.iter().map(|blob| format!("{}.tar.gz", blob.digest.hex())).collect();
    for (blob, name) in image.blobs.iter().zip(&names) {
        if there.insert(name) {
            archive.add(client, repository, (name, blob)).await?;
        }
    }
    // The configuration comes first.
    let (configuration, layers) =
        names.split_first().map_or(("", names.as_slice()), |(first, rest)| (first, rest));
    let manifest = json!([{"Config": configuration, "RepoTags": null, "Layers": layers}]).to_string();
    archive.begin("manifest.json", manifest.len() as u64)?;
    archive.0.write_all(manifest.as_bytes())?;
    archive.end(manifest.len() as u64)?;
    // An archive ends with two empty blocks.
    Ok(archive.0.write_all(&[0; 1024])?)
}

struct Archive(File);

impl Archive {
    /// Streams a blob of known size into the archive.
    async fn add(
        &mut self,
        client: &Client,
        repository: &Repository,
        (name, blob): (&str, &Descriptor),
    ) -> Result<(), Failure> {
        self.begin(name, blob.size)?;
        let mut reader = client.blob(repository, blob).await?;
        while let Some(piece) = reader.chunk().await? {
            self.0.write_all(&piece)?;
        }
        Ok(self.end(blob.size)?)
    }

    fn begin(&mut self, name: &str, size: u64) -> std::io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(0o600);
        header.set_cksum();
        self.0.write_all(header.as_bytes())
    }

    fn end(&mut self, size: u64) -> std::io::Result<()> {
        let missing = size.next_multiple_of(BLOCK) - size;
        self.0.write_all(&vec![0; usize::try_from(missing).unwrap_or_default()])
    }
}
