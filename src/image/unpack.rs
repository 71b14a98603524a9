//! Unpacking a layer over what is in a directory already ("Image Layer Filesystem Changeset").

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::error::UnpackError;
use super::place;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// How much of a file is held at a time.
const PIECE: usize = 64 * 1024;

/// Unpacks a layer, gzip or plain tar by its first bytes, into `destination`, which is made where it is
/// missing. Layers of an image are unpacked one after the other, the lowest first.
///
/// Whiteouts remove what lower layers brought. Permissions are kept except set-user-ID and
/// set-group-ID, because everything belongs to the current user here; times and owners are not kept.
/// Nothing outside of `destination` is written, whatever the layer holds. Nothing else may write to
/// `destination` meanwhile.
pub fn unpack(layer: impl Read, destination: &Path) -> Result<(), UnpackError> {
    let mut layer = BufReader::new(layer);
    let mut magic = Vec::with_capacity(4);
    layer.by_ref().take(4).read_to_end(&mut magic).map_err(broken)?;
    let whole = BufReader::new(io::Cursor::new(magic.clone()).chain(layer));
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => archive(MultiGzDecoder::new(whole), destination),
        [0x28, 0xb5, 0x2f, 0xfd] => Err(UnpackError::Compression { compression: "zstd" }),
        [0x42, 0x5a, 0x68, _] => Err(UnpackError::Compression { compression: "bzip2" }),
        _ => archive(whole, destination),
    }
}

fn archive(bytes: impl Read, destination: &Path) -> Result<(), UnpackError> {
    fs::create_dir_all(destination).map_err(failed(destination))?;
    let mut layer = Layer { root: destination, brought: HashSet::new(), modes: BTreeMap::new() };
    let mut archive = Archive::new(bytes);
    for entry in archive.entries().map_err(broken)? {
        layer.entry(&mut entry.map_err(broken)?)?;
    }
    // What follows the last entry belongs to the layer too: a broken checksum shows only at the end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    // Last, and the deepest first: a directory may be closed to its owner.
    for (path, mode) in layer.modes.iter().rev() {
        set_mode(destination, path, *mode).map_err(failed(path))?;
    }
    Ok(())
}

/// Sets the mode of a directory, unless a link stands on the way to it by now and would lead outside:
/// where the file system knows one name in several spellings, an entry may have taken its place.
fn set_mode(root: &Path, path: &Path, mode: u32) -> io::Result<()> {
    let mut on_the_way = path.ancestors().take_while(|path| *path != root);
    if on_the_way.all(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())) {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A layer on its way.
struct Layer<'a> {
    root: &'a Path,
    /// What this layer brought, which its own whiteouts do not concern.
    brought: HashSet<PathBuf>,
    /// The modes that its directories get in the end.
    modes: BTreeMap<PathBuf, u32>,
}

impl Layer<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        // What `git archive` puts in front: about no file.
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
            // The destination is the caller's; its mode stays.
            return Ok(());
        };
        let parent = place::directory(self.root, parents).map_err(failed(&self.root.join(&name)))?;
        if last.as_bytes() == OPAQUE {
            return self.clear(&parent);
        }
        let path = parent.join(last);
        if let Some(hidden) = last.as_bytes().strip_prefix(WHITEOUT) {
            // Other names that begin so are marks of AUFS and mean nothing here.
            if hidden.starts_with(WHITEOUT) {
                return Ok(());
            }
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(unsafe_because("removes what is no file in its directory"));
            }
            let hidden = parent.join(OsStr::from_bytes(hidden));
            return if self.brought.contains(&hidden) { Ok(()) } else { self.remove(&hidden) };
        }
        match kind {
            EntryType::Directory => self.directory(&path, mode)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&path, mode, entry)?;
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name().map_err(broken)?;
                let target = target.ok_or_else(|| unsafe_because("is a link to nothing"))?.into_owned();
                if kind == EntryType::Symlink {
                    self.remove(&path)?;
                    symlink(&target, &path).map_err(failed(&path))?;
                } else {
                    let components = place::components(&target)
                        .map_err(|_| unsafe_because("is a hard link to a file outside"))?;
                    self.link(&components, &path).map_err(failed(&path))?;
                }
            }
            other => {
                return Err(UnpackError::Unsupported {
                    entry: name.to_string_lossy().into_owned(),
                    kind: described(other),
                });
            }
        }
        // Directories on the way there are this layer's too, even without an entry of their own.
        let inside = path.ancestors().take_while(|path| *path != self.root);
        self.brought.extend(inside.map(Path::to_owned));
        Ok(())
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
        self.remove(path)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed(path))?;
        let mut left = entry.size();
        // Not `io::copy`, which does not tell a bad layer from a full disk.
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match entry.read(&mut buffer) {
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error)),
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

    /// A hard link never follows a symbolic one, so it cannot reach a file outside.
    fn link(&mut self, target: &[std::ffi::OsString], path: &Path) -> io::Result<()> {
        let (last, parents) = target.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        let target = place::directory(self.root, parents)?.join(last);
        if target == path {
            return Ok(());
        }
        self.remove(path).map_err(io::Error::other)?;
        fs::hard_link(target, path)
    }

    /// Removes what lower layers brought into a directory.
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

    /// Removes whatever is there, with all that is known about it.
    fn remove(&mut self, path: &Path) -> Result<(), UnpackError> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                fs::remove_dir_all(path).map_err(failed(path))?;
                // A mode set later by such a path would follow whatever link stands there by then.
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    /// An entry under any name at all, which the archive crate's own functions would refuse.
    fn raw(kind: EntryType, name: &str, target: &str, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut archive = Builder::new(Vec::new());
        archive.append(&header, content).unwrap();
        let mut bytes = archive.into_inner().unwrap();
        bytes.truncate(bytes.len() - 1024);
        bytes
    }

    fn file(name: &str, content: &str) -> Vec<u8> {
        raw(EntryType::Regular, name, "", content.as_bytes())
    }

    fn dir(name: &str) -> Vec<u8> {
        raw(EntryType::Directory, name, "", b"")
    }

    fn link(kind: EntryType, name: &str, target: &str) -> Vec<u8> {
        raw(kind, name, target, b"")
    }

    fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = entries.concat();
        bytes.extend([0; 1024]);
        bytes
    }

    /// Unpacks into `image` of a new directory, whose other content must stay as it is.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("outside"), "untouched").unwrap();
            fs::create_dir(directory.path().join("neighbour")).unwrap();
            Self(directory)
        }

        fn image(&self) -> PathBuf {
            self.0.path().join("image")
        }

        fn layer(&self, entries: &[Vec<u8>]) -> Result<(), UnpackError> {
            let result = unpack(tar(entries).as_slice(), &self.image());
            let mut around: Vec<_> =
                fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            around.sort();
            assert_eq!(around, ["image", "neighbour", "outside"]);
            assert_eq!(fs::read_to_string(self.0.path().join("outside")).unwrap(), "untouched");
            let neighbour = self.0.path().join("neighbour");
            assert_eq!(fs::read_dir(&neighbour).unwrap().count(), 0);
            assert_eq!(fs::metadata(neighbour).unwrap().permissions().mode() & 0o7777, 0o755);
            result
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.image().join(name)).ok()
        }
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        for name in ["../outside", "a/../../outside", "/outside", "..", ".wh...", ".wh..", ".wh."] {
            let result = Place::new().layer(&[file(name, "x")]);
            assert!(matches!(result, Err(UnpackError::Unsafe { .. })), "{name}: {result:?}");
        }
        for target in ["../outside", "/outside", "a/../../outside"] {
            let result = Place::new().layer(&[link(EntryType::Link, "a", target)]);
            assert!(matches!(result, Err(UnpackError::Unsafe { .. })), "{target}: {result:?}");
        }
    }

    #[test]
    fn links_lead_nowhere_outside() {
        let place = Place::new();
        let up = link(EntryType::Symlink, "up", "..");
        place.layer(&[up.clone(), file("up/outside", "inside"), file("up/neighbour/x", "inside")]).unwrap();
        assert_eq!(place.read("outside").as_deref(), Some("inside"));
        assert_eq!(place.read("neighbour/x").as_deref(), Some("inside"));
        // The file itself is a link: it is replaced, not written through.
        let through = link(EntryType::Symlink, "l", "../outside");
        place.layer(&[through.clone(), file("l", "own")]).unwrap();
        assert_eq!(place.read("l").as_deref(), Some("own"));
        // A hard link to a symbolic link is another symbolic link, and replaced likewise.
        place.layer(&[through, link(EntryType::Link, "h", "l"), file("h", "own")]).unwrap();
        assert_eq!(place.read("h").as_deref(), Some("own"));
        // Whiteouts and modes do not go through links either.
        place.layer(&[up.clone(), file("up/.wh.outside", ""), file("up/.wh..wh..opq", "")]).unwrap();
        assert_eq!(place.read("outside"), None);
        let mut closed = dir("d/neighbour");
        closed[100..107].copy_from_slice(b"0000700");
        let mut header = Header::from_byte_slice(&closed[..512]).clone();
        header.set_cksum();
        place.layer(&[dir("d"), header.as_bytes().to_vec(), link(EntryType::Symlink, "d", "..")]).unwrap();
    }

    #[test]
    fn links_inside_an_image_work_as_in_a_container() {
        let place = Place::new();
        place.layer(&[dir("usr/lib"), link(EntryType::Symlink, "lib", "/usr/lib"), dir("run")]).unwrap();
        place.layer(&[file("lib/a", "1"), link(EntryType::Link, "b", "lib/a")]).unwrap();
        assert_eq!(place.read("usr/lib/a").as_deref(), Some("1"));
        assert_eq!(place.read("b").as_deref(), Some("1"));
        assert!(fs::symlink_metadata(place.image().join("lib")).unwrap().is_symlink());
    }

    #[test]
    fn whiteouts_concern_lower_layers_alone() {
        let place = Place::new();
        place
            .layer(&[file("a/old", ""), file("a/kept/x", ""), file("b", ""), dir("c"), file("c/x", "")])
            .unwrap();
        let upper = [
            file("a/new/deep", "new"),
            file("a/.wh..wh..opq", ""),
            file(".wh.b", ""),
            file(".wh.c", ""),
            file(".wh.absent", ""),
            file(".wh..wh.plnk", ""),
        ];
        place.layer(&upper).unwrap();
        let mut left: Vec<_> = walkdir::WalkDir::new(place.image())
            .min_depth(1)
            .into_iter()
            .map(|entry| entry.unwrap().path().strip_prefix(place.image()).unwrap().display().to_string())
            .collect();
        left.sort();
        assert_eq!(left, ["a", "a/new", "a/new/deep"]);
    }

    #[test]
    fn what_a_later_layer_brings_replaces_what_is_there() {
        let place = Place::new();
        place.layer(&[file("a/x", ""), file("b", "old"), link(EntryType::Symlink, "c", "a")]).unwrap();
        place.layer(&[file("a", "file"), file("b/x", "in"), dir("c")]).unwrap_err();
        let place = Place::new();
        place.layer(&[file("a/x", ""), file("b", "old"), link(EntryType::Symlink, "c", "a")]).unwrap();
        place.layer(&[file("a", "file"), dir("b"), file("b/x", "in"), dir("c")]).unwrap();
        assert_eq!(place.read("a").as_deref(), Some("file"));
        assert_eq!(place.read("b/x").as_deref(), Some("in"));
        assert!(fs::symlink_metadata(place.image().join("c")).unwrap().is_dir());
    }

    #[test]
    fn a_mode_never_follows_a_link() {
        let place = Place::new();
        let (image, outside) = (place.image(), tempfile::tempdir().unwrap());
        fs::create_dir_all(image.join("a")).unwrap();
        fs::create_dir(outside.path().join("b")).unwrap();
        symlink(outside.path(), image.join("link")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let before = [mode(outside.path()), mode(&outside.path().join("b"))];
        for path in ["link", "link/b", "absent", "a"] {
            set_mode(&image, &image.join(path), 0o711).unwrap();
        }
        assert_eq!([mode(outside.path()), mode(&outside.path().join("b"))], before);
        assert_eq!(mode(&image.join("a")), 0o711);
    }

    #[test]
    fn set_user_id_is_dropped_and_other_modes_are_kept() {
        let place = Place::new();
        for (mode, expected) in [("0006755", 0o755), ("0001777", 0o1777), ("0000400", 0o400)] {
            let mut bytes = file("f", "");
            bytes[100..107].copy_from_slice(mode.as_bytes());
            let mut header = Header::from_byte_slice(&bytes[..512]).clone();
            header.set_cksum();
            place.layer(&[header.as_bytes().to_vec()]).unwrap();
            assert_eq!(
                fs::metadata(place.image().join("f")).unwrap().permissions().mode() & 0o7777,
                expected
            );
        }
    }

    #[test]
    fn bad_layers_are_told_apart() {
        let place = Place::new();
        let whole = tar(&[file("a", &"x".repeat(4000))]);
        let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
        io::Write::write_all(&mut zipped, &whole).unwrap();
        let zipped = zipped.finish().unwrap();
        unpack(zipped.as_slice(), &place.image()).unwrap();
        assert_eq!(place.read("a").unwrap().len(), 4000);
        let mut checksum = zipped.clone();
        let end = checksum.len() - 6;
        checksum[end] ^= 1;
        for bad in [&zipped[..zipped.len() - 20], &whole[..2000], &checksum, b"this is no archive".as_slice()]
        {
            let result = unpack(bad, &place.image());
            assert!(matches!(result, Err(UnpackError::Read { .. })), "{result:?}");
        }
        let zstd = unpack([0x28, 0xb5, 0x2f, 0xfd, 0].as_slice(), &place.image());
        assert!(matches!(zstd, Err(UnpackError::Compression { compression: "zstd" })));
        let device = place.layer(&[link(EntryType::Char, "null", "")]);
        assert!(matches!(device, Err(UnpackError::Unsupported { .. })));
        unpack([].as_slice(), &place.image()).unwrap();
    }
}
