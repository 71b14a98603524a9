//! Writes an image as one file in the format of `docker save`, so that it is pulled only once for both scanners.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use oci::{Client, Contents, Repository};
use serde_json::json;
use sys::error::{Failure, FileError};
use tar::Header;
use tokio::fs::{File, create_dir_all};
use tokio::io::AsyncWriteExt as _;

/// Files in an archive begin at multiples of this size, in bytes.
const BLOCK: u64 = 512;

/// Pulls an image into the file `to`. Compressed layers stay compressed.
pub(super) async fn pull(
    client: &Client,
    repository: &Repository,
    image: &Contents,
    to: &Path,
) -> Result<(), Failure> {
    let written = || FileError::at("write", to);
    if let Some(directory) = to.parent() {
        create_dir_all(directory).await.map_err(written())?;
    }
    let mut archive = Archive(File::create(to).await.map_err(written())?);
    let mut there = HashSet::new();
    let names: Vec<_> = image.blobs.iter().map(|blob| format!("{}.tar.gz", blob.digest.hex())).collect();
    for (blob, name) in image.blobs.iter().zip(&names) {
        if there.insert(name) {
            archive.begin(name, blob.size).await.map_err(written())?;
            let mut reader = client.blob(repository, blob).await?;
            while let Some(piece) = reader.chunk().await? {
                archive.0.write_all(&piece).await.map_err(written())?;
            }
            archive.end(blob.size).await.map_err(written())?;
        }
    }
    // The configuration comes first.
    let (configuration, layers) =
        names.split_first().map_or(("", names.as_slice()), |(first, rest)| (first, rest));
    let manifest = json!([{"Config": configuration, "RepoTags": null, "Layers": layers}]).to_string();
    Ok(archive.finish(manifest.as_bytes()).await.map_err(written())?)
}

struct Archive(File);

impl Archive {
    async fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(0o600);
        header.set_cksum();
        self.0.write_all(header.as_bytes()).await
    }

    async fn end(&mut self, size: u64) -> io::Result<()> {
        let missing = size.next_multiple_of(BLOCK) - size;
        self.0.write_all(&vec![0; usize::try_from(missing).unwrap_or_default()]).await
    }

    /// Writes the list of the files, and two empty blocks, which end an archive.
    async fn finish(mut self, manifest: &[u8]) -> io::Result<()> {
        let size = manifest.len() as u64;
        self.begin("manifest.json", size).await?;
        self.0.write_all(manifest).await?;
        self.end(size).await?;
        self.0.write_all(&[0; 1024]).await?;
        self.0.flush().await
    }
}
