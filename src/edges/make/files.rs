//! The files that make reads: the Makefile of the directory, and a file of p2p after it.

use std::fmt::Write as _;
use std::fs::DirEntry;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::MakeError;
use sys::error::FileError;

/// The names of Makefiles, in make's order (GNU make manual, "What Name to Give Your Makefile").
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// The name of the directory's Makefile.
///
/// # Errors
/// If the directory does not exist or has no Makefile.
pub(super) fn main(directory: &Path) -> Result<&'static str, MakeError> {
    if !directory.is_dir() {
        return Err(MakeError::NoDirectory { directory: directory.to_owned() });
    }
    NAMES
        .into_iter()
        .find(|name| directory.join(name).is_file())
        .ok_or_else(|| MakeError::NoMakefile { directory: directory.to_owned(), others: others(directory) })
}

/// The content of the directory's Makefile, if it can be read.
pub fn content(directory: &Path) -> Option<Vec<u8>> {
    std::fs::read(directory.join(main(directory).ok()?)).ok()
}

/// How many directories are searched for Makefiles, and how many are named.
const SEARCHED: usize = 500;
const NAMED: usize = 5;
/// Apps are rarely deeper below a repository's root.
const DEEPEST: usize = 4;
/// Directories with Makefiles of other projects.
const FOREIGN: [&str; 3] = ["node_modules", "vendor", "target"];

/// The nearest directories with a Makefile: first those above, up to the repository's root, then those below.
fn others(directory: &Path) -> Vec<PathBuf> {
    let has = |directory: &Path| NAMES.iter().any(|name| directory.join(name).is_file());
    let root = directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(directory);
    let above = directory.ancestors().skip(1).take_while(|above| above.starts_with(root));
    let mut found: Vec<_> = above.filter(|above| has(above)).map(Path::to_path_buf).collect();
    let mut level = vec![directory.to_path_buf()];
    let mut left = SEARCHED;
    for _ in 0..DEEPEST {
        let mut next: Vec<_> = level.iter().flat_map(|directory| children(directory)).take(left).collect();
        next.sort();
        left -= next.len();
        found.extend(next.iter().filter(|directory| has(directory)).cloned());
        level = next;
    }
    found.truncate(NAMED);
    found
}

/// The subdirectories of a directory, without hidden ones, links and [`FOREIGN`].
fn children(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let ours = |entry: &DirEntry| {
        let name = entry.file_name();
        let foreign = FOREIGN.iter().any(|foreign| name == *foreign);
        !foreign
            && !name.as_encoded_bytes().starts_with(b".")
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    entries.filter(ours).map(|entry| entry.path())
}

/// A random word that no Makefile can contain.
pub(super) fn marker() -> io::Result<String> {
    let mut marker = String::from("probe-");
    for byte in getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?.to_be_bytes() {
        let _ = write!(marker, "{byte:02x}");
    }
    Ok(marker)
}

/// Writes the file that make reads after the Makefile. Its name matches no usual pattern rule.
pub(super) fn ours(scratch: &Path, text: &str) -> Result<NamedTempFile, FileError> {
    let made = tempfile::Builder::new().prefix(".probe-").tempfile_in(scratch);
    let mut file = made.map_err(FileError::at("create a file in", scratch))?;
    file.write_all(text.as_bytes()).map_err(FileError::at("write", file.path()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;

    #[test]
    fn the_makefiles_above_and_below_are_found() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir(root.join(".git")).unwrap();
        let apps = ["apps/a", "apps/b", "apps/c/node_modules/x", ".hidden", "one/two/three/four/five"];
        for app in apps {
            fs::create_dir_all(root.join(app)).unwrap();
            fs::write(root.join(app).join("Makefile"), "").unwrap();
        }
        assert_eq!(others(root), ["apps/a", "apps/b"].map(|app| root.join(app)));
        fs::write(root.join("GNUmakefile"), "").unwrap();
        fs::create_dir_all(root.join("apps/c/src")).unwrap();
        assert_eq!(others(&root.join("apps/c")), [root]);
        // Directories above the repository do not belong to it.
        fs::create_dir(root.join("apps/c/.git")).unwrap();
        assert_eq!(others(&root.join("apps/c/src")), Vec::<PathBuf>::new());
    }
}
