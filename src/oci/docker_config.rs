//! Docker's `config.json` and podman's `auth.json`: one format, and the helpers it names.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::credentials::{Credentials, Found, Origin, longest_prefix, normal};
use super::error::OciError;
use super::reference::Repository;
use crate::private::{self, Links};
use crate::secret::Secret;
use crate::web;
use crate::world::Env;

/// The longest file that is read, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// How long a helper may take.
const HELPER_LIMIT: Duration = Duration::from_mins(1);

/// One file with logins.
#[derive(Debug, Clone)]
pub(super) struct DockerConfig {
    path: PathBuf,
    auths: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
    env: Env,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Login {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

/// What a helper prints (github.com/docker/docker-credential-helpers).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    #[serde(default)]
    username: String,
    secret: String,
}

impl DockerConfig {
    /// Reads a file; `None` when there is none. Helpers run with `env`.
    pub(super) fn read(path: &Path, env: &Env) -> Result<Option<Self>, OciError> {
        let wrong = |reason: String| OciError::Logins { path: path.to_owned(), reason };
        // A target may have left there what nobody can read.
        let text = match private::read(path, Links::Follow, MOST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        // serde's message may quote a value: the place is enough.
        let file: File = serde_json::from_slice(&text).map_err(|error| {
            wrong(format!("line {}, column {} is not as expected", error.line(), error.column()))
        })?;
        Ok(Some(Self {
            path: path.to_owned(),
            auths: file.auths.into_iter().map(|(key, login)| (normal(&key), login)).collect(),
            helpers: file.cred_helpers.into_iter().map(|(key, helper)| (normal(&key), helper)).collect(),
            store: file.creds_store.filter(|store| !store.is_empty()),
            env: env.clone(),
        }))
    }

    /// The login for a repository. As in Docker, a helper for its host wins over the store, and
    /// the store over what the file itself holds.
    pub(super) async fn find(&self, repository: &Repository) -> Result<Option<Found>, OciError> {
        let helper =
            longest_prefix(self.helpers.iter().map(|(key, helper)| (key.as_str(), helper)), repository);
        // An empty helper says: no helper and no store for this host, as the docker CLI reads it.
        let none = helper.is_some_and(String::is_empty);
        for suffix in helper.into_iter().chain(&self.store).filter(|_| !none) {
            let program = format!("docker-credential-{suffix}");
            if let Some(credentials) = self.ask(&program, repository).await? {
                return Ok(Some(Found { credentials: Some(credentials), origin: Origin::Helper(program) }));
            }
        }
        let logins = self.auths.iter().filter_map(|(key, login)| Some((key.as_str(), login.credentials()?)));
        let Some(read) = longest_prefix(logins, repository) else { return Ok(None) };
        let credentials = read.map_err(|reason| OciError::Logins { path: self.path.clone(), reason })?;
        Ok(Some(Found { credentials: Some(credentials), origin: Origin::File(self.path.clone()) }))
    }

    async fn ask(&self, program: &str, repository: &Repository) -> Result<Option<Credentials>, OciError> {
        let registry = repository.registry();
        let failed = |reason: String| OciError::Helper {
            program: program.to_owned(),
            registry: registry.to_owned(),
            reason,
        };
        let path = find_program(program, &self.env).ok_or_else(|| failed("it is not in PATH".to_owned()))?;
        let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
        let answer = tokio::time::timeout(HELPER_LIMIT, run(&path, &self.env, server))
            .await
            .map_err(|_| failed(format!("it took longer than {} s", HELPER_LIMIT.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        let words = String::from_utf8_lossy(&answer.stdout);
        if !answer.status.success() {
            // "credentials not found in native keychain" is the protocol's word for none.
            if words.contains("credentials not found") {
                return Ok(None);
            }
            let words = format!("{} {}", words.trim(), String::from_utf8_lossy(&answer.stderr).trim());
            return Err(failed(web::words(&words)));
        }
        let helped: Helped = serde_json::from_str(&words)
            .map_err(|_| failed("its answer is not the expected JSON".to_owned()))?;
        let secret = Secret::new(helped.secret);
        Ok(Some(match helped.username.as_str() {
            "<token>" => Credentials::Identity(secret),
            _ => Credentials::Password { username: helped.username, password: secret },
        }))
    }
}

impl Login {
    /// `None` where the entry is empty: Docker leaves those behind when a store holds the login.
    fn credentials(&self) -> Option<Result<Credentials, String>> {
        if !self.identitytoken.is_empty() {
            return Some(Ok(Credentials::Identity(Secret::new(&*self.identitytoken))));
        }
        if !self.registrytoken.is_empty() {
            return Some(Ok(Credentials::Bearer(Secret::new(&*self.registrytoken))));
        }
        if !self.auth.is_empty() {
            return Some(decode(&self.auth));
        }
        (!self.username.is_empty()).then(|| {
            Ok(Credentials::Password {
                username: self.username.clone(),
                password: Secret::new(&*self.password),
            })
        })
    }
}

fn decode(auth: &str) -> Result<Credentials, String> {
    let wrong = || "an \"auth\" is not the base64 of user:password".to_owned();
    let bytes = base64::engine::general_purpose::STANDARD.decode(auth.trim()).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (username, password) = text.split_once(':').ok_or_else(wrong)?;
    let password = Secret::new(password.trim_end_matches('\0'));
    Ok(if username == "<token>" {
        Credentials::Identity(password)
    } else {
        Credentials::Password { username: username.to_owned(), password }
    })
}

fn find_program(name: &str, env: &Env) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    std::env::split_paths(&env.path("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

async fn run(program: &Path, env: &Env, server: &str) -> io::Result<std::process::Output> {
    let mut child = tokio::process::Command::new(program)
        .arg("get")
        .env_clear()
        .envs(env.iter())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input has its reasons: its answer decides.
        let _ = input.write_all(server.as_bytes()).await;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password { username: username.into(), password: Secret::new(password) }
    }

    /// A directory with `config.json` and the helper `docker-credential-test`, a shell script.
    fn directory(config: &str, helper: &str) -> (tempfile::TempDir, DockerConfig) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), config).unwrap();
        let program = directory.path().join("docker-credential-test");
        fs::write(&program, format!("#!/bin/sh\n{helper}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", directory.path().display());
        let env: Env = [("PATH", path.as_str()), ("MARK", "kept")].into_iter().collect();
        let config = DockerConfig::read(&directory.path().join("config.json"), &env).unwrap().unwrap();
        (directory, config)
    }

    async fn find(config: &DockerConfig, repository: &str) -> Option<Credentials> {
        config.find(&repository.parse().unwrap()).await.unwrap().and_then(|found| found.credentials)
    }

    #[tokio::test]
    async fn reads_logins_of_docker_and_podman() {
        // dTpw is u:p, dTpwOnE= is u:p:q, PHRva2VuPjpy is <token>:r
        let (_kept, config) = directory(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dTpw"},
                "r.io": {"username": "host", "password": "1"},
                "r.io/a": {"auth": "dTpwOnE="},
                "r.io/a/empty": {},
                "i.io": {"auth": "dTpw", "identitytoken": "refresh"},
                "t.io": {"auth": "PHRva2VuPjpy"},
                "b.io": {"registrytoken": "bearer"}}, "HttpHeaders": {"x": "y"}}"#,
            "exit 1",
        );
        assert_eq!(find(&config, "alpine").await, Some(password("u", "p")));
        assert_eq!(find(&config, "r.io/x").await, Some(password("host", "1")));
        assert_eq!(find(&config, "r.io/a/b").await, Some(password("u", "p:q")));
        assert_eq!(find(&config, "r.io/a/empty").await, Some(password("u", "p:q")));
        assert_eq!(find(&config, "i.io/x").await, Some(Credentials::Identity(Secret::new("refresh"))));
        assert_eq!(find(&config, "t.io/x").await, Some(Credentials::Identity(Secret::new("r"))));
        assert_eq!(find(&config, "b.io/x").await, Some(Credentials::Bearer(Secret::new("bearer"))));
        assert_eq!(find(&config, "other.io/x").await, None);
    }

    #[tokio::test]
    async fn asks_helpers_with_the_host_on_stdin() {
        let helper = r#"read -r host || true
            case "$host" in
              none.io) echo "nobody asks for this one"; exit 2;;
              void.io) echo "credentials not found in native keychain"; exit 1;;
              bad.io) echo "token expired" >&2; exit 1;;
              odd.io) echo "secret but no json";;
              *) printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' "$host" "$MARK" "$host";;
            esac"#;
        let (_kept, config) = directory(
            r#"{"auths": {"none.io": {"auth": "dTpw"}, "void.io": {"auth": "dTpw"}, "r.io": {}}, "credsStore": "test",
                "credHelpers": {"gone.io": "absent", "none.io": ""}}"#,
            helper,
        );
        assert_eq!(find(&config, "r.io/x").await, Some(password("kept", "r.io")));
        assert_eq!(find(&config, "alpine").await, Some(password("kept", "https://index.docker.io/v1/")));
        assert_eq!(find(&config, "none.io/x").await, Some(password("u", "p")), "an empty helper is none");
        assert_eq!(find(&config, "void.io/x").await, Some(password("u", "p")));
        for (repository, expected) in [
            ("bad.io/x", "token expired"),
            ("odd.io/x", "not the expected JSON"),
            ("gone.io/x", "not in PATH"),
        ] {
            let error = config.find(&repository.parse().unwrap()).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn broken_files_are_errors_that_show_no_secret() {
        let env = Env::default();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert!(DockerConfig::read(&path, &env).unwrap().is_none());
        fs::write(&path, r#"{"auths": {"r.io": "hunter2"}}"#).unwrap();
        let error = DockerConfig::read(&path, &env).unwrap_err().to_string();
        assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
        fs::write(&path, r#"{"auths": {"r.io": {"auth": "aHVudGVyMg=="}}}"#).unwrap();
        let config = DockerConfig::read(&path, &env).unwrap().unwrap();
        let error = config.find(&"r.io/x".parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("user:password"), "{error}");
        assert!(!format!("{config:?} {error:?}").contains("hunter2"));
    }
}
