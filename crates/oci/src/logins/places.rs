//! Finds the user's own login files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::LoginsError;
use super::file::LoginFile;
use sys::world::Env;

/// The file's name in Docker's directory.
pub(super) const CONFIG: &str = "config.json";

/// The file's name in podman's directories.
const AUTH_FILE: &str = "auth.json";

/// The files that docker, skopeo, buildah and podman read by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFiles {
    /// Docker's directory.
    pub docker_directory: Option<PathBuf>,
    /// The auth files of podman and similar tools. Earlier ones win, and any may be missing.
    pub auth_files: Vec<PathBuf>,
}

impl UserFiles {
    /// The files that the environment names: `DOCKER_CONFIG` or else `~/.docker`, and `REGISTRY_AUTH_FILE` or else
    /// the places in containers-auth.json(5), without a directory that this user may not enter.
    pub fn of(env: &Env) -> Self {
        let home = env.path("HOME");
        let docker_directory =
            env.path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        if let Some(file) = env.path("REGISTRY_AUTH_FILE") {
            return Self { docker_directory, auth_files: vec![file] };
        }
        let runtime = env.path("XDG_RUNTIME_DIR").map_or_else(without_runtime, |dir| dir.join("containers"));
        let config = env.path("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        let places = [Some(runtime).filter(|dir| !is_closed(dir)), config.map(|dir| dir.join("containers"))];
        let auth_files = places.into_iter().flatten().map(|dir| dir.join(AUTH_FILE)).collect();
        Self { docker_directory, auth_files }
    }

    pub fn docker(&self) -> Result<LoginFile, LoginsError> {
        self.docker_directory
            .as_ref()
            .map_or_else(|| Ok(LoginFile::default()), |dir| LoginFile::read(&dir.join(CONFIG)))
    }

    /// All files in search order: auth files first, then Docker's.
    ///
    /// # Errors
    /// See [`LoginFile::read`].
    pub fn all(&self) -> Result<Vec<LoginFile>, LoginsError> {
        self.auth_files.iter().map(|path| LoginFile::read(path)).chain([self.docker()]).collect()
    }
}

/// Whether this user may not enter a directory: root's programs close `/run/containers` to everybody else.
fn is_closed(directory: &Path) -> bool {
    directory.join(AUTH_FILE).metadata().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Where podman keeps its logins if `XDG_RUNTIME_DIR` is not set.
fn without_runtime() -> PathBuf {
    PathBuf::from("/run/containers").join(rustix::process::getuid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> UserFiles {
        UserFiles::of(&pairs.iter().copied().collect())
    }

    #[test]
    fn the_places_follow_the_environment() {
        assert_eq!(
            of(&[("HOME", "/home/u")]),
            UserFiles {
                docker_directory: Some("/home/u/.docker".into()),
                auth_files: vec![
                    without_runtime().join("auth.json"),
                    "/home/u/.config/containers/auth.json".into()
                ],
            }
        );
        let files = of(&[
            ("HOME", "/home/u"),
            ("DOCKER_CONFIG", "/d"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("XDG_CONFIG_HOME", "/c"),
        ]);
        assert_eq!(files.docker_directory, Some("/d".into()));
        assert_eq!(
            files.auth_files,
            [PathBuf::from("/run/user/1/containers/auth.json"), "/c/containers/auth.json".into()]
        );
        let one = of(&[("HOME", "/home/u"), ("REGISTRY_AUTH_FILE", "/a.json")]);
        assert_eq!(one.auth_files, [PathBuf::from("/a.json")]);
        assert_eq!(of(&[]).docker_directory, None);
    }
}
