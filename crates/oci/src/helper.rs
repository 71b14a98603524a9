//! Credentials from login files, and from the helper programs that they name.

use std::time::Duration;

use serde::Deserialize;

use super::error::OciError;
use super::origin::{CredentialsOrigin, Found};
use super::reference::Repository;
use crate::logins::Credentials;
use crate::logins::{Helper, LoginFile, without_mark};
use sys::http;
use sys::process::{ProcessError, Spec, capture_any};
use sys::world::Env;
use workflow_commands::Secret;

/// The longest answer of a helper, in bytes.
const ANSWER: usize = 1 << 20;

/// How long a helper may take.
const HELPER_LIMIT: Duration = Duration::from_mins(1);

/// The output of a helper (github.com/docker/docker-credential-helpers).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: Option<String>,
    secret: Option<String>,
}

/// The program of a helper or a store (github.com/docker/docker-credential-helpers).
pub(super) fn program(suffix: &str) -> String {
    format!("docker-credential-{suffix}")
}

/// The credentials for a repository in a login file. As in docker, a helper for the host comes before the store, and
/// the store before the file itself. A store that fails is ignored: it may be left over from another machine, and
/// most registries do not need it. `Err` says why the helper or the entry for this host gives no credentials.
pub(super) async fn find(file: &LoginFile, repository: &Repository, env: &Env) -> Result<Found, OciError> {
    let name = repository.to_string();
    let found = |credentials, origin| Found { credentials: Some(credentials), origin };
    let mut nothing = Found::nothing();
    let (suffix, of_host) = match file.helper(&name) {
        Helper::OfHost(suffix) => (Some(suffix), true),
        Helper::OfAll(suffix) => (Some(suffix), false),
        Helper::Nobody => (None, false),
    };
    if let Some(suffix) = suffix {
        let program = program(suffix);
        match ask(&program, repository, env).await {
            Ok(Some(credentials)) => return Ok(found(credentials, CredentialsOrigin::Helper(program))),
            Ok(None) => {}
            Err(reason) if of_host => {
                let registry = repository.registry().to_owned();
                return Err(OciError::Helper { program, registry, reason });
            }
            Err(reason) => nothing.origin = CredentialsOrigin::Failed { program, reason },
        }
    }
    match file.login(&name)? {
        Some(credentials) => Ok(found(credentials, CredentialsOrigin::File(file.path().to_owned()))),
        None => Ok(nothing),
    }
}

/// Asks a helper. `None` if it has no credentials for the registry. The error says why it failed.
async fn ask(program: &str, repository: &Repository, env: &Env) -> Result<Option<Credentials>, String> {
    // The name comes from a file. It must be a program on the PATH, not a path.
    if program.contains('/') {
        return Err("it is not in PATH".to_owned());
    }
    let registry = repository.registry();
    let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    let spec = Spec {
        input: Secret::new(server),
        output_limit: ANSWER,
        ..Spec::new(program, ["get"], "/", env.clone())
    };
    let answer = capture_any(&spec, HELPER_LIMIT).await.map_err(|error| match error {
        ProcessError::Missing { .. } => "it is not in PATH".to_owned(),
        ProcessError::TimedOut { limit, .. } => format!("it took longer than {} s", limit.as_secs()),
        error => error.to_string(),
    })?;
    if !answer.succeeded() {
        let words = format!("{} {}", String::from_utf8_lossy(&answer.stdout).trim(), answer.stderr.trim());
        // The message "credentials not found in native keychain" means that there are none. It belongs on stdout,
        // but some helpers write it elsewhere.
        return if words.contains("credentials not found") { Ok(None) } else { Err(http::words(&words)) };
    }
    let helped: Helped = serde_json::from_slice(without_mark(&answer.stdout))
        .map_err(|_| "its answer is not the expected JSON".to_owned())?;
    let secret = helped.secret.unwrap_or_default();
    // Some helpers print nothing if they have no credentials.
    Ok((!secret.is_empty()).then(|| Credentials::of(&helped.username.unwrap_or_default(), &secret)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::Keyring;

    #[expect(clippy::unnecessary_wraps, reason = "what it is compared with is an option")]
    fn password(username: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password { username: username.into(), password: Secret::new(password) })
    }

    /// The logins of a home directory with this `config.json` and with the shell script `docker-credential-test` as
    /// a helper.
    fn home(config: &str, helper: &str) -> (tempfile::TempDir, Keyring) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".docker")).unwrap();
        fs::write(home.path().join(".docker/config.json"), config).unwrap();
        let program = home.path().join("docker-credential-test");
        fs::write(&program, format!("#!/bin/sh\n{helper}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let keyring = Keyring::from_env(&env(home.path())).unwrap();
        (home, keyring)
    }

    fn env(home: &Path) -> Env {
        let (path, home) = (format!("{}:/usr/bin:/bin", home.display()), home.to_str().unwrap());
        [("PATH", path.as_str()), ("HOME", home), ("XDG_RUNTIME_DIR", home), ("MARK", "kept")]
            .into_iter()
            .collect()
    }

    async fn find(keyring: &Keyring, repository: &str) -> Result<Found, OciError> {
        keyring.find(&repository.parse().unwrap()).await
    }

    async fn credentials(keyring: &Keyring, repository: &str) -> Option<Credentials> {
        find(keyring, repository).await.unwrap().credentials
    }

    const HELPER: &str = r#"read -r host || true
        case "$host" in
          none.io) echo "nobody asks for this one"; exit 2;;
          void.io) echo "credentials not found in native keychain"; exit 1;;
          aside.io) echo "Error: credentials not found in native keychain" >&2; exit 1;;
          blank.io) printf '{"ServerURL":"","Username":"","Secret":""}';;
          null.io) printf '{"Username":null,"Secret":null}';;
          mark.io) printf '\357\273\277{"Username":"u","Secret":"m"}\n';;
          token.io) printf '{"Username":"<token>","Secret":"t"}';;
          bad.io) echo "token expired" >&2; exit 1;;
          odd.io) echo "secret but no json";;
          *) printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' "$host" "$MARK" "$host";;
        esac"#;

    #[tokio::test]
    async fn asks_helpers_with_the_host_on_stdin() {
        let logins: Vec<_> = ["none.io", "void.io", "aside.io", "blank.io", "null.io", "bad.io"]
            .map(|host| format!(r#""{host}": {{"auth": "dTpw"}}"#))
            .into();
        let config = format!(
            r#"{{"auths": {{{}, "r.io": {{}}}}, "credsStore": "test", "credHelpers": {{"none.io": "", "gone.io": "absent",
                "odd.io": "test", "late.io/bad": "../evil"}}}}"#,
            logins.join(",")
        );
        let (_kept, keyring) = home(&config, HELPER);
        for (repository, expected) in [
            ("r.io/x", password("kept", "r.io")),
            ("alpine", password("kept", "https://index.docker.io/v1/")),
            ("none.io/x", password("u", "p")),
            ("void.io/x", password("u", "p")),
            ("aside.io/x", password("u", "p")),
            ("blank.io/x", password("u", "p")),
            ("null.io/x", password("u", "p")),
            ("bad.io/x", password("u", "p")),
            ("mark.io/x", password("u", "m")),
            ("token.io/x", Some(Credentials::Identity(Secret::new("t")))),
        ] {
            assert_eq!(credentials(&keyring, repository).await, expected, "{repository}");
        }
        for (repository, expected) in [
            ("odd.io/x", "not the expected JSON"),
            ("gone.io/x", "not in PATH"),
            ("late.io/bad", "not in PATH"),
        ] {
            let error = find(&keyring, repository).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_store_that_fails_is_named_and_stops_nothing() {
        for (store, repository, why) in
            [("absent", "r.io/x", "it is not in PATH"), ("test", "bad.io/x", "token expired")]
        {
            let (_kept, keyring) = home(&format!(r#"{{"credsStore": "{store}"}}"#), HELPER);
            let found = find(&keyring, repository).await.unwrap();
            assert_eq!(found.credentials, None);
            let expected = format!("no credentials: docker-credential-{store} failed: {why}");
            assert_eq!(found.origin.to_string(), expected);
        }
    }

    #[tokio::test]
    async fn the_files_of_podman_come_before_docker_s() {
        let docker =
            r#"{"auths": {"a.io": {"auth": "dTpk"}, "b.io": {"auth": "dTpk"}, "c.io": {"auth": "dTpk"}}}"#;
        let (home, _) = home(docker, "exit 1");
        let write = |path: &str, text: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            ".config/containers/auth.json",
            r#"{"auths": {"a.io/team": {"auth": "dTpj"}, "b.io": {"auth": "dTpj"}}}"#,
        );
        write("containers/auth.json", r#"{"auths": {"b.io": {"auth": "dTpy"}, "c.io": null}}"#);
        write("one.json", r#"{"auths": {"b.io": {"auth": "dTpv"}}}"#);
        let keyring = Keyring::from_env(&env(home.path())).unwrap();
        for (repository, expected) in
            [("a.io/team/x", "c"), ("a.io/x", "d"), ("b.io/x", "r"), ("c.io/x", "d")]
        {
            assert_eq!(credentials(&keyring, repository).await, password("u", expected), "{repository}");
        }
        let mut env = env(home.path());
        env.set("REGISTRY_AUTH_FILE", home.path().join("one.json"));
        let keyring = Keyring::from_env(&env).unwrap();
        for (repository, expected) in [("a.io/team/x", "d"), ("b.io/x", "o")] {
            assert_eq!(credentials(&keyring, repository).await, password("u", expected), "{repository}");
        }
    }
}
