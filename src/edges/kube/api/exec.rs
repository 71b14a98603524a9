//! Programs that print credentials: `exec` of a kubeconfig's user
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use sys::http::words;
use sys::process::{ProcessError, Spec, capture};
use sys::world::Env;
use workflow_commands::Secret;

/// The time limit of a program. It may send requests to a cloud, but cannot ask the user.
const LIMIT: Duration = Duration::from_mins(1);

/// A program to run.
#[derive(Debug)]
pub(super) struct Exec {
    command: String,
    arguments: Vec<String>,
    /// Additional variables. They may be secret.
    variables: Vec<(String, Secret)>,
    /// The value of `KUBERNETES_EXEC_INFO`.
    info: Json,
    hint: Option<String>,
}

/// The credential that a program printed.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) token: Option<Secret>,
    /// A certificate and its key in PEM.
    pub(super) certificate: Option<Secret>,
    /// When it expires. Without a time, it is used until it is refused.
    pub(super) until: Option<Timestamp>,
}

impl Exec {
    /// Reads the entry. Programs with `provideClusterInfo` get the `cluster`.
    pub(super) fn of(exec: &Map<String, Json>, cluster: &Map<String, Json>) -> Result<Self, ApiError> {
        let text = |key| exec.get(key).and_then(Json::as_str).filter(|text: &&str| !text.is_empty());
        let list = |key| exec.get(key).and_then(Json::as_array).into_iter().flatten();
        let command = text("command").unwrap_or_default().to_owned();
        if text("interactiveMode") == Some("Always") {
            return Err(ApiError::Exec {
                command,
                reason: "it wants somebody to answer it (interactiveMode: Always)".to_owned(),
                hint: None,
            });
        }
        let mut spec = json!({ "interactive": false });
        if exec.get("provideClusterInfo") == Some(&Json::Bool(true)) {
            spec["cluster"] = message(cluster);
        }
        let version = text("apiVersion").unwrap_or("client.authentication.k8s.io/v1");
        Ok(Self {
            command,
            arguments: list("args").filter_map(Json::as_str).map(str::to_owned).collect(),
            variables: list("env")
                .filter_map(|pair| {
                    let part = |key| pair.get(key).and_then(Json::as_str);
                    Some((part("name")?.to_owned(), Secret::new(part("value").unwrap_or_default())))
                })
                .collect(),
            info: json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec }),
            hint: text("installHint").map(str::to_owned),
        })
    }

    /// The program's name, for messages.
    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// Runs the program in p2p's environment, without a terminal.
    pub(super) async fn run(&self, env: &Env) -> Result<Credential, ApiError> {
        let mut env = env.clone();
        for (name, value) in &self.variables {
            env.set(name, value.expose());
        }
        env.set("KUBERNETES_EXEC_INFO", self.info.to_string());
        let spec =
            Spec { shown: Some(self.command.clone()), ..Spec::new(&self.command, &self.arguments, ".", env) };
        let output = capture(&spec, LIMIT).await.map_err(|error| self.failed(error))?;
        let failed = |reason: &str| ApiError::Exec {
            command: self.command.clone(),
            reason: reason.to_owned(),
            hint: None,
        };
        // The output is secret, so errors do not quote it.
        let made: Json = serde_json::from_slice(&output.stdout)
            .map_err(|_| failed("it did not print an ExecCredential in JSON"))?;
        Credential::of(&made).ok_or_else(|| failed("its ExecCredential holds no credential"))
    }

    fn failed(&self, error: ProcessError) -> ApiError {
        let (reason, hint) = match error {
            ProcessError::Missing { .. } => ("it is not installed".to_owned(), self.hint.clone()),
            ProcessError::Start { source, .. } => (source.to_string(), self.hint.clone()),
            ProcessError::Failed { ended, stderr, .. } => (format!("it {ended}: {}", words(&stderr)), None),
            ProcessError::TimedOut { .. } => ("it did not end within a minute".to_owned(), None),
            other => (words(&other.to_string()), None),
        };
        ApiError::Exec { command: self.command.clone(), reason, hint }
    }
}

/// The cluster in the form for programs.
fn message(cluster: &Map<String, Json>) -> Json {
    let mut message = Map::new();
    let keys =
        ["server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url"];
    for key in keys {
        message.extend(cluster.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    let extensions = cluster.get("extensions").and_then(Json::as_array).into_iter().flatten();
    let own = |entry: &&Json| entry["name"] == "client.authentication.k8s.io/exec";
    if let Some(entry) = extensions.into_iter().find(own) {
        message.insert("config".to_owned(), entry["extension"].clone());
    }
    Json::Object(message)
}

impl Credential {
    fn of(made: &Json) -> Option<Self> {
        let text = |key| made["status"][key].as_str().filter(|text| !text.is_empty());
        let certificate = text("clientCertificateData")
            .zip(text("clientKeyData"))
            .map(|(certificate, key)| Secret::new(format!("{certificate}\n{key}")));
        let token = text("token").map(Secret::new);
        if token.is_none() && certificate.is_none() {
            return None;
        }
        let until = text("expirationTimestamp").and_then(|text| text.parse().ok());
        Some(Self { token, certificate, until })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn exec(json: Json) -> Exec {
        let cluster = json!({"server": "https://k", "certificate-authority-data": "Q0E=", "other": 1});
        Exec::of(&serde_json::from_value(json).unwrap(), cluster.as_object().unwrap()).unwrap()
    }

    fn env() -> Env {
        Env::of_process()
    }

    #[tokio::test]
    async fn a_program_is_told_the_occasion_and_gives_a_token() {
        let script = r#"test "$WHO" = me || exit 3
            case "$KUBERNETES_EXEC_INFO" in *'"server":"https://k"'*) ;; *) exit 4 ;; esac
            case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 5 ;; esac
            case "$KUBERNETES_EXEC_INFO" in *other*) exit 6 ;; esac
            printf '{"kind":"ExecCredential","status":{"token":"%s","expirationTimestamp":"2030-01-01T00:00:00Z"}}' "$1""#;
        let credential = exec(json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "sh",
            "args": ["-c", script, "sh", "t0"], "env": [{"name": "WHO", "value": "me"}],
            "provideClusterInfo": true, "interactiveMode": "IfAvailable"
        }))
        .run(&env())
        .await
        .unwrap();
        assert_eq!(credential.token, Some(Secret::new("t0")));
        assert_eq!(credential.until, Some("2030-01-01T00:00:00Z".parse().unwrap()));
        assert!(credential.certificate.is_none());
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said_and_what_was_printed_is_not() {
        let message = |script: &'static str| async move {
            exec(json!({"command": "sh", "args": ["-c", script]})).run(&env()).await.unwrap_err().to_string()
        };
        assert_eq!(
            message("echo s3cret; echo no login >&2; exit 2").await,
            "the credential program `sh` of the kubeconfig failed: it failed with exit code 2: no login"
        );
        assert!(message("echo s3cret").await.ends_with("it did not print an ExecCredential in JSON"));
        assert!(message(r#"echo '{"status":{"s3cret":1}}'"#).await.ends_with("holds no credential"));
        let absent = exec(json!({"command": "no-such-program", "installHint": "apt install it"}));
        assert!(matches!(
            absent.run(&env()).await.unwrap_err(),
            ApiError::Exec { hint: Some(hint), .. } if hint == "apt install it"
        ));
        let asks: Map<String, Json> =
            serde_json::from_value(json!({"command": "x", "interactiveMode": "Always"})).unwrap();
        assert!(Exec::of(&asks, &Map::new()).is_err());
    }
}
