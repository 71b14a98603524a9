//! Where the user's own logins are.

use std::path::PathBuf;

use crate::world::Env;

/// The files that docker, and skopeo, buildah and podman, would read without us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFiles {
    /// Docker's directory.
    pub docker_directory: Option<PathBuf>,
    /// The auth files of skopeo and its kin; an earlier one wins. Each may be absent.
    pub auth_files: Vec<PathBuf>,
    /// Whether they fall back on docker's logins.
    pub reads_docker: bool,
}

impl UserFiles {
    /// What the environment says: `DOCKER_CONFIG`, else `~/.docker`; `REGISTRY_AUTH_FILE` and
    /// nothing else, else the places of containers-auth.json(5).
    pub fn of(env: &Env) -> Self {
        let home = env.path("HOME");
        let docker_directory =
            env.path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        if let Some(file) = env.path("REGISTRY_AUTH_FILE") {
            return Self { docker_directory, auth_files: vec![file], reads_docker: false };
        }
        let runtime = env.path("XDG_RUNTIME_DIR").map_or_else(without_runtime, |dir| dir.join("containers"));
        let config = env.path("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        let mut auth_files = vec![runtime.join("auth.json")];
        auth_files.extend(config.map(|dir| dir.join("containers/auth.json")));
        Self { docker_directory, auth_files, reads_docker: true }
    }
}

/// Where podman keeps its logins when `XDG_RUNTIME_DIR` is not set.
fn without_runtime() -> PathBuf {
    PathBuf::from("/run/containers").join(rustix::process::getuid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_follow_the_environment() {
        let plain: Env = [("HOME", "/home/u")].into_iter().collect();
        assert_eq!(
            UserFiles::of(&plain),
            UserFiles {
                docker_directory: Some("/home/u/.docker".into()),
                auth_files: vec![
                    without_runtime().join("auth.json"),
                    "/home/u/.config/containers/auth.json".into()
                ],
                reads_docker: true,
            }
        );
        let said: Env = [
            ("HOME", "/home/u"),
            ("DOCKER_CONFIG", "/d"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("XDG_CONFIG_HOME", "/c"),
        ]
        .into_iter()
        .collect();
        let files = UserFiles::of(&said);
        assert_eq!(files.docker_directory, Some("/d".into()));
        assert_eq!(
            files.auth_files,
            [PathBuf::from("/run/user/1/containers/auth.json"), "/c/containers/auth.json".into()]
        );
        let one: Env = [("HOME", "/home/u"), ("REGISTRY_AUTH_FILE", "/a.json")].into_iter().collect();
        assert_eq!(UserFiles::of(&one).auth_files, [PathBuf::from("/a.json")]);
        assert!(!UserFiles::of(&one).reads_docker);
        assert_eq!(UserFiles::of(&Env::default()).docker_directory, None);
    }
}
