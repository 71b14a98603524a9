//! The registry logins of a target: a private `DOCKER_CONFIG` directory and `REGISTRY_AUTH_FILE`.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::error::LoginsError;
use super::file::LoginFile;
use super::login::Login;
use super::places::{CONFIG, UserFiles};
use super::{auth_file, docker};

/// The files of a target's logins.
#[derive(Debug)]
pub struct Logins {
    docker_config: PathBuf,
    registry_auth_file: PathBuf,
    /// The hosts with an entry of ours in the auth file, because the user had none.
    own_hosts: BTreeSet<String>,
}

impl Logins {
    /// Creates the files in `directory`, which exists, is private and contains none of them yet. If two logins are
    /// for one host, docker gets only the first; in the auth file, each has its path.
    pub fn create(directory: &Path, user: &UserFiles, logins: &[Login]) -> Result<Self, LoginsError> {
        logins.iter().try_for_each(Login::check)?;
        let docker_config = directory.join("docker");
        let registry_auth_file = directory.join("registry-auth.json");
        make_directory(&docker_config)?;
        if let Some(theirs) = &user.docker_directory {
            link_entries(theirs, &docker_config)?;
        }
        let files: Vec<_> = user.all()?.into_iter().map(LoginFile::cleaned).collect();
        let mut auth_file = auth_file::merged(&files);
        let mut config = files.into_iter().next_back().unwrap_or_default();
        let own_hosts = auth_file::log_in(&mut auth_file, logins);
        docker::log_in(&mut config, logins);
        write(&config, &docker_config.join(CONFIG))?;
        write(&auth_file, &registry_auth_file)?;
        Ok(Self { docker_config, registry_auth_file, own_hosts })
    }

    /// Replaces passwords while a target runs, and keeps the changes that the target has made (`gcloud auth
    /// configure-docker` and `docker login` write to the files).
    pub fn renew(&self, logins: &[Login]) -> Result<(), LoginsError> {
        logins.iter().try_for_each(Login::check)?;
        let path = self.docker_config.join(CONFIG);
        let mut config = LoginFile::read(&path)?;
        docker::renew(&mut config, logins);
        write(&config, &path)?;
        let mut auth_file = LoginFile::read(&self.registry_auth_file)?;
        auth_file::renew(&mut auth_file, logins, &self.own_hosts);
        write(&auth_file, &self.registry_auth_file)
    }

    /// The value of `DOCKER_CONFIG`.
    pub fn docker_config(&self) -> &Path {
        &self.docker_config
    }

    /// The value of `REGISTRY_AUTH_FILE`.
    pub fn registry_auth_file(&self) -> &Path {
        &self.registry_auth_file
    }
}

fn write(file: &LoginFile, path: &Path) -> Result<(), LoginsError> {
    file.write(path).map_err(|source| LoginsError::Write { path: path.to_owned(), source })
}

fn make_directory(path: &Path) -> Result<(), LoginsError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|source| LoginsError::Write { path: path.to_owned(), source })
}

/// Links everything in the user's docker directory except the logins: builders, contexts, plugins.
fn link_entries(theirs: &Path, ours: &Path) -> Result<(), LoginsError> {
    let unreadable = |source| LoginsError::Directory { path: theirs.to_owned(), source };
    let theirs = std::path::absolute(theirs).map_err(unreadable)?;
    let entries = match std::fs::read_dir(&theirs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        // Docker writes config.json through temporary files whose names begin with it.
        if name.as_encoded_bytes().starts_with(CONFIG.as_bytes()) {
            continue;
        }
        let link = ours.join(&name);
        symlink(theirs.join(&name), &link).map_err(|source| LoginsError::Write { path: link, source })?;
    }
    Ok(())
}
