//! A Sigstore instance on loopback, and two verifiers that are not ours.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ::attestation::{Services, TrustRoot};
use ::sys::retry::{Policy, Retrying, Watcher};
use ::workflow_commands::{Secret, Secrets};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p2p::edges::google::IdTokenRequest;
use p2p::gate::record::{Credential, Signing, SigningSettings};
use serde_json::{Value, json};

/// Fulcio, Rekor, CT log and timestamp authority; see `sigstore/server.js` for what they can do wrong.
pub(crate) struct Sigstore {
    directory: tempfile::TempDir,
    process: Child,
    url: String,
}

impl Sigstore {
    #[must_use]
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = node("server.js").arg(directory.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        std::io::BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "the instance did not start: {url:?}");
        Self { directory, process, url: url.trim().to_owned() }
    }

    /// The base URL of services that do `wrong`; an empty text does nothing wrong.
    pub(crate) fn url(&self, wrong: &str) -> String {
        if wrong.is_empty() { self.url.clone() } else { format!("{}/{wrong}", self.url) }
    }

    /// The services, with hardly any time between two tries.
    pub(crate) fn services(&self) -> Services {
        let quick = std::time::Duration::from_millis(1);
        let policy = Policy { attempts: 4, base: quick, cap: quick, ..Policy::default() };
        Services {
            fulcio: self.url(""),
            rekor: Some(self.url("")),
            timestamps: None,
            retrying: Retrying { policy, ..Retrying::default() },
        }
    }

    /// What a job with `id-token: write` has in its environment, whose tokens have these claims.
    pub(crate) fn job(&self, claims: &Value) -> [(&'static str, String); 2] {
        let claims = URL_SAFE_NO_PAD.encode(with(claims).to_string());
        [
            (
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                format!("{}?api-version=2.0", self.url(&format!("oidc/{claims}"))),
            ),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token".to_owned()),
        ]
    }

    /// What signs records in such a job, by services that do `wrong`.
    pub(crate) fn signing(&self, claims: &Value, wrong: &str) -> Signing {
        let (fulcio, rekor) = (self.url(wrong), Some(self.url(wrong)));
        let settings = SigningSettings {
            services: Some(Services { fulcio, rekor, ..self.services() }),
            root: Some(self.root()),
            ..SigningSettings::default()
        };
        Signing {
            settings,
            credential: Credential::Job(IdTokenRequest::of(&self.job(claims).into_iter().collect())),
            watcher: Watcher::default(),
            secrets: Secrets::default(),
            must: true,
            made: tokio::sync::Mutex::default(),
        }
    }

    /// The keys of an environment that name this instance; its services do `wrong`.
    pub(crate) fn keys(&self, wrong: &str) -> Value {
        json!({
            "sigstore-fulcio-url": self.url(wrong),
            "sigstore-rekor-url": self.url(wrong),
            "sigstore-trust-root": self.root_file(),
        })
    }

    /// What verifiers trust.
    pub(crate) fn root(&self) -> TrustRoot {
        TrustRoot::parse(&std::fs::read_to_string(self.root_file()).unwrap()).unwrap()
    }

    pub(crate) fn root_file(&self) -> PathBuf {
        self.directory.path().join("trusted_root.json")
    }

    /// The same without logs, as for GitHub's own instance.
    pub(crate) fn root_without_logs(&self) -> PathBuf {
        self.directory.path().join("trusted_root_without_logs.json")
    }

    /// All requests so far, one a line.
    pub(crate) fn requests(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("requests.txt")).unwrap_or_default()
    }

    /// What two verifiers that are not ours say of bundles: whether each bundle verifies. The second verifier knows only
    /// instances with a log.
    pub(crate) fn judged(&self, root: &Path, bundles: &[Vec<u8>]) -> Vec<Vec<bool>> {
        let mut verifiers = vec![node("verify.js")];
        if root == self.root_file() {
            verifiers.push(python("verify.py"));
        }
        verifiers.into_iter().map(|verifier| judged(verifier, root, bundles)).collect()
    }
}

/// What a verifier that is not ours says of bundles that a key signed.
pub(crate) fn judged_by_key(public: &str, bundles: &[Vec<u8>]) -> Vec<bool> {
    let file = tempfile::Builder::new().suffix(".pem").tempfile().unwrap();
    std::fs::write(file.path(), public).unwrap();
    judged(node("verify.js"), file.path(), bundles)
}

/// Whether each bundle verifies.
fn judged(mut verifier: Command, root: &Path, bundles: &[Vec<u8>]) -> Vec<bool> {
    let directory = tempfile::tempdir().unwrap();
    let file = |(number, bundle): (usize, &Vec<u8>)| {
        let file = directory.path().join(format!("bundle-{number}.json"));
        std::fs::write(&file, bundle).unwrap();
        file
    };
    let files: Vec<_> = bundles.iter().enumerate().map(file).collect();
    let output = verifier.arg(root).args(&files).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = said.lines().map(|line| line == "ok").collect();
    assert_eq!(verdicts.len(), files.len(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    verdicts
}

impl Drop for Sigstore {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn node(script: &str) -> Command {
    tool("node", ("NODE_PATH", "sigstore/node_modules"), script)
}

fn python(script: &str) -> Command {
    tool("python3", ("PYTHONPATH", "sigstore-python"), script)
}

/// A script beside this file, with packages that `scripts/tools` installs.
fn tool(program: &str, (variable, packages): (&str, &str), script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("target/tools").join(packages);
    assert!(packages.is_dir(), "{} is missing: run scripts/tools", packages.display());
    let mut command = Command::new(program);
    command.arg(root.join("tests/it/support/sigstore").join(script)).env(variable, packages);
    command
}

/// An id token of a job of acme/shop on main, for Sigstore, with some claims changed.
pub(crate) fn id_token(changes: &Value) -> Secret {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    Secret::new(format!("{}.{}.c2lnbmVk", part(&json!({"alg": "RS256"})), part(&with(changes))))
}

/// The claims of such a token.
fn with(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://token.actions.githubusercontent.com",
        "aud": "sigstore",
        "sub": "repo:acme/shop:ref:refs/heads/main",
        "repository": "acme/shop",
        "repository_id": "42",
        "repository_owner": "acme",
        "repository_owner_id": "7",
        "repository_visibility": "public",
        "ref": "refs/heads/main",
        "sha": "5a".repeat(20),
        "event_name": "push",
        "workflow": "gate",
        "workflow_ref": "acme/shop/.github/workflows/gate.yaml@refs/heads/main",
        "workflow_sha": "5a".repeat(20),
        "job_workflow_ref": "acme/shop/.github/workflows/gate.yaml@refs/heads/main",
        "job_workflow_sha": "5a".repeat(20),
        "run_id": "1001",
        "run_attempt": "1",
        "runner_environment": "github-hosted",
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims
}
