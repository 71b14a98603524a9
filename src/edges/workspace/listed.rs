//! The matching files that may leave the machine. The upload follows links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::error::WorkspaceError;
use super::globs::ArtifactGlobs;

/// The result of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The files below the directory. None of them leads out of the root.
    pub files: Vec<String>,
    /// The files that are left out, each with the reason.
    pub refused: Vec<(PathBuf, &'static str)>,
}

/// Lists the matching files in `directory`. Leaves out a file whose real path is not below `root`, git's own files,
/// and names that do not fit on a line. A link to a directory is replaced by the files in it.
///
/// # Errors
/// If a directory cannot be read.
pub fn list(globs: &ArtifactGlobs, directory: &Path, root: &Path) -> Result<Listed, WorkspaceError> {
    let root = root.canonicalize().map_err(WorkspaceError::io("read", root))?;
    let mut listed = Listed::default();
    let (mut seen, mut open) = (BTreeSet::new(), globs.find(directory)?);
    open.reverse();
    while let Some(path) = open.pop() {
        let full = directory.join(&path);
        match judge(&full, &root) {
            Ok(None) => listed.files.push(full.display().to_string()),
            Ok(Some(inside)) => {
                if seen.insert(inside) {
                    open.extend(below(&full, &path));
                }
            }
            Err(why) => listed.refused.push((path, why)),
        }
    }
    Ok(listed)
}

/// Removes the links below `root` that lead out of it, because an upload of the directory would follow them.
pub fn remove_links_out_of(root: &Path) {
    let Ok(canonical) = root.canonicalize() else { return };
    let entries = WalkDir::new(root).min_depth(1).follow_links(false).into_iter().filter_map(Result::ok);
    for link in entries.filter(|entry| entry.file_type().is_symlink()) {
        if !link.path().canonicalize().is_ok_and(|target| target.starts_with(&canonical)) {
            let _ = fs::remove_file(link.path());
        }
    }
}

/// `None` for a file that may be listed, or the real path of a directory.
fn judge(full: &Path, root: &Path) -> Result<Option<PathBuf>, &'static str> {
    let name = full.to_str().ok_or("its name is not UTF-8")?;
    if name.chars().any(char::is_control) {
        return Err("its name holds a line break or another control character");
    }
    let target = full.canonicalize().map_err(|_| "it is a link that leads nowhere")?;
    let inside = target.strip_prefix(root).map_err(|_| "it is a link that leads out of the workspace")?;
    if inside.components().any(|part| part == Component::Normal(".git".as_ref())) {
        return Err("it is a link that leads to git's own files");
    }
    match fs::metadata(&target) {
        Ok(metadata) if metadata.is_file() => Ok(None),
        Ok(metadata) if metadata.is_dir() => Ok(Some(target)),
        _ => Err("it is neither a file nor a directory"),
    }
}

/// The entries of a directory with the path that leads to them, last first.
fn below(full: &Path, path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(full).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<_> = entries.map(|entry| path.join(entry.file_name())).collect();
    names.sort_by(|one, other| other.cmp(one));
    names
}
