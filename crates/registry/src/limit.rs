//! Keeps the registry's directory below a size. The oldest versions are removed first.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use walkdir::WalkDir;

use super::names::{RepositoryName, Tag};
use super::store::Store;
use oci::Digest;

/// The size after a removal, in percent of the limit, so that not every run has to remove something.
const DOWN_TO: u64 = 80;

/// The removed versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The versions, as `<repository>:<tag>`, oldest first.
    pub versions: Vec<String>,
    /// The bytes that were freed.
    pub bytes: u64,
}

/// Removes the oldest tags and everything that only they use, until the files below `root` have at most `limit`
/// bytes. The newest version always stays. Nobody else may use the directory at the same time.
pub(super) fn trim(store: &Store, root: &Path, limit: u64) -> io::Result<Trimmed> {
    let mut size = size(root)?;
    let mut trimmed = Trimmed::default();
    if size <= limit {
        return Ok(trimmed);
    }
    let tags = by_age(store)?;
    let newest = tags.last().map(|(_, _, tag)| tag.clone());
    for (_, repository, tag) in &tags {
        if size <= limit / 100 * DOWN_TO {
            break;
        }
        if Some(tag) == newest.as_ref() {
            continue;
        }
        store.delete_tag(repository, tag)?;
        let freed = sweep(store, repository)?;
        size = size.saturating_sub(freed);
        trimmed.bytes += freed;
        trimmed.versions.push(format!("{repository}:{}", tag.as_str()));
    }
    Ok(trimmed)
}

/// All tags with the times when they were written, oldest first.
pub(super) fn by_age(store: &Store) -> io::Result<Vec<(SystemTime, RepositoryName, Tag)>> {
    let mut tags = Vec::new();
    for repository in store.repositories()? {
        for tag in store.tags(&repository)?.unwrap_or_default() {
            let written = store.tagged_at(&repository, &tag)?;
            tags.push((written, repository.clone(), tag));
        }
    }
    tags.sort_by_key(|(written, _, _)| *written);
    Ok(tags)
}

/// Removes the manifests and blobs of a repository that no tag uses. Returns the freed bytes.
fn sweep(store: &Store, repository: &RepositoryName) -> io::Result<u64> {
    let mut open = Vec::new();
    for tag in store.tags(repository)?.unwrap_or_default() {
        open.extend(store.tagged(repository, &tag)?);
    }
    let (mut manifests, mut blobs) = (BTreeSet::new(), BTreeSet::new());
    while let Some(digest) = open.pop() {
        if !manifests.insert(digest.clone()) {
            continue;
        }
        open.extend(store.referrers(repository, &digest)?);
        let Some(manifest) = store.manifest(repository, &digest)? else { continue };
        // An unknown document was accepted without checking its references.
        let links = manifest.links().unwrap_or_default();
        open.extend(links.manifests);
        blobs.extend(links.blobs);
    }
    let mut freed = 0;
    for digest in unreachable(&store.manifests_of(repository)?, &manifests) {
        let subject = store.manifest(repository, digest)?.and_then(|manifest| manifest.links().ok()?.subject);
        freed += store.manifest_size(repository, digest);
        store.delete_manifest(repository, digest, subject.as_ref())?;
    }
    for digest in unreachable(&store.blobs_of(repository)?, &blobs) {
        freed += store.blob_size(repository, digest);
        store.delete_blob(repository, digest)?;
    }
    Ok(freed)
}

fn unreachable<'a>(all: &'a [Digest], kept: &'a BTreeSet<Digest>) -> impl Iterator<Item = &'a Digest> {
    all.iter().filter(|digest| !kept.contains(digest))
}

/// The size of all files below a directory. A file with several names counts once.
fn size(root: &Path) -> io::Result<u64> {
    let mut seen = BTreeSet::new();
    let mut size = 0;
    for entry in WalkDir::new(root) {
        let data = match entry.and_then(|entry| entry.metadata()) {
            Ok(data) if data.is_file() => data,
            Ok(_) => continue,
            Err(error) => return Err(error.into()),
        };
        if data.nlink() == 1 || seen.insert((data.dev(), data.ino())) {
            size += data.len();
        }
    }
    Ok(size)
}
