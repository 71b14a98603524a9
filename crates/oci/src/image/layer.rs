//! Writes a directory as a tar archive that depends only on names, contents and modes.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::Digest as _;
use tar::{Builder, EntryType, Header};
use walkdir::WalkDir;

use super::error::PackError;

/// Writes the archive to `out`. Returns what was left out: sockets, pipes and devices.
///
/// Entries are sorted by name, belong to root, and have the time `mtime` (seconds since the epoch). Symbolic links
/// stay links. Hard links to the same file become separate files.
pub(super) fn write(directory: &Path, mtime: u64, out: impl Write) -> Result<Vec<PathBuf>, Failure> {
    let mut archive = Builder::new(out);
    let mut left_out = Vec::new();
    for entry in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(directory).to_owned();
            read(path)(error.into())
        })?;
        let path = entry.path();
        let name = path.strip_prefix(directory).unwrap_or(path);
        let metadata = entry.metadata().map_err(|error| read(path.to_owned())(error.into()))?;
        let mut header = Header::new_gnu();
        header.set_mtime(mtime);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(metadata.permissions().mode() & 0o7777);
        header.set_size(0);
        let kind = metadata.file_type();
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            archive.append_data(&mut header, name.join(""), io::empty()).map_err(Failure::Write)?;
        } else if kind.is_symlink() {
            // Its mode differs between systems and has no meaning.
            header.set_mode(0o777);
            header.set_entry_type(EntryType::Symlink);
            let target = std::fs::read_link(path).map_err(read(path.to_owned()))?;
            archive.append_link(&mut header, name, target).map_err(Failure::Write)?;
        } else if kind.is_file() {
            header.set_entry_type(EntryType::Regular);
            header.set_size(metadata.len());
            let file = File::open(path).map_err(read(path.to_owned()))?;
            let mut exact = Exact { file, left: metadata.len(), failure: None };
            let appended = archive.append_data(&mut header, name, &mut exact);
            match exact.failure {
                Some(source) if source.kind() == io::ErrorKind::UnexpectedEof => return Err(changed(path)),
                Some(source) => return Err(read(path.to_owned())(source)),
                None => appended.map_err(Failure::Write)?,
            }
            if exact.file.read(&mut [0]).map_err(read(path.to_owned()))? > 0 {
                return Err(changed(path));
            }
        } else {
            left_out.push(name.to_owned());
        }
    }
    archive.into_inner().and_then(|mut out| out.flush()).map_err(Failure::Write)?;
    Ok(left_out)
}

/// A failed read, with its place, or a failed write, whose place only the caller knows.
pub(super) enum Failure {
    Pack(PackError),
    Write(io::Error),
}

fn read(path: PathBuf) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure::Pack(PackError::Read { path, source })
}

fn changed(path: &Path) -> Failure {
    Failure::Pack(PackError::Changed { path: path.to_owned() })
}

/// Reads exactly the number of bytes in a file's header. Remembers a failure, because the archive's own error does
/// not distinguish reading from writing.
struct Exact {
    file: File,
    left: u64,
    failure: Option<io::Error>,
}

impl io::Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        match self.file.read(buffer) {
            Ok(0) => self.failure = Some(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.left -= count as u64;
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => self.failure = Some(error),
        }
        Err(io::Error::other("the file could not be read to its end"))
    }
}

/// Hashes and counts bytes on their way to another writer.
pub(super) struct Hashing<W> {
    inner: W,
    hasher: sha2::Sha256,
    size: u64,
}

impl<W> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), size: 0 }
    }

    /// The inner writer, the digest as `sha256:<hex>`, and the number of bytes.
    pub(super) fn finish(self) -> (W, String, u64) {
        (self.inner, super::descriptor::digest(self.hasher), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
