//! The place of an entry in the destination. The destination works like after `chroot`: no name and no symbolic link
//! in it leads outside.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// How many links are followed in one name. The kernel has the same limit.
const MOST_LINKS: usize = 40;

/// The components of an entry's name, or why it is unsafe. Empty for the destination itself.
pub(super) fn components(name: &Path) -> Result<Vec<OsString>, &'static str> {
    let mut components = Vec::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => components.push(part.to_owned()),
            Component::CurDir => {}
            Component::ParentDir => return Err("has \"..\" in its name"),
            Component::RootDir | Component::Prefix(_) => return Err("has an absolute name"),
        }
    }
    Ok(components)
}

/// The directory `parents` in `root`. Creates missing directories and adds their number to `made`. Follows symbolic
/// links inside `root`: in an image, `/run` is `root/run`, and nothing is above the root.
pub(super) fn directory(root: &Path, parents: &[OsString], made: &mut u64) -> io::Result<PathBuf> {
    let mut links = 0;
    let mut left: VecDeque<OsString> = parents.iter().cloned().collect();
    let mut inside = PathBuf::new();
    while let Some(part) = left.pop_front() {
        if part == OsStr::new("..") {
            inside.pop();
            continue;
        }
        let path = root.join(&inside).join(&part);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => inside.push(part),
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::other("too many symbolic links lead to it"));
                }
                let target = fs::read_link(&path)?;
                if target.is_absolute() {
                    inside.clear();
                }
                for component in target.components().rev() {
                    match component {
                        Component::Normal(part) => left.push_front(part.to_owned()),
                        Component::ParentDir => left.push_front("..".into()),
                        Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
                    }
                }
            }
            Ok(_) => return Err(io::Error::other(format!("{} is not a directory", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&path)?;
                *made += 1;
                inside.push(part);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(root.join(inside))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use std::os::unix::fs::symlink;

    fn names(parts: &[&str]) -> Vec<OsString> {
        parts.iter().map(OsString::from).collect()
    }

    #[test]
    fn unsafe_names_are_refused() {
        assert_eq!(components(Path::new("./a//b/")), Ok(names(&["a", "b"])));
        assert_eq!(components(Path::new("./")), Ok(vec![]));
        for bad in ["/etc/passwd", "..", "a/../../b", "a/.."] {
            assert!(components(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn links_stay_in_the_root() {
        let root = tempfile::tempdir().unwrap();
        let (root, mut made) = (root.path(), 0);
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../../../../../..", root.join("up")).unwrap();
        symlink("self", root.join("self")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        assert_eq!(directory(root, &names(&["lib", "x"]), &mut made).unwrap(), root.join("usr/lib/x"));
        assert_eq!(directory(root, &names(&["up", "etc"]), &mut made).unwrap(), root.join("etc"));
        assert_eq!(directory(root, &[], &mut made).unwrap(), root.join(""));
        assert!(directory(root, &names(&["self", "x"]), &mut made).is_err());
        assert!(directory(root, &names(&["file", "x"]), &mut made).is_err());
        assert!(root.join("usr/lib/x").is_dir());
        assert_eq!(made, 4);
    }
}
