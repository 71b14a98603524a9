//! Writes an image as one file in the format of `docker save`, so that it is pulled only once for both scanners.

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
    let written = |source| FileError { action: "write", path: to.to_owned(), source };
    if let Some(directory) = to.parent() {
        create_dir_all(directory).await.map_err(written)?;
    }
    let mut archive = File::create(to).await.map_err(written)?;
    let mut names = Vec::new();
    for blob in &image.blobs {
        let name = format!("{}.tar.gz", blob.digest.hex());
        if !names.contains(&name) {
            let header = header(&name, blob.size).map_err(written)?;
            archive.write_all(&header).await.map_err(written)?;
            let mut reader = client.blob(repository, blob).await?;
            while let Some(piece) = reader.chunk().await? {
                archive.write_all(&piece).await.map_err(written)?;
            }
            archive.write_all(&padding(blob.size)).await.map_err(written)?;
        }
        names.push(name);
    }
    // The configuration comes first.
    let list = json!([{"Config": names.first(), "RepoTags": null, "Layers": names.get(1..)}]).to_string();
    let size = list.len() as u64;
    let header = header("manifest.json", size).map_err(written)?;
    // Two empty blocks end an archive.
    let end = [header, list.into_bytes(), padding(size), vec![0; 1024]].concat();
    archive.write_all(&end).await.map_err(written)?;
    Ok(archive.flush().await.map_err(written)?)
}

fn header(name: &str, size: u64) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    Ok(header.as_bytes().to_vec())
}

/// What is missing to a whole block.
fn padding(size: u64) -> Vec<u8> {
    vec![0; usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default()]
}
