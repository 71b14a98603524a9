//! The copy of a workspace as make and git see it, and artifacts on their way back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use ::sys::error::Help;
use ::sys::remove_tree;
use p2p::edges::workspace::{
    ArtifactGlobs, Brought, Copied, Snapshot, WorkspaceCopyOptions, WorkspaceError, bring_back,
    copy_workspace,
};

/// A workspace `ws` beside the place `copy` for its copy.
struct Place {
    root: PathBuf,
    _held: tempfile::TempDir,
}

impl Place {
    #[must_use]
    fn new() -> Self {
        let held = tempfile::tempdir().unwrap();
        let root = held.path().canonicalize().unwrap();
        fs::create_dir(root.join("ws")).unwrap();
        Self { root, _held: held }
    }

    #[must_use]
    fn file(self, name: &str, text: &str) -> Self {
        write(&self.ws().join(name), text);
        self
    }

    fn ws(&self) -> PathBuf {
        self.root.join("ws")
    }

    fn copy(&self) -> PathBuf {
        self.root.join("copy")
    }

    fn copied(&self) -> Copied {
        copy_workspace(&self.ws(), &self.copy(), &options()).unwrap()
    }
}

fn options() -> WorkspaceCopyOptions {
    WorkspaceCopyOptions {
        limit_bytes: u64::MAX,
        whole: PathBuf::from("/"),
        stop: Arc::new(AtomicBool::new(false)),
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// Sets a time with odd nanoseconds, `hours` ago.
fn age(path: &Path, hours: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000 - hours * 3600, 123_456_789);
    File::open(path).unwrap().set_modified(time).unwrap();
}

fn modified(path: impl AsRef<Path>) -> (i64, i64) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.mtime(), metadata.mtime_nsec())
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let identity =
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"];
    run(directory, "git", &[&identity, arguments].concat())
}

#[test]
fn files_modes_times_and_empty_directories_come_along() {
    let place = Place::new()
        .file("src/main.c", "int main;")
        .file("bin/tool", "#!/bin/sh")
        .file("locked/inner/file", "ro")
        .file("empty-file", "")
        .file("weird \u{e9}\n name", "x");
    let ws = place.ws();
    fs::create_dir_all(ws.join("empty/deep")).unwrap();
    fs::hard_link(ws.join("bin/tool"), ws.join("bin/same")).unwrap();
    chmod(ws.join("bin/tool"), 0o4755);
    chmod(ws.join("src/main.c"), 0o640);
    chmod(ws.join("locked/inner/file"), 0o444);
    for (hours, name) in
        ["src/main.c", "src", "empty/deep", "empty", "locked/inner", "locked", "."].iter().enumerate()
    {
        age(&ws.join(name), hours as u64);
    }
    chmod(ws.join("locked/inner"), 0o555);
    chmod(ws.join("locked"), 0o500);
    chmod(&ws, 0o750);

    let copied = place.copied();

    assert_eq!((copied.files, copied.skipped), (6, 0));
    assert_eq!(copied.bytes, 9 + 9 * 2 + 2 + 1);
    let copy = place.copy();
    let names = [
        ".",
        "src",
        "src/main.c",
        "bin/tool",
        "bin/same",
        "locked",
        "locked/inner",
        "locked/inner/file",
        "empty",
        "empty/deep",
        "empty-file",
        "weird \u{e9}\n name",
    ];
    for name in names {
        assert_eq!(modified(copy.join(name)), modified(ws.join(name)), "time of {name}");
        assert_eq!(mode(copy.join(name)), mode(ws.join(name)), "mode of {name}");
        if ws.join(name).is_file() {
            assert_eq!(read(copy.join(name)), read(ws.join(name)), "{name}");
        }
    }
    assert_eq!(modified(copy.join("src")).1, 123_456_789);
    write(&copy.join("src/main.c"), "changed");
    assert_eq!(read(ws.join("src/main.c")), "int main;", "the copy shares nothing");
    remove_tree(&copy).unwrap();
    assert!(!copy.exists());
}

#[test]
fn links_are_kept_or_turned_and_never_followed() {
    let place = Place::new().file("dir/file", "inside");
    write(&place.root.join("out/secret"), "outside");
    let (ws, copy) = (place.ws(), place.copy());
    for (target, link) in [
        ("dir/file", "relative"),
        ("../dir/file", "dir/up"),
        ("nowhere", "dangling"),
        ("../out", "escaping"),
        ("../../ws/dir", "dir/around"),
        ("/etc/hostname", "foreign"),
        ("loop", "loop"),
    ] {
        symlink(target, ws.join(link)).unwrap();
    }
    symlink(ws.join("dir/file"), ws.join("absolute")).unwrap();
    symlink(&ws, ws.join("dir/self")).unwrap();

    let copied = place.copied();

    assert_eq!(copied.files, 1, "a link is no file");
    let target = |name: &str| fs::read_link(copy.join(name)).unwrap();
    for kept in ["relative", "dir/up", "dangling", "foreign", "loop"] {
        assert_eq!(target(kept), fs::read_link(ws.join(kept)).unwrap(), "{kept}");
    }
    assert_eq!(target("absolute"), copy.join("dir/file"));
    assert_eq!(target("dir/self"), copy);
    assert_eq!(target("dir/around"), copy.join("dir"));
    assert_eq!(target("escaping"), place.root.join("out"));
    assert_eq!(read(copy.join("escaping/secret")), "outside");
    assert_eq!(modified(copy.join("absolute")), modified(ws.join("absolute")));
    write(&copy.join("absolute"), "changed");
    assert_eq!(read(ws.join("dir/file")), "inside");
    remove_tree(&copy).unwrap();
    assert_eq!(read(place.root.join("out/secret")), "outside", "removing follows no link");
}

#[test]
fn a_workspace_named_through_a_link_is_copied_and_its_links_too() {
    let place = Place::new().file("file", "x");
    let alias = place.root.join("alias");
    symlink(place.ws(), &alias).unwrap();
    symlink(alias.join("file"), place.ws().join("by-alias")).unwrap();
    copy_workspace(&alias, &place.copy(), &options()).unwrap();
    assert!(fs::symlink_metadata(place.copy()).unwrap().is_dir());
    assert_eq!(fs::read_link(place.copy().join("by-alias")).unwrap(), place.copy().join("file"));
}

#[test]
fn what_is_neither_file_nor_directory_nor_link_is_counted() {
    let place = Place::new().file("file", "x");
    run(&place.ws(), "mkfifo", &["pipe"]);
    let _socket = UnixListener::bind(place.ws().join("socket")).unwrap();
    let copied = place.copied();
    assert_eq!((copied.files, copied.skipped), (1, 2));
    assert!(!place.copy().join("pipe").exists() && !place.copy().join("socket").exists());
}

#[test]
fn make_finds_everything_up_to_date_in_the_copy() {
    let place = Place::new().file("Makefile", "app: a.o b.o\n\tcat $^ > $@\n%.o: %.c\n\tcat $< > $@\n");
    let (ws, copy) = (place.ws(), place.copy());
    write(&ws.join("a.c"), "a");
    write(&ws.join("b.c"), "b");
    run(&ws, "make", &["app"]);
    place.copied();
    assert_eq!(run(&copy, "make", &["app"]), "make: 'app' is up to date.\n");
    write(&copy.join("b.c"), "c");
    assert_eq!(run(&copy, "make", &["app"]), "cat b.c > b.o\ncat a.o b.o > app\n");
    assert_eq!(run(&ws, "make", &["app"]), "make: 'app' is up to date.\n");
}

#[test]
fn git_works_in_the_copy_with_ignored_files_submodules_and_linked_worktrees() {
    let place =
        Place::new().file("tracked", "1").file(".gitignore", "ignored\nlinked\n").file("ignored", "i");
    let (ws, copy, library) = (place.ws(), place.copy(), place.root.join("library"));
    write(&library.join("lib.c"), "l");
    git(&library, &["init", "-q"]);
    git(&library, &["add", "."]);
    git(&library, &["commit", "-qm", "lib"]);
    git(&ws, &["init", "-q"]);
    git(&ws, &["submodule", "--quiet", "add", library.to_str().unwrap(), "sub"]);
    git(&ws, &["submodule", "--quiet", "add", library.to_str().unwrap(), "old"]);
    git(&ws, &["add", "."]);
    git(&ws, &["commit", "-qm", "one"]);
    git(&ws, &["worktree", "add", "-q", "linked"]);
    write(&ws.join("old/.git"), &format!("gitdir: {}/.git/modules/old\n", ws.display()));
    write(&ws.join("untracked"), "u");
    let head = git(&ws, &["rev-parse", "HEAD"]);

    place.copied();

    assert_eq!(read(copy.join("ignored")), "i");
    assert_eq!(git(&copy, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&copy, &["status", "--porcelain"]), "?? untracked\n");
    for sub in ["sub", "old", "linked"] {
        assert_eq!(git(&copy.join(sub), &["status", "--porcelain"]), "", "{sub}");
        let directory = git(&copy.join(sub), &["rev-parse", "--absolute-git-dir"]);
        assert!(directory.starts_with(copy.to_str().unwrap()), "{sub}: {directory}");
    }
    assert!(git(&copy, &["worktree", "list"]).contains(copy.join("linked").to_str().unwrap()));
    write(&copy.join("old/lib.c"), "changed");
    git(&copy.join("old"), &["commit", "-qam", "two"]);
    git(&copy, &["commit", "-qam", "three"]);
    assert_eq!(git(&ws, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&ws, &["status", "--porcelain"]), "?? untracked\n");
}

/// Where the file system clones, nothing is too large; elsewhere the error must be `expected`.
fn refused(place: &Place, options: &WorkspaceCopyOptions, expected: impl Fn(&WorkspaceError) -> bool) {
    match copy_workspace(&place.ws(), &place.copy(), options) {
        Ok(copied) => assert!(copied.cloned, "{copied:?}"),
        Err(error) => {
            assert!(expected(&error), "{error:?}");
            assert!(error.help().unwrap().contains("parallel: false"));
            assert!(!place.copy().exists(), "something is left behind");
        }
    }
}

#[test]
fn a_workspace_over_the_limit_is_refused_before_anything_is_copied() {
    let place = Place::new().file("a", &"x".repeat(600)).file("b/c", &"y".repeat(401));
    let limit = |limit_bytes| WorkspaceCopyOptions { limit_bytes, ..options() };
    refused(&place, &limit(1000), |error| {
        error.to_string() == "the workspace holds 1001 bytes to copy, over the limit of 1000"
    });
    assert!(copy_workspace(&place.ws(), &place.copy(), &limit(1001)).is_ok());
}

#[test]
fn a_workspace_larger_than_the_disks_room_is_refused() {
    let place = Place::new();
    File::create(place.ws().join("sparse")).unwrap().set_len(1 << 43).unwrap();
    refused(&place, &options(), |error| matches!(error, WorkspaceError::NoRoom { .. }));
}

#[test]
fn a_copy_that_is_told_to_stop_leaves_nothing() {
    let place = Place::new().file("a", "x");
    let options = WorkspaceCopyOptions { stop: Arc::new(AtomicBool::new(true)), ..options() };
    let error = copy_workspace(&place.ws(), &place.copy(), &options).unwrap_err();
    assert!(matches!(error, WorkspaceError::Stopped));
    assert!(!place.copy().exists());
}

#[test]
fn a_copy_inside_the_workspace_or_onto_something_is_refused() {
    let place = Place::new().file("a", "x");
    fs::create_dir(place.copy()).unwrap();
    write(&place.copy().join("precious"), "p");
    let error = copy_workspace(&place.ws(), &place.copy(), &options()).unwrap_err();
    assert!(matches!(&error, WorkspaceError::File(error) if error.action == "create"), "{error:?}");
    assert_eq!(read(place.copy().join("precious")), "p");
    let error = copy_workspace(&place.ws(), &place.ws().join("copy"), &options()).unwrap_err();
    assert!(matches!(error, WorkspaceError::Inside { .. }), "{error:?}");
    let error = copy_workspace(&place.root.join("none"), &place.root.join("x"), &options()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}

#[test]
fn many_files_are_all_copied() {
    let place = Place::new();
    for n in 0..2000 {
        write(&place.ws().join(format!("d{}/f{n}", n % 37)), &n.to_string());
    }
    assert_eq!(place.copied().files, 2000);
    for n in 0..2000 {
        assert_eq!(read(place.copy().join(format!("d{}/f{n}", n % 37))), n.to_string());
    }
}

/// Modes do not hold root, so as root this test runs itself again without root's capabilities.
#[test]
fn read_only_directories_are_copied_and_removed_by_their_owner() {
    const INNER: &str = "P2P_TEST_WITHOUT_CAPABILITIES";
    if rustix::process::geteuid().is_root() && std::env::var_os(INNER).is_none() {
        let output = Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "workspace::read_only_directories_are_copied_and_removed_by_their_owner"])
            .env(INNER, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let place = Place::new().file("go/mod/cache/file", "x");
    let locked = ["go/mod/cache", "go/mod", "go"];
    for name in locked {
        chmod(place.ws().join(name), 0o555);
    }
    assert!(fs::write(place.ws().join("go/new"), "").is_err(), "modes hold us");
    place.copied();
    assert_eq!(mode(place.copy().join("go/mod/cache")), 0o555);
    assert!(fs::remove_dir_all(place.copy()).is_err(), "the plain way fails");
    chmod(place.copy().join("go/mod"), 0o000);
    remove_tree(&place.copy()).unwrap();
    assert!(!place.copy().exists());
    remove_tree(&place.ws()).unwrap();
}

#[test]
fn removing_what_is_not_there_is_no_error() {
    let place = Place::new();
    remove_tree(&place.root.join("none")).unwrap();
    write(&place.root.join("file"), "x");
    assert!(remove_tree(&place.root.join("file")).is_err());
}

/// Takes the snapshot and the copy, lets both sides work, and brings back.
fn bring(
    place: &Place,
    globs: &[&str],
    in_copy: impl Fn(&Path),
    in_place: impl Fn(&Path),
) -> Result<Brought, WorkspaceError> {
    let globs = ArtifactGlobs::parse(globs.iter().copied()).unwrap();
    let snapshot = Snapshot::take(&globs, &place.ws()).unwrap();
    place.copied();
    in_copy(&place.copy());
    in_place(&place.ws());
    bring_back(&globs, &place.copy(), &place.ws(), &snapshot, &place.root.join("side"))
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn new_and_changed_files_come_back_and_nothing_else() {
    let place = Place::new()
        .file("reports/old.xml", "old")
        .file("reports/changed.xml", "before")
        .file("reports/deleted.xml", "kept")
        .file("other.txt", "other");
    chmod(place.ws().join("reports/changed.xml"), 0o600);
    let brought = bring(
        &place,
        &["reports/**/*.xml", "run.sh", "**/config"],
        |copy| {
            write(&copy.join("reports/deep/new.xml"), "new");
            age(&copy.join("reports/deep/new.xml"), 5);
            write(&copy.join("reports/changed.xml"), "after!");
            fs::remove_file(copy.join("reports/deleted.xml")).unwrap();
            write(&copy.join("other.txt"), "not asked for");
            write(&copy.join("run.sh"), "x");
            chmod(copy.join("run.sh"), 0o755);
            write(&copy.join(".git/config"), "never");
        },
        |_| {},
    )
    .unwrap();
    assert_eq!(brought.files, paths(&["reports/changed.xml", "reports/deep/new.xml", "run.sh"]));
    assert!(brought.conflicts.is_empty());
    let ws = place.ws();
    assert_eq!(read(ws.join("reports/deep/new.xml")), "new");
    let copy = place.copy();
    assert_eq!(modified(ws.join("reports/deep/new.xml")), modified(copy.join("reports/deep/new.xml")));
    assert_eq!(read(ws.join("reports/changed.xml")), "after!");
    assert_eq!(mode(ws.join("reports/changed.xml")), 0o600);
    assert_eq!(read(ws.join("reports/deleted.xml")), "kept");
    assert_eq!(read(ws.join("other.txt")), "other");
    assert_eq!(mode(ws.join("run.sh")), 0o755);
    assert!(!ws.join(".git").exists());
    assert!(!place.root.join("side").exists());
    let mut left: Vec<_> =
        fs::read_dir(ws.join("reports")).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["changed.xml", "deep", "deleted.xml", "old.xml"], "no temporary file is left");
}

#[test]
fn where_both_sides_changed_a_file_the_one_in_place_stays_and_the_other_lies_aside() {
    let place = Place::new()
        .file("both", "before")
        .file("here", "before")
        .file("gone-here", "before")
        .file("gone-idle", "before")
        .file("sneaky", "before")
        .file("agreed", "before");
    let sneak = |directory: &Path, text: &str| {
        let path = directory.join("sneaky");
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        write(&path, text);
        File::open(&path).unwrap().set_modified(time).unwrap();
    };
    let brought = bring(
        &place,
        &["*"],
        |copy| {
            for name in ["both", "gone-here", "new/both", "sneaky"] {
                write(&copy.join(name), "nft");
            }
            write(&copy.join("both-new"), "nft");
            write(&copy.join("agreed"), "after");
            write(&copy.join("directory"), "nft");
        },
        |ws| {
            write(&ws.join("both"), "functional");
            write(&ws.join("here"), "functional");
            fs::remove_file(ws.join("gone-here")).unwrap();
            fs::remove_file(ws.join("gone-idle")).unwrap();
            write(&ws.join("both-new"), "functional");
            write(&ws.join("agreed"), "after");
            write(&ws.join("directory/file"), "functional");
            sneak(ws, "BEFORE");
        },
    )
    .unwrap();
    let ws = place.ws();
    assert_eq!(brought.files, paths(&["gone-here", "new/both"]));
    let conflicts: Vec<_> = brought.conflicts.iter().map(|it| it.path.clone()).collect();
    assert_eq!(conflicts, paths(&["both", "both-new", "directory", "sneaky"]));
    for conflict in &brought.conflicts {
        assert_eq!(conflict.other, place.root.join("side").join(&conflict.path));
        assert_eq!(read(&conflict.other), "nft");
    }
    for name in ["both", "both-new", "here", "directory/file"] {
        assert_eq!(read(ws.join(name)), "functional", "{name}");
    }
    assert_eq!(read(ws.join("sneaky")), "BEFORE", "the time was set back, the change was seen");
    assert_eq!(read(ws.join("gone-here")), "nft");
    assert!(!ws.join("gone-idle").exists());
}

#[test]
fn links_come_back_as_links_and_nothing_is_written_through_one() {
    let place = Place::new().file("reports/a", "a");
    write(&place.root.join("outside/keep"), "safe");
    symlink(place.ws().join("reports"), place.ws().join("absolute")).unwrap();
    symlink("../outside", place.ws().join("escaping")).unwrap();
    let brought = bring(
        &place,
        &["**"],
        |copy| {
            write(&copy.join("trap/keep"), "nft");
            write(&copy.join("trap/new"), "nft");
            symlink("a", copy.join("reports/latest")).unwrap();
            symlink(copy.join("reports/a"), copy.join("full")).unwrap();
        },
        |ws| symlink("../outside", ws.join("trap")).unwrap(),
    )
    .unwrap();
    assert_eq!(
        brought.files,
        paths(&["full", "reports/latest"]),
        "links that nobody touched stay as they are"
    );
    let conflicts: Vec<_> = brought.conflicts.iter().map(|it| it.path.clone()).collect();
    assert_eq!(conflicts, paths(&["trap/keep", "trap/new"]));
    assert!(!place.root.join("outside/new").exists());
    assert_eq!(read(place.root.join("outside/keep")), "safe");
    let ws = place.ws();
    assert_eq!(fs::read_link(ws.join("reports/latest")).unwrap(), Path::new("a"));
    assert_eq!(fs::read_link(ws.join("full")).unwrap(), ws.join("reports/a"));
    assert_eq!(fs::read_link(ws.join("escaping")).unwrap(), Path::new("../outside"));
}

#[test]
fn without_globs_nothing_is_looked_at() {
    let place = Place::new();
    let globs = ArtifactGlobs::parse([]).unwrap();
    let none = Path::new("/nonexistent");
    let snapshot = Snapshot::take(&globs, none).unwrap();
    assert_eq!(bring_back(&globs, none, &place.ws(), &snapshot, none).unwrap(), Brought::default());
}

#[test]
fn globs_that_would_escape_find_nothing_because_they_are_refused() {
    for glob in ["../*", "a/../../b", "/etc/*"] {
        let error = ArtifactGlobs::parse([glob]).unwrap_err();
        assert_eq!(error.exit().code(), 64);
        assert!(error.to_string().contains(glob), "{error}");
    }
}

#[test]
fn a_cache_outside_the_part_that_is_needed_is_linked_to() {
    let home = tempfile::tempdir().unwrap();
    let from = home.path().join("from");
    for cache in ["target", "app/target"] {
        fs::create_dir_all(from.join(cache)).unwrap();
        fs::write(
            from.join(cache).join("CACHEDIR.TAG"),
            "Signature: 8a477f597d28d172789f06886806bc55\n# cargo",
        )
        .unwrap();
        fs::write(from.join(cache).join("built"), "bytes").unwrap();
    }
    // Nobody writes to it.
    fs::create_dir(from.join("pipe")).unwrap();
    run(&from.join("pipe"), "mkfifo", &["CACHEDIR.TAG"]);
    let to = home.path().join("to");
    let options = WorkspaceCopyOptions { whole: from.join("app"), ..options() };
    let copied = copy_workspace(&from, &to, &options).unwrap();
    assert_eq!((copied.files, copied.skipped), (2, 1), "those of app/target, and the pipe");
    assert_eq!(fs::read_link(to.join("target")).unwrap(), from.canonicalize().unwrap().join("target"));
    assert!(!to.join("app/target").is_symlink());
    remove_tree(&to).unwrap();
    assert!(from.join("target/built").exists(), "the link goes, the cache stays");
}
