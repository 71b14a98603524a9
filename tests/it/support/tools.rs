//! Finding the programs that the tests drive. A missing one fails the test, here and in CI:
//! nothing is ever skipped.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The absolute path of a program: the pinned one that `scripts/test` put into
/// `target/tools/bin`, else the one on `PATH`.
///
/// # Panics
/// When it is in neither place; the message says what to do.
pub(crate) fn tool(name: &str) -> PathBuf {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    find(name, &pinned, &path).unwrap_or_else(|| {
        panic!("`{name}` is not installed: run scripts/test, which installs what the tests need")
    })
}

fn find(name: &str, pinned: &Path, path: &OsStr) -> Option<PathBuf> {
    std::iter::once(pinned.to_path_buf())
        .chain(std::env::split_paths(path))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

#[test]
fn a_pinned_tool_wins_over_the_path() {
    let here = tempfile::tempdir().unwrap();
    let (pinned, other) = (here.path().join("pinned"), here.path().join("other"));
    for directory in [&pinned, &other] {
        std::fs::create_dir(directory).unwrap();
        std::fs::write(directory.join("both"), "").unwrap();
    }
    std::fs::write(other.join("one"), "").unwrap();
    assert_eq!(find("both", &pinned, other.as_os_str()), Some(pinned.join("both")));
    assert_eq!(find("one", &pinned, other.as_os_str()), Some(other.join("one")));
    assert_eq!(find("none", &pinned, other.as_os_str()), None);
}

#[test]
#[should_panic(expected = "run scripts/test")]
fn a_missing_tool_fails_the_test() {
    tool("no-such-program-anywhere");
}
