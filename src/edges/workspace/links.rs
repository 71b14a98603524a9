//! Where links and `.git` files of the copy must point.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// A move of a tree from one place to another.
#[derive(Debug)]
pub(super) struct Move<'a> {
    /// The absolute names of the original. The first one contains no links.
    pub(super) from: &'a [&'a Path],
    /// The absolute path of the copy.
    pub(super) to: &'a Path,
}

impl Move<'_> {
    /// The new target of a link in the directory `within` of the tree. `None` if `target` is correct in the copy
    /// too. An absolute path into the tree must point into the copy. A relative path out of the tree becomes
    /// absolute, because the copy is elsewhere. Relative paths within the tree stay.
    pub(super) fn target(&self, target: &Path, within: &Path) -> Option<PathBuf> {
        let root = self.from.first()?;
        if target.is_absolute() {
            let plain = normal(target);
            return self.inside(&plain);
        }
        if stays_inside(target, within) {
            return None;
        }
        let resolved = normal(&root.join(within).join(target));
        Some(self.inside(&resolved).unwrap_or(resolved))
    }

    fn inside(&self, absolute: &Path) -> Option<PathBuf> {
        let rest = self.from.iter().find_map(|root| absolute.strip_prefix(root).ok())?;
        Some(if rest.as_os_str().is_empty() { self.to.to_owned() } else { self.to.join(rest) })
    }

    /// The new content of the file `path` of the tree, if git stores a path in it (gitrepository-layout(5)): `.git`
    /// of a submodule or a linked worktree, and `worktrees/<name>/gitdir`.
    pub(super) fn git_file(&self, path: &Path, content: &[u8]) -> Option<Vec<u8>> {
        let prefix: &[u8] = if path.file_name() == Some(OsStr::new(".git")) { b"gitdir: " } else { b"" };
        let text = content.strip_prefix(prefix)?;
        let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        let within = path.parent().unwrap_or(Path::new(""));
        let target = self.target(Path::new(OsStr::from_bytes(&text[..end])), within)?;
        Some([prefix, OsString::from(target).into_vec().as_slice(), &text[end..]].concat())
    }
}

/// Whether a file may be one that [`Move::git_file`] rewrites.
pub(super) fn is_git_file(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(".git"))
        || path.file_name() == Some(OsStr::new("gitdir"))
            && path.parent().and_then(Path::parent).is_some_and(|above| above.ends_with(".git/worktrees"))
}

/// Whether a relative path stays inside its tree.
fn stays_inside(target: &Path, within: &Path) -> bool {
    let mut depth = within.components().count();
    for component in target.components() {
        match component {
            Component::ParentDir if depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    true
}

/// The path without `.` and `..`, computed from the text only.
fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: [&str; 2] = ["/real/ws", "/ws"];

    fn moved(target: &str, within: &str) -> Option<String> {
        let from = FROM.map(Path::new);
        let target =
            Move { from: &from, to: Path::new("/copy") }.target(Path::new(target), Path::new(within));
        target.map(|path| path.to_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn targets_follow_the_tree() {
        for kept in ["a", "./a/../b", "../sibling", "/elsewhere/x", "/wsx/y", "/ws/../etc"] {
            assert_eq!(moved(kept, "dir"), None, "{kept}");
        }
        for (target, within, expected) in [
            ("/ws/a/b", "", "/copy/a/b"),
            ("/real/ws/a", "x", "/copy/a"),
            ("/ws", "", "/copy"),
            ("/ws/x/../y/", "", "/copy/y"),
            ("../out", "", "/real/out"),
            ("../../out/x", "d", "/real/out/x"),
            ("../ws/a", "", "/copy/a"),
            ("a/../../ws", "", "/copy"),
        ] {
            assert_eq!(moved(target, within).as_deref(), Some(expected), "{target}");
        }
    }

    #[test]
    fn git_files_follow_the_tree() {
        let from = FROM.map(Path::new);
        let motion = Move { from: &from, to: Path::new("/copy") };
        let file = |path: &str, text: &str| {
            let content = motion.git_file(Path::new(path), text.as_bytes())?;
            String::from_utf8(content).ok()
        };
        assert_eq!(file("sub/.git", "gitdir: ../.git/modules/sub\n"), None);
        assert_eq!(
            file("sub/.git", "gitdir: /ws/.git/modules/sub\n").as_deref(),
            Some("gitdir: /copy/.git/modules/sub\n")
        );
        assert_eq!(
            file(".git", "gitdir: ../.git/modules/sub").as_deref(),
            Some("gitdir: /real/.git/modules/sub")
        );
        assert_eq!(file(".git", "not a pointer: /ws"), None);
        assert_eq!(file(".git/worktrees/w/gitdir", "/ws/w/.git\n").as_deref(), Some("/copy/w/.git\n"));
        assert!(is_git_file(Path::new("a/.git")));
        assert!(is_git_file(Path::new(".git/worktrees/w/gitdir")));
        assert!(!is_git_file(Path::new("docs/gitdir")));
    }
}
