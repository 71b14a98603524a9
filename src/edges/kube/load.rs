//! Finds a kubeconfig and reads it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::error::KubeError;
use super::input::{self, Given};
use super::kubeconfig::{Kubeconfig, Named};
use super::read;
use sys::world::Env;
use workflow_commands::Secret;

/// The content of the input, in errors.
const CONTENT: &str = "the input kubeconfig";
/// The file of the input, in errors.
const PATH: &str = "the path of the input kubeconfig";

impl Kubeconfig {
    /// The kubeconfig from the input, or else the one that kubectl would use.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn find(input: Option<&Secret>, env: &Env, directory: &Path) -> Result<Self, KubeError> {
        match (input, env.path("KUBECONFIG")) {
            (Some(input), _) => Self::of_input(input, directory),
            (None, Some(list)) => Self::load(list.as_os_str(), "the path of KUBECONFIG", directory),
            (None, None) => {
                let home = env.path("HOME").unwrap_or_default().join(".kube/config");
                Self::load(home.as_os_str(), "~/.kube/config", directory)
            }
        }
    }

    /// Reads the input `kubeconfig`: its content, plain or in base64, or else paths as in [`Kubeconfig::load`].
    /// Relative paths, also those inside the content, start at `directory`.
    ///
    /// # Errors
    /// If it is none of these. No error contains a part of the input, because it may be secret even if it is read as
    /// a path.
    pub fn of_input(input: &Secret, directory: &Path) -> Result<Self, KubeError> {
        match Given::of(input.expose()) {
            Given::Content(text) => read::parse(&text, CONTENT, directory),
            Given::Paths(paths) => match Self::load(OsStr::new(paths), PATH, directory) {
                Err(KubeError::NoFile { .. }) => Err(KubeError::Neither),
                loaded => loaded,
            },
        }
    }

    /// Reads the files of a `KUBECONFIG` variable: paths separated by `:`. Relative paths start at `directory`. If
    /// several files define the same name, the first one wins. Like in kubectl, missing files are skipped, but at
    /// least one must exist. `place` names the list in errors, because the list itself may be a kubeconfig that was
    /// given by mistake.
    ///
    /// # Errors
    /// If no file exists, or one is not a kubeconfig.
    pub fn load(list: &OsStr, place: &str, directory: &Path) -> Result<Self, KubeError> {
        let paths = std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty());
        let mut merged = None;
        for path in paths.map(|path| directory.join(path)) {
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let beside = path.parent().unwrap_or(directory);
                    let text =
                        input::text(&bytes).ok_or_else(|| KubeError::NotText { place: place.to_owned() })?;
                    let config = read::parse(&text, &format!("the kubeconfig at {place}"), beside)?;
                    merged = Some(match merged {
                        None => config,
                        Some(before) => merge(before, config),
                    });
                }
                // A text that cannot be a file name is not a path.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound
                            | io::ErrorKind::NotADirectory
                            | io::ErrorKind::InvalidInput
                            | io::ErrorKind::InvalidFilename
                    ) => {}
                Err(source) => return Err(KubeError::Unreadable { place: place.to_owned(), source }),
            }
        }
        merged.ok_or_else(|| KubeError::NoFile { place: place.to_owned() })
    }
}

/// Merges two kubeconfigs. If both define a name, `before` wins.
fn merge(mut before: Kubeconfig, after: Kubeconfig) -> Kubeconfig {
    let add = |list: &mut Vec<Named>, more: Vec<Named>| {
        for item in more {
            if !list.iter().any(|known| known.name == item.name) {
                list.push(item);
            }
        }
    };
    add(&mut before.clusters, after.clusters);
    add(&mut before.users, after.users);
    add(&mut before.contexts, after.contexts);
    before.current = before.current.or(after.current);
    before
}
