#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

/// An entry with any name, even one that the archive crate's own functions would refuse.
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

fn generous() -> Limit {
    Limit::new(1 << 30)
}

/// Unpacks into `image` in a new directory. Everything else in it must not change.
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
        let result = unpack(tar(entries).as_slice(), &self.image(), &generous());
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
    // The file itself is a link, which is replaced, not followed.
    let through = link(EntryType::Symlink, "l", "../outside");
    place.layer(&[through.clone(), file("l", "own")]).unwrap();
    assert_eq!(place.read("l").as_deref(), Some("own"));
    // A hard link to a symbolic link is another symbolic link, and is also replaced.
    place.layer(&[through, link(EntryType::Link, "h", "l"), file("h", "own")]).unwrap();
    assert_eq!(place.read("h").as_deref(), Some("own"));
    // Whiteouts and modes do not follow links either.
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
        assert_eq!(fs::metadata(place.image().join("f")).unwrap().permissions().mode() & 0o7777, expected);
    }
}

#[test]
fn bad_layers_are_told_apart() {
    let place = Place::new();
    let whole = tar(&[file("a", &"x".repeat(4000))]);
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    io::Write::write_all(&mut zipped, &whole).unwrap();
    let zipped = zipped.finish().unwrap();
    unpack(zipped.as_slice(), &place.image(), &generous()).unwrap();
    assert_eq!(place.read("a").unwrap().len(), 4000);
    let mut checksum = zipped.clone();
    let end = checksum.len() - 6;
    checksum[end] ^= 1;
    for bad in [&zipped[..zipped.len() - 20], &whole[..2000], &checksum, b"this is no archive".as_slice()] {
        let result = unpack(bad, &place.image(), &generous());
        assert!(matches!(result, Err(UnpackError::Read { .. })), "{result:?}");
    }
    let xz = unpack([0xfd, 0x37, 0x7a, 0x58, 0].as_slice(), &place.image(), &generous());
    assert!(matches!(xz, Err(UnpackError::Compression { compression: "xz" })));
    let device = place.layer(&[link(EntryType::Char, "null", "")]);
    assert!(matches!(device, Err(UnpackError::Unsupported { .. })));
    unpack([].as_slice(), &place.image(), &generous()).unwrap();
}

fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn zstd_layers_may_have_many_frames() {
    let whole = tar(&[file("a", &"x".repeat(4000)), file("b", "y")]);
    let (first, second) = whole.split_at(1000);
    let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 7, 7, 7].as_slice();
    let frames = [skippable, &zstd(first), skippable, &zstd(second), skippable].concat();
    let place = Place::new();
    unpack(frames.as_slice(), &place.image(), &generous()).unwrap();
    assert_eq!((place.read("a").unwrap().len(), place.read("b").unwrap().as_str()), (4000, "y"));
    for bad in [&frames[..frames.len() - 1], &zstd(&whole)[..50], &[0x28, 0xb5, 0x2f, 0xfd, 0]] {
        let result = unpack(bad, &place.image(), &generous());
        assert!(matches!(result, Err(UnpackError::Read { .. })), "{result:?}");
    }
}

/// The header of a sparse file with one piece of data at its beginning.
fn sparse(size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_path("sparse").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_size(512);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].set_offset(0);
    gnu.sparse[0].set_length(512);
    gnu.sparse[1].set_offset(size);
    gnu.sparse[1].set_length(0);
    gnu.set_real_size(size);
    header.set_cksum();
    [header.as_bytes().as_slice(), &[1; 512]].concat()
}

#[test]
fn what_unpacks_to_more_than_the_limit_is_refused() {
    let long = raw(EntryType::GNULongName, "././@LongLink", "", &vec![b'x'; 2 << 20]);
    let mut endless = raw(EntryType::Regular, "huge", "", b"");
    endless[124..136].copy_from_slice(b"77777777777\0");
    let mut header = Header::from_byte_slice(&endless[..512]).clone();
    header.set_cksum();
    let many: Vec<_> = (0..2100).map(|n| file(&format!("f{n}"), "")).collect();
    let zeros = file("zeros", &"\0".repeat(2 << 20));
    for (what, entries) in [
        ("a file", vec![zeros.clone()]),
        ("many files", many),
        ("a sparse file", vec![sparse(1 << 40)]),
        ("a file that says so", vec![header.as_bytes().to_vec()]),
        ("a long name", vec![long.clone(), file("a", "")]),
    ] {
        let place = Place::new();
        let bytes = tar(&entries);
        let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
        io::Write::write_all(&mut zipped, &bytes).unwrap();
        for layer in [bytes.clone(), zipped.finish().unwrap(), zstd(&bytes)] {
            let result = unpack(layer.as_slice(), &place.image(), &Limit::new(1 << 20));
            assert!(matches!(result, Err(UnpackError::TooLarge { .. })), "{what}: {result:?}");
        }
    }
    // Names are held in memory, so they have their own limit. All layers count together.
    let place = Place::new();
    let result = unpack(tar(&[long, file("a", "")]).as_slice(), &place.image(), &generous());
    assert!(matches!(result, Err(UnpackError::TooLarge { .. })), "{result:?}");
    let (limit, layer) = (Limit::new(5 << 20), tar(&[zeros]));
    for fits in [true, true, false] {
        assert_eq!(unpack(layer.as_slice(), &place.image(), &limit).is_ok(), fits);
    }
    unpack(tar(&[sparse(1 << 20)]).as_slice(), &place.image(), &generous()).unwrap();
    assert_eq!(place.read("sparse").unwrap().len(), 1 << 20);
}
