//! The registry's files.
//!
//! ```text
//! <root>/temporary/…                                uploads on their way
//! <root>/repositories/<name>/_blobs/<hex>           a blob
//! <root>/repositories/<name>/_manifests/<hex>       its media type, a line feed, its bytes
//! <root>/repositories/<name>/_tags/<tag>            the digest
//! <root>/repositories/<name>/_referrers/<hex>/<hex> a manifest attached to another one
//! ```
//!
//! No component of a name begins with `_`, so these four never collide with a repository. A file appears completely,
//! by a rename, and directories are never removed, so several processes may use the same root. A mount creates a
//! hard link: repositories are separate, but bytes are stored once and removed with their last link.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::Access;
use tempfile::NamedTempFile;

use super::manifest::StoredManifest;
use super::names::{Reference, RepositoryName, Tag, sha256};
use oci::Digest;

/// After this time, nobody writes any more to the uploads of a killed process.
const ABANDONED: Duration = Duration::from_hours(24);

/// The directory of a registry. All functions block.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store under `root`, creates it if it is missing, and removes what killed processes left behind.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let store = Self { root: root.into() };
        fs::create_dir_all(store.root.join("repositories"))?;
        fs::create_dir_all(store.temporary())?;
        for entry in fs::read_dir(store.temporary())? {
            let entry = entry?;
            // Another process may remove it at the same time.
            let age = entry.metadata().and_then(|data| data.modified()).map(|time| time.elapsed());
            if matches!(age, Ok(Ok(age)) if age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
        rustix::fs::access(store.temporary(), Access::WRITE_OK | Access::EXEC_OK)?;
        Ok(store)
    }

    /// A new file. It is removed again unless it is kept.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(self.temporary())
    }

    /// Whether the repository has this blob.
    pub fn has_blob(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        self.blob_path(repository, digest).is_file()
    }

    /// A blob and its size.
    pub(super) fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> io::Result<Option<(File, u64)>> {
        let Some(file) = absent(File::open(self.blob_path(repository, digest)))? else { return Ok(None) };
        let size = file.metadata()?.len();
        Ok(Some((file, size)))
    }

    /// Moves a file whose digest was checked into the repository.
    pub(super) fn keep_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        file: NamedTempFile,
    ) -> io::Result<()> {
        keep(file, &self.blob_path(repository, digest))
    }

    /// Adds a blob of `from` to `to`. `false` if `from` does not have it.
    pub(super) fn mount(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
    ) -> io::Result<bool> {
        let (source, target) = (self.blob_path(from, digest), self.blob_path(to, digest));
        if !source.is_file() {
            return Ok(false);
        }
        make_parent(&target)?;
        match fs::hard_link(&source, &target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // The file system has no hard links, or the file has too many.
            Err(_) => {
                let mut copy = self.new_file()?;
                let Some(mut bytes) = absent(File::open(&source))? else { return Ok(false) };
                io::copy(&mut bytes, &mut copy)?;
                keep(copy, &target)?;
                Ok(true)
            }
        }
    }

    /// Removes a blob from a repository. `false` if it does not exist.
    pub(super) fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> io::Result<bool> {
        Ok(absent(fs::remove_file(self.blob_path(repository, digest)))?.is_some())
    }

    /// The blobs of a repository.
    pub(super) fn blobs_of(&self, repository: &RepositoryName) -> io::Result<Vec<Digest>> {
        digests(&self.path(repository).join("_blobs"))
    }

    /// The bytes that become free if a blob is removed.
    pub(super) fn blob_size(&self, repository: &RepositoryName, digest: &Digest) -> u64 {
        freed_by(&self.blob_path(repository, digest))
    }

    /// Whether the repository has this manifest.
    pub fn has_manifest(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        self.manifest_path(repository, digest).is_file()
    }

    /// The manifest with this digest.
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> io::Result<Option<StoredManifest>> {
        let Some(mut line) = absent(fs::read(self.manifest_path(repository, digest)))? else {
            return Ok(None);
        };
        let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
            return Err(io::Error::other(format!("the file of manifest {digest} is damaged")));
        };
        let bytes = line.split_off(end + 1);
        line.truncate(end);
        let media_type = String::from_utf8(line).map_err(io::Error::other)?;
        Ok(Some(StoredManifest { media_type, bytes }))
    }

    /// The manifests of a repository.
    pub(super) fn manifests_of(&self, repository: &RepositoryName) -> io::Result<Vec<Digest>> {
        digests(&self.path(repository).join("_manifests"))
    }

    /// The bytes that become free if a manifest is removed.
    pub(super) fn manifest_size(&self, repository: &RepositoryName, digest: &Digest) -> u64 {
        freed_by(&self.manifest_path(repository, digest))
    }

    /// Adds a manifest to the repository, attached to its subject, if it has one.
    pub(super) fn keep_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        manifest: &StoredManifest,
        subject: Option<&Digest>,
    ) -> io::Result<()> {
        // The link comes first: a link without a manifest is ignored, but a missing link would hide a referrer.
        if let Some(subject) = subject {
            keep(self.new_file()?, &self.referrers_path(repository, subject).join(digest.hex()))?;
        }
        let mut file = self.new_file()?;
        writeln!(file, "{}", manifest.media_type)?;
        file.write_all(&manifest.bytes)?;
        keep(file, &self.manifest_path(repository, digest))
    }

    /// Removes a manifest with its tags and its link to `subject`. `false` if it does not exist.
    pub(super) fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        subject: Option<&Digest>,
    ) -> io::Result<bool> {
        for tag in self.tags(repository)?.unwrap_or_default() {
            if self.tagged(repository, &tag)?.as_ref() == Some(digest) {
                self.delete_tag(repository, &tag)?;
            }
        }
        let removed = absent(fs::remove_file(self.manifest_path(repository, digest)))?.is_some();
        if let Some(subject) = subject {
            absent(fs::remove_file(self.referrers_path(repository, subject).join(digest.hex())))?;
        }
        Ok(removed)
    }

    /// The digests of the referrers of `subject`, in order.
    pub(super) fn referrers(&self, repository: &RepositoryName, subject: &Digest) -> io::Result<Vec<Digest>> {
        digests(&self.referrers_path(repository, subject))
    }

    /// The digest of a reference. `None` for a tag that does not exist.
    pub(super) fn resolve(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> io::Result<Option<Digest>> {
        match reference {
            Reference::Digest(digest) => Ok(Some(digest.clone())),
            Reference::Tag(tag) => self.tagged(repository, tag),
        }
    }

    /// The digest of a tag.
    pub fn tagged(&self, repository: &RepositoryName, tag: &Tag) -> io::Result<Option<Digest>> {
        let text = absent(fs::read_to_string(self.tags_path(repository).join(tag.as_str())))?;
        Ok(text.and_then(|text| sha256(text.trim_end())))
    }

    /// When a tag was last written.
    pub(super) fn tagged_at(&self, repository: &RepositoryName, tag: &Tag) -> io::Result<SystemTime> {
        fs::metadata(self.tags_path(repository).join(tag.as_str()))?.modified()
    }

    /// Sets a tag to a digest, whatever it was before.
    pub fn tag(&self, repository: &RepositoryName, tag: &Tag, digest: &Digest) -> io::Result<()> {
        let mut file = self.new_file()?;
        writeln!(file, "{digest}")?;
        keep(file, &self.tags_path(repository).join(tag.as_str()))
    }

    /// Removes a tag. `false` if it does not exist.
    pub(super) fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> io::Result<bool> {
        Ok(absent(fs::remove_file(self.tags_path(repository).join(tag.as_str())))?.is_some())
    }

    /// The tags in byte order. `None` for a repository that does not exist.
    pub fn tags(&self, repository: &RepositoryName) -> io::Result<Option<Vec<Tag>>> {
        let Some(names) = names(&self.tags_path(repository))? else {
            return Ok(is_repository(&self.path(repository)).then(Vec::new));
        };
        Ok(Some(names.iter().filter_map(|name| Tag::parse(name)).collect()))
    }

    /// All repositories in byte order.
    pub fn repositories(&self) -> io::Result<Vec<RepositoryName>> {
        let base = self.root.join("repositories");
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        while let Some(name) = open.pop() {
            let directory = base.join(&name);
            if let Some(repository) = RepositoryName::parse(&name).filter(|_| is_repository(&directory)) {
                found.push(repository);
            }
            for child in names(&directory)?.unwrap_or_default() {
                let child = if name.is_empty() { child } else { format!("{name}/{child}") };
                if RepositoryName::parse(&child).is_some() {
                    open.push(child);
                }
            }
        }
        found.sort_by(|left, right| left.as_str().cmp(right.as_str()));
        Ok(found)
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    fn path(&self, repository: &RepositoryName) -> PathBuf {
        self.root.join("repositories").join(repository.as_str())
    }

    fn blob_path(&self, repository: &RepositoryName, digest: &Digest) -> PathBuf {
        self.path(repository).join("_blobs").join(digest.hex())
    }

    fn manifest_path(&self, repository: &RepositoryName, digest: &Digest) -> PathBuf {
        self.path(repository).join("_manifests").join(digest.hex())
    }

    fn tags_path(&self, repository: &RepositoryName) -> PathBuf {
        self.path(repository).join("_tags")
    }

    fn referrers_path(&self, repository: &RepositoryName, subject: &Digest) -> PathBuf {
        self.path(repository).join("_referrers").join(subject.hex())
    }
}

/// Whether something was pushed to this directory, and not only below it.
fn is_repository(directory: &Path) -> bool {
    directory.join("_manifests").is_dir() || directory.join("_blobs").is_dir()
}

/// Moves a complete file to its place in one step.
fn keep(file: NamedTempFile, target: &Path) -> io::Result<()> {
    make_parent(target)?;
    file.persist(target).map(drop).map_err(|error| error.error)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// `None` if there is no file with that name.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The digests in the file names of a directory, in order.
fn digests(directory: &Path) -> io::Result<Vec<Digest>> {
    let names = names(directory)?.unwrap_or_default();
    Ok(names.iter().filter_map(|hex| sha256(&format!("sha256:{hex}"))).collect())
}

/// The sorted names in a directory. `None` if the directory does not exist.
fn names(directory: &Path) -> io::Result<Option<Vec<String>>> {
    let Some(entries) = absent(fs::read_dir(directory))? else { return Ok(None) };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(Some(names))
}

/// The bytes that become free if a file is removed: none if it has another name.
fn freed_by(path: &Path) -> u64 {
    let alone = |data: &fs::Metadata| data.nlink() == 1;
    fs::metadata(path).ok().filter(alone).map(|data| data.len()).unwrap_or_default()
}
