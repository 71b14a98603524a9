//! Real git repositories: a bare one that stands for the remote, and checkouts of it. Author and
//! dates are fixed, so that a history has the same commit ids in every run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Runs git with nothing but the repository's own configuration and returns what it printed.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
        .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A bare repository with the branch `main`; removed when dropped.
pub(crate) struct Bare {
    directory: TempDir,
}

impl Bare {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let bare = Self { directory: tempfile::tempdir().unwrap() };
        bare.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        bare.git(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
        bare
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs git in it.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }

    /// Puts an empty commit on top of `main` and returns its id.
    pub(crate) fn commit(&self, message: &str) -> String {
        let parent = self.git(&["for-each-ref", "--format=%(objectname)", "refs/heads/main"]);
        let mut arguments = vec!["commit-tree", "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "-m", message];
        if !parent.is_empty() {
            arguments.extend(["-p", &parent]);
        }
        let commit = self.git(&arguments);
        self.git(&["update-ref", "refs/heads/main", &commit]);
        commit
    }

    /// Puts a lightweight tag on a commit.
    pub(crate) fn tag(&self, name: &str, commit: &str) {
        self.git(&["update-ref", &format!("refs/tags/{name}"), commit]);
    }

    /// Puts an annotated tag on a commit, or on another tag.
    pub(crate) fn annotate(&self, name: &str, on: &str) {
        self.git(&["tag", "--annotate", "--message", name, name, on]);
    }

    /// Puts `v0.0.1` to `v0.0.COUNT` on a commit: the refs as `git gc` leaves them.
    pub(crate) fn many_tags(&self, count: u32, commit: &str) {
        let mut names: Vec<String> = (1..=count).map(|patch| format!("refs/tags/v0.0.{patch}")).collect();
        names.sort_unstable();
        let mut text = String::from("# pack-refs with: peeled fully-peeled sorted \n");
        for name in names {
            writeln!(text, "{commit} {name}").unwrap();
        }
        std::fs::write(self.path().join("packed-refs"), text).unwrap();
    }

    /// All tags with the commit that each leads to.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        let format =
            "--format=%(refname:strip=2) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)";
        let printed = self.git(&["for-each-ref", format, "refs/tags"]);
        let pair =
            |line: &str| line.split_once(' ').map(|(name, commit)| (name.to_owned(), commit.to_owned()));
        printed.lines().filter_map(pair).collect()
    }

    /// A checkout of `main`, as deep as `actions/checkout` makes it: one commit, no tags.
    pub(crate) fn shallow(&self) -> Checkout {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("file://{}", self.path().display());
        git(directory.path(), &["clone", "--quiet", "--depth=1", "--no-tags", &url, "."]);
        Checkout { directory }
    }
}

/// A repository with a working tree; removed when dropped.
pub(crate) struct Checkout {
    pub(super) directory: TempDir,
}

impl Checkout {
    /// One without a commit.
    pub(crate) fn new() -> Self {
        let checkout = Self { directory: tempfile::tempdir().unwrap() };
        checkout.git(&["init", "--quiet", "--initial-branch=main", "."]);
        checkout
    }

    /// Where it is, without symbolic links.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    /// Runs git in it.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.directory.path(), arguments)
    }

    /// Writes a file, with the directories that it needs.
    pub(crate) fn file(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Commits everything and returns the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}
