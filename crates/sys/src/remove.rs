//! Removes a directory tree, also if some of it is read-only.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::FileError;

/// Removes `directory` and everything in it, including read-only directories (module caches are full of them).
/// Follows no links. A missing directory is not an error.
///
/// # Errors
/// If something in it belongs to another user, or is being written at this moment.
pub fn remove_tree(directory: &Path) -> Result<(), FileError> {
    let first = match fs::remove_dir_all(directory) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !directory.exists() => return Ok(()),
        Err(error) => error,
    };
    if first.kind() == io::ErrorKind::PermissionDenied {
        open_up(directory);
    }
    fs::remove_dir_all(directory).map_err(FileError::at("remove", directory))
}

/// Gives the owner all rights on each directory of a tree, if that is allowed. Each directory is changed before it
/// is read, which a ready-made walk cannot do.
fn open_up(directory: &Path) {
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let is_directory = fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir());
        if !is_directory || fs::set_permissions(&directory, Permissions::from_mode(0o700)).is_err() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let below = entries.filter_map(Result::ok);
        open.extend(
            below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
}
