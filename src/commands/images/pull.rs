//! `p2p image pull`: unpacks an image's layers into a directory, completely or not at all.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt;

use oci::image::{Limit, Platform, choose, unpack};
use oci::{Client, Contents, Manifest, Reference, TagOrDigest};
use sys::error::{Exit, Failure};
use sys::removals::Directory;

/// How many manifests are read to find the image, if indexes contain further indexes.
const MOST_MANIFESTS: usize = 50;

/// Unpacks an image into a directory, which is created if necessary. On an error, the directory does not change.
pub(super) async fn pull(
    client: &Client,
    reference: &Reference,
    directory: &Path,
    max_size: u64,
) -> Result<(), Failure> {
    let contents = image(client, reference).await?;
    let destination = Destination::make(directory)?;
    let limit = Limit::new(max_size);
    let temporary = Directory::new(&std::env::temp_dir())?;
    // The first blob is the configuration. The layers follow in order.
    for layer in contents.blobs.iter().skip(1) {
        let path = temporary.path().join(layer.digest.hex());
        let mut reader = client.blob(&reference.repository, layer).await?;
        let mut file = tokio::fs::File::create(&path).await?;
        while let Some(chunk) = reader.chunk().await? {
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        unpack(fs::File::open(&path)?, &destination.inside, &limit)?;
        fs::remove_file(&path)?;
    }
    destination.keep()
}

/// The image of a reference: itself, or the one for this platform if it is an index.
async fn image(client: &Client, reference: &Reference) -> Result<Contents, Failure> {
    let platform = Platform::default();
    let unreadable = |why: String| Failure {
        what: format!("{reference} is not an image that can be unpacked"),
        causes: vec![why],
        help: Some("name an image with layers that are tar archives".to_owned()),
        exit: Exit::Failed,
    };
    let (mut left, mut known, mut platforms) = (vec![reference.which()], HashSet::new(), Vec::new());
    while let Some(which) = left.pop() {
        let manifest: Manifest = client.manifest(&reference.repository, &which).await?;
        let contents = manifest.contents().map_err(unreadable)?;
        if !contents.index {
            return Ok(contents);
        }
        if !known.insert(manifest.digest.clone()) {
            continue;
        }
        if known.len() > MOST_MANIFESTS {
            return Err(unreadable(format!("its indexes name more than {MOST_MANIFESTS} others")));
        }
        let choice = choose(&manifest.bytes, &platform);
        platforms.extend(choice.platforms);
        // The best one comes next.
        for digest in choice.digests.iter().rev() {
            left.push(TagOrDigest::Digest(digest.parse()?));
        }
    }
    let mut why = format!("it has no image for {}/{}", platform.os, platform.architecture);
    if !platforms.is_empty() {
        why = format!("{why}, only for {}", platforms.join(", "));
    }
    Err(unreadable(why))
}

/// The destination of an image, with a directory in it for the layers until they are complete.
struct Destination {
    root: PathBuf,
    inside: PathBuf,
    /// The directories that were created on the way, the deepest first.
    made: Vec<PathBuf>,
}

impl Destination {
    fn make(root: &Path) -> Result<Self, Failure> {
        let missing = root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let made = missing.map(Path::to_owned).collect();
        let mut destination = Self { root: root.to_owned(), inside: PathBuf::new(), made };
        fs::create_dir_all(root)?;
        // On the same file system, so that the files can be moved.
        destination.inside = tempfile::Builder::new().prefix(".p2p-pull-").tempdir_in(root)?.keep();
        Ok(destination)
    }

    /// Moves the unpacked files to their place.
    fn keep(mut self) -> Result<(), Failure> {
        merge(&self.inside, &self.root)?;
        self.made.clear();
        Ok(())
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if !self.inside.as_os_str().is_empty() {
            let _ = remove(&self.inside);
        }
        for directory in &self.made {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Moves the entries of one directory into another. Directories with the same name are merged. Everything else is
/// replaced.
fn merge(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        let (is_directory, found) = (entry.file_type()?.is_dir(), fs::symlink_metadata(&new).ok());
        match found {
            Some(found) if found.is_dir() && is_directory => {
                let mode = entry.metadata()?.permissions();
                writable(&old)?;
                writable(&new)?;
                merge(&old, &new)?;
                fs::set_permissions(&new, mode)?;
                continue;
            }
            Some(found) if found.is_dir() => remove(&new)?,
            Some(_) => fs::remove_file(&new)?,
            None => {}
        }
        if !is_directory {
            fs::rename(&old, &new)?;
            continue;
        }
        // To be moved, a directory must be writable by its owner.
        let mode = entry.metadata()?.permissions();
        writable(&old)?;
        fs::rename(&old, &new)?;
        fs::set_permissions(&new, mode)?;
    }
    Ok(())
}

/// Makes a directory writable by its owner.
fn writable(directory: &Path) -> io::Result<()> {
    let mode = fs::symlink_metadata(directory)?.permissions().mode();
    fs::set_permissions(directory, Permissions::from_mode(mode | 0o700))
}

/// Removes a directory, including subdirectories that are closed to their owner.
fn remove(directory: &Path) -> io::Result<()> {
    writable(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir_all(directory)
}
