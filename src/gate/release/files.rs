use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ReleaseError;
use crate::edges::github::{Mode, TreeFile};
use crate::edges::workspace::ArtifactGlobs;
use sys::error::Failure;

/// The files to find: globs below a directory.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The input that contains the globs.
    pub input: &'static str,
    pub globs: &'a [String],
    /// The directory that they are relative to.
    pub directory: &'a Path,
}

impl Files<'_> {
    /// Finds the files, as paths below the directory. Each glob must match at least one.
    ///
    /// # Errors
    ///
    /// If a glob is invalid or matches nothing.
    pub fn find(&self) -> Result<Vec<PathBuf>, Failure> {
        let Self { input, globs, directory } = *self;
        for glob in globs {
            if ArtifactGlobs::parse([glob.as_str()])?.find(directory)?.is_empty() {
                let (glob, directory) = (glob.clone(), directory.to_owned());
                return Err(ReleaseError::NoMatch { input, glob, directory }.into());
            }
        }
        Ok(ArtifactGlobs::parse(globs.iter().map(String::as_str))?.find(directory)?)
    }
}

/// The files that a release commit adds or replaces, with their paths below `root`, the top of the repository.
///
/// # Errors
///
/// If a glob is invalid or matches nothing, or if a file cannot be read or is outside `root`.
pub fn committed_files(files: &Files<'_>, root: &Path) -> Result<Vec<TreeFile>, Failure> {
    let mut found = Vec::new();
    for file in files.find()? {
        let path = files.directory.join(file);
        let unreadable = |source| ReleaseError::File { file: path.clone(), source };
        let metadata = fs::symlink_metadata(&path).map_err(unreadable)?;
        let (mode, content) = if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable)?;
            (Mode::Link, target.as_os_str().as_bytes().to_owned())
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { Mode::Executable } else { Mode::Plain };
            (mode, fs::read(&path).map_err(unreadable)?)
        };
        let inside = path.strip_prefix(root).ok().and_then(Path::to_str);
        let inside = inside.ok_or_else(|| {
            unreadable(std::io::Error::other("it is outside the repository, or its name is not text"))
        })?;
        found.push(TreeFile { path: inside.to_owned(), mode, content });
    }
    Ok(found)
}

/// A file that the release offers for download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetFile {
    /// Its file name.
    pub name: String,
    pub path: PathBuf,
    pub size: u64,
    /// Its digest, `sha256:…`.
    pub digest: String,
}

/// The files that the release offers for download, by name.
///
/// # Errors
///
/// If a glob is invalid or matches nothing, if two files have the same name, or if GitHub would change a name.
pub fn asset_names(files: &Files<'_>) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files.find()? {
        let path = files.directory.join(file);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !plain || name.starts_with('.') || name.ends_with('.') {
            return Err(ReleaseError::Name { name }.into());
        }
        if let Some(first) = found.get(&name) {
            return Err(ReleaseError::SameName { name, first: first.clone(), second: path }.into());
        }
        found.insert(name, path);
    }
    Ok(found)
}

/// The files that the release offers for download, sorted by name. Each is read once.
///
/// # Errors
///
/// The errors of [`asset_names`], and a file that cannot be read.
pub fn asset_files(files: &Files<'_>) -> Result<Vec<AssetFile>, Failure> {
    let mut found = Vec::new();
    for (name, path) in asset_names(files)? {
        let (size, digest) =
            measure(&path).map_err(|source| ReleaseError::File { file: path.clone(), source })?;
        found.push(AssetFile { name, path, size, digest });
    }
    Ok(found)
}

fn measure(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = fs::File::open(path)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count).unwrap_or_default());
        size += count as u64;
    }
    let digest =
        hash.finalize().iter().fold(String::from("sha256:"), |text, byte| format!("{text}{byte:02x}"));
    Ok((size, digest))
}
