//! Packing directories into images: reproducible, complete, and images in the eyes of others.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ::oci::image::{self, Limit, PackError, PackOptions, Packed, Platform, pack, unpack};
use proptest::prelude::*;
use serde_json::{Value, json};

fn write(root: &Path, name: &str, content: &[u8], mode: u32) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Whatever the umask of whoever runs the tests.
    for parent in path.ancestors().skip(1).take_while(|parent| *parent != root) {
        fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

/// Everything in a directory: name, kind, mode, and content or target.
fn listing(root: &Path) -> Vec<(String, char, u32, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    let describe = |entry: walkdir::DirEntry| {
        let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
        if entry.file_type().is_dir() {
            (name, 'd', mode, Vec::new())
        } else if entry.file_type().is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            (name, 'l', 0, target.to_str().unwrap().as_bytes().to_vec())
        } else {
            (name, 'f', mode, fs::read(entry.path()).unwrap())
        }
    };
    entries.into_iter().map(|entry| describe(entry.unwrap())).collect()
}

fn packed(directory: &Path, options: &PackOptions) -> (Packed, tempfile::TempDir) {
    let temporary = tempfile::tempdir().unwrap();
    (pack(directory, temporary.path(), options).unwrap(), temporary)
}

fn options() -> PackOptions {
    let platform = Platform { os: "linux".to_owned(), architecture: "arm64".to_owned() };
    PackOptions { platform, ..PackOptions::default() }
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = ["z", "a/b/c", "a/b", "a-b", "m/n", "a.txt"];
    let fill = |root: &Path, name: &str| match name {
        "a/b" => write(root, "a/b/d", b"d", 0o755),
        name => write(root, name, name.as_bytes(), 0o640),
    };
    for (name, last) in names.iter().zip(names.iter().rev()) {
        fill(one.path(), name);
        fill(two.path(), last);
    }
    symlink("/nowhere", one.path().join("link")).unwrap();
    symlink("/nowhere", two.path().join("link")).unwrap();
    // One file under two names is two files in the image.
    fs::hard_link(one.path().join("z"), one.path().join("zz")).unwrap();
    fs::write(two.path().join("zz"), "z").unwrap();
    fs::set_permissions(two.path().join("zz"), Permissions::from_mode(0o640)).unwrap();
    let past = SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    File::open(two.path().join("z")).unwrap().set_modified(past).unwrap();

    let ((left, _a), (right, _b)) = (packed(one.path(), &options()), packed(two.path(), &options()));
    assert_eq!(left.manifest, right.manifest);
    assert_eq!(left.config, right.config);
    assert_eq!(fs::read(&left.layer).unwrap(), fs::read(&right.layer).unwrap());
    // Bytes that every version and machine must give: a change here changes the digest of every image.
    let pinned = "sha256:1d3ef0cb40a74b282ec47e1dbd8c0dc233a5c17b17c748716dcd29239593901b";
    assert_eq!(left.manifest_descriptor.digest, pinned);

    write(two.path(), "z", b"other", 0o640);
    assert_ne!(packed(two.path(), &options()).0.manifest, left.manifest);
}

#[test]
fn what_was_packed_is_unpacked_again() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let deep = format!("{}/{}", "d".repeat(120), "e".repeat(130));
    write(source.path(), &deep, b"long name", 0o600);
    write(source.path(), "bin/app", &vec![7; 300_000], 0o755);
    write(source.path(), "empty", b"", 0o444);
    write(source.path(), "ünï cödé\n", b"x", 0o644);
    fs::create_dir(source.path().join("closed")).unwrap();
    write(source.path(), "closed/in", b"y", 0o644);
    fs::set_permissions(source.path().join("closed"), Permissions::from_mode(0o555)).unwrap();
    symlink("bin/app", source.path().join("app")).unwrap();
    symlink("x".repeat(200), source.path().join("dangling")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.path().join("socket")).unwrap();

    let (image, _temporary) = packed(source.path(), &options());
    assert_eq!(image.left_out, [Path::new("socket")]);
    unpack(File::open(&image.layer).unwrap(), target.path(), &Limit::new(1 << 30)).unwrap();
    fs::remove_file(source.path().join("socket")).unwrap();
    assert_eq!(listing(target.path()), listing(source.path()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_survives(files in prop::collection::btree_map(
        "[a-c]{1,2}(/[a-c .]{1,2}x){0,3}", (prop::collection::vec(any::<u8>(), 0..2000), 0..0o1000_u32), 0..12,
    )) {
        let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, (content, mode)) in &files {
            let path = source.path().join(name);
            // A file may stand where another name needs a directory.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(mode | 0o400)).unwrap();
            }
        }
        let (image, _temporary) = packed(source.path(), &options());
        unpack(File::open(&image.layer).unwrap(), target.path(), &Limit::new(1 << 30)).unwrap();
        prop_assert_eq!(listing(target.path()), listing(source.path()));
        let (again, _temporary) = packed(target.path(), &options());
        prop_assert_eq!(again.manifest, image.manifest);
    }
}

#[test]
fn a_missing_directory_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    let missing = pack(&temporary.path().join("no"), temporary.path(), &options());
    assert!(matches!(missing, Err(PackError::NotADirectory { .. })));
    let nowhere = pack(temporary.path(), &temporary.path().join("no"), &options());
    assert!(matches!(nowhere, Err(PackError::Write { .. })));
}

/// Writes an image as an OCI layout with the tag `1`.
fn layout(directory: &Path, image: &Packed) {
    let put = |digest: &str, bytes: &[u8]| {
        write(directory, &format!("blobs/{}", digest.replace(':', "/")), bytes, 0o644);
    };
    put(&image.config_descriptor.digest, &image.config);
    put(&image.manifest_descriptor.digest, &image.manifest);
    put(&image.layer_descriptor.digest, &fs::read(&image.layer).unwrap());
    let manifest = json!({
        "mediaType": image::MANIFEST_TYPE,
        "digest": image.manifest_descriptor.digest,
        "size": image.manifest_descriptor.size,
        "annotations": {"org.opencontainers.image.ref.name": "1"},
    });
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[test]
fn skopeo_reads_a_packed_image() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "bin/app", b"#!/bin/sh\n", 0o755);
    let text = str::to_owned;
    let options = PackOptions {
        entrypoint: vec![text("/bin/app")],
        cmd: vec![text("--serve")],
        env: vec![(text("PORT"), text("80")), (text("EMPTY"), String::new())],
        working_dir: Some(text("/bin")),
        user: Some(text("1000:1000")),
        labels: [(text("team"), text("shop"))].into(),
        annotations: [(text("org.opencontainers.image.revision"), text("abc"))].into(),
        artifact_type: Some(text("application/vnd.acme.site.v1")),
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
        ..options()
    };
    let (image, _temporary) = packed(source.path(), &options);
    layout(target.path(), &image);
    let reference = format!("oci:{}:1", target.path().display());
    let inspect = |flag: &[&str]| -> Value {
        let output = Command::new("skopeo").arg("inspect").args(flag).arg(&reference).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let seen = inspect(&["--override-arch=arm64"]);
    assert_eq!(seen["Digest"], image.manifest_descriptor.digest.as_str());
    assert_eq!(seen["Labels"], json!({"team": "shop"}));
    assert_eq!(seen["Architecture"], "arm64");
    assert_eq!(seen["Created"], "2026-01-02T03:04:05Z");
    assert_eq!(seen["Layers"], json!([image.layer_descriptor.digest]));
    let config = inspect(&["--config"]);
    assert_eq!(
        config["config"],
        json!({
            "User": "1000:1000", "Env": ["PORT=80", "EMPTY="], "Entrypoint": ["/bin/app"],
            "Cmd": ["--serve"], "WorkingDir": "/bin", "Labels": {"team": "shop"},
        })
    );
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    assert_eq!(manifest["artifactType"], "application/vnd.acme.site.v1");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.revision"], "abc");
}
