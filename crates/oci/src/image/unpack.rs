//! Unpacks a layer over the content of a directory ("Image Layer Filesystem Changeset").

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::error::UnpackError;
use super::limit::{Counted, Limit};
use super::{place, zstd};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// How many bytes of a file are held in memory.
const PIECE: usize = 64 * 1024;

/// Unpacks a layer into `destination`, which is created if necessary. The first bytes show whether it is gzip, zstd
/// or plain tar. Unpack the layers of an image in order, the lowest first, with the same `limit`.
///
/// Whiteouts remove the content of lower layers. Permissions are kept, except set-user-ID and set-group-ID, because
/// everything belongs to the current user. Times and owners are not kept. Nothing outside `destination` is written,
/// whatever the layer contains. No other program may write to `destination` at the same time.
pub fn unpack(layer: impl Read, destination: &Path, limit: &Limit) -> Result<(), UnpackError> {
    let mut layer = BufReader::new(layer);
    let mut magic = Vec::with_capacity(4);
    layer.by_ref().take(4).read_to_end(&mut magic).map_err(broken)?;
    let whole = BufReader::new(io::Cursor::new(magic.clone()).chain(layer));
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => archive(MultiGzDecoder::new(whole), destination, limit),
        magic if zstd::begins(magic) => archive(zstd::Frames::new(whole), destination, limit),
        [0x42, 0x5a, 0x68, _] => Err(UnpackError::Compression { compression: "bzip2" }),
        [0xfd, 0x37, 0x7a, 0x58] => Err(UnpackError::Compression { compression: "xz" }),
        _ => archive(whole, destination, limit),
    }
}

fn archive(bytes: impl Read, destination: &Path, limit: &Limit) -> Result<(), UnpackError> {
    fs::create_dir_all(destination).map_err(failed(destination))?;
    let mut layer = Layer { root: destination, limit, brought: HashSet::new(), modes: BTreeMap::new() };
    let mut archive = Archive::new(Counted { inner: bytes, limit });
    let unreadable = |error| limit.failure(error);
    limit.between();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        limit.in_content();
        layer.entry(&mut entry)?;
        // The rest of an entry is not a header.
        io::copy(&mut entry, &mut io::sink()).map_err(unreadable)?;
        limit.between();
    }
    limit.in_content();
    // The bytes after the last entry belong to the layer too: a wrong checksum appears only at the end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    // Last, and the deepest first, because a directory may be closed to its owner.
    for (path, mode) in layer.modes.iter().rev() {
        set_mode(destination, path, *mode).map_err(failed(path))?;
    }
    Ok(())
}

/// Sets the mode of a directory, unless a part of its path is now a link, which could lead outside. That can happen
/// if the file system treats several spellings as one name, so that an entry replaced the directory.
fn set_mode(root: &Path, path: &Path, mode: u32) -> io::Result<()> {
    let mut on_the_way = path.ancestors().take_while(|path| *path != root);
    if on_the_way.all(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())) {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A layer that is being unpacked.
struct Layer<'a> {
    root: &'a Path,
    limit: &'a Limit,
    /// The paths from this layer. Its own whiteouts do not affect them.
    brought: HashSet<PathBuf>,
    /// The final modes of its directories.
    modes: BTreeMap<PathBuf, u32>,
}

impl Layer<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        // `git archive` writes this entry first. It describes no file.
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let name = entry.path().map_err(broken)?.into_owned();
        let unsafe_because = |why| UnpackError::Unsafe { entry: name.to_string_lossy().into_owned(), why };
        if name.as_os_str().as_bytes().contains(&0) {
            return Err(unsafe_because("has a zero byte in its name"));
        }
        let components = place::components(&name).map_err(unsafe_because)?;
        let mode = entry.header().mode().map_err(broken)? & 0o1777;
        let Some((last, parents)) = components.split_last() else {
            // The destination belongs to the caller, so its mode stays.
            return Ok(());
        };
        let parent = self.parent(parents)?;
        self.limit.files(1)?;
        if last.as_bytes() == OPAQUE {
            return self.clear(&parent);
        }
        let path = parent.join(last);
        if let Some(hidden) = last.as_bytes().strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(unsafe_because("removes something that is not a file in its directory"));
            }
            return self.whiteout(&parent, hidden);
        }
        match kind {
            EntryType::Directory => self.directory(&path, mode)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&path, mode, entry)?;
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name().map_err(broken)?;
                let target = target.ok_or_else(|| unsafe_because("is a link to nothing"))?;
                if kind == EntryType::Symlink {
                    self.symbolic_link(&target, &path)?;
                } else {
                    let components = place::components(&target)
                        .map_err(|_| unsafe_because("is a hard link to a file outside"))?;
                    self.hard_link(&components, &path)?;
                }
            }
            other => {
                return Err(UnpackError::Unsupported {
                    entry: name.to_string_lossy().into_owned(),
                    kind: described(other),
                });
            }
        }
        // The directories on the way belong to this layer too, even without an entry of their own.
        let inside = path.ancestors().take_while(|path| *path != self.root);
        self.brought.extend(inside.map(Path::to_owned));
        Ok(())
    }

    /// The directory of an entry. Directories that are created on the way count as files.
    fn parent(&self, parents: &[OsString]) -> Result<PathBuf, UnpackError> {
        let mut made = 0;
        let found = place::directory(self.root, parents, &mut made);
        self.limit.files(made)?;
        found.map_err(failed(&self.root.join(parents.iter().collect::<PathBuf>())))
    }

    fn directory(&mut self, path: &Path, mode: u32) -> Result<(), UnpackError> {
        if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            self.remove(path)?;
            fs::create_dir(path).map_err(failed(path))?;
        }
        self.modes.insert(path.to_owned(), mode);
        Ok(())
    }

    fn file(&mut self, path: &Path, mode: u32, entry: &mut Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        self.limit.file(entry.size(), sparse)?;
        self.remove(path)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed(path))?;
        let mut left = entry.size();
        // `io::copy` would not distinguish a bad layer from a full disk.
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match entry.read(&mut buffer) {
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.limit.failure(error)),
            };
            if piece.is_empty() {
                break;
            }
            left = left.saturating_sub(piece.len() as u64);
            file.write_all(piece).map_err(failed(path))?;
        }
        if left > 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed(path))
    }

    /// Removes the content of lower layers under the name after a whiteout mark.
    fn whiteout(&mut self, parent: &Path, hidden: &[u8]) -> Result<(), UnpackError> {
        let path = parent.join(OsStr::from_bytes(hidden));
        // A name with two marks is a mark of AUFS, and has no meaning here.
        if hidden.starts_with(WHITEOUT) || self.brought.contains(&path) {
            return Ok(());
        }
        self.remove(&path)
    }

    fn symbolic_link(&mut self, target: &Path, path: &Path) -> Result<(), UnpackError> {
        self.remove(path)?;
        symlink(target, path).map_err(failed(path))
    }

    /// Creates a hard link. It never follows a symbolic link, so it cannot reach a file outside.
    fn hard_link(&mut self, target: &[OsString], path: &Path) -> Result<(), UnpackError> {
        let directory = || failed(path)(io::ErrorKind::IsADirectory.into());
        let (last, parents) = target.split_last().ok_or_else(directory)?;
        let target = self.parent(parents)?.join(last);
        if target == path {
            return Ok(());
        }
        self.remove(path)?;
        fs::hard_link(target, path).map_err(failed(path))
    }

    /// Removes the content of lower layers from a directory.
    fn clear(&mut self, directory: &Path) -> Result<(), UnpackError> {
        for entry in fs::read_dir(directory).map_err(failed(directory))? {
            let path = entry.map_err(failed(directory))?.path();
            if !self.brought.contains(&path) {
                self.remove(&path)?;
            } else if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                self.clear(&path)?;
            }
        }
        Ok(())
    }

    /// Removes a path and everything that is known about it.
    fn remove(&mut self, path: &Path) -> Result<(), UnpackError> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                fs::remove_dir_all(path).map_err(failed(path))?;
                // Setting the mode of such a path later could follow a link that replaced it.
                self.brought.retain(|known| !known.starts_with(path));
                self.modes.retain(|known, _| !known.starts_with(path));
            }
            Ok(_) => {
                fs::remove_file(path).map_err(failed(path))?;
                self.brought.remove(path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(UnpackError::Write { path: path.to_owned(), source }),
        }
        Ok(())
    }
}

fn broken(source: io::Error) -> UnpackError {
    UnpackError::Read { source }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    move |source| UnpackError::Write { path, source }
}

fn described(kind: EntryType) -> String {
    match kind {
        EntryType::Char | EntryType::Block => "a device".to_owned(),
        EntryType::Fifo => "a pipe".to_owned(),
        other => format!("of type {:?}", char::from(other.as_byte())),
    }
}

#[cfg(test)]
mod tests;
