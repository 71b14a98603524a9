//! Debian's `docker-registry` (Distribution 2.8) on a free port of loopback.
//!
//! ```ignore
//! let registry = DockerRegistry::start();
//! let image = format!("{}/shop/app:1.2.3", registry.host());
//! ```

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The user of a registry that asks for one.
pub(crate) const USER: &str = "gate";
/// Its password.
pub(crate) const PASSWORD: &str = "gate-password";
/// As `htpasswd -nbB -C 4` makes it; the lowest cost, for each request pays it.
const HTPASSWD: &str = "gate:$2y$04$Jfa5EhItOa4M3daOc4MrG.NE.7PEhOCBCMgsLPDSyuMohM3fSBmdG\n";

/// A registry with a directory of its own. It stops, and the directory goes, when this is dropped.
pub(crate) struct DockerRegistry {
    process: Child,
    host: String,
    directory: tempfile::TempDir,
}

impl DockerRegistry {
    /// A registry that anyone may read and write.
    pub(crate) fn start() -> Self {
        Self::serve(|_| None)
    }

    /// A registry that asks for [`USER`] and [`PASSWORD`] (Basic).
    pub(crate) fn start_with_login() -> Self {
        Self::serve(|directory| {
            let path = directory.join("htpasswd");
            std::fs::write(&path, HTPASSWD).unwrap();
            Some(json!({"htpasswd": {"realm": "test", "path": path}}))
        })
    }

    /// A registry that takes tokens for the service `test` from `realm` that the issuer `test` signed
    /// with the key of this certificate.
    pub(crate) fn start_with_tokens(realm: &str, certificate: &str) -> Self {
        Self::serve(|directory| {
            let path = directory.join("roots.pem");
            std::fs::write(&path, certificate).unwrap();
            Some(
                json!({"token": {"realm": realm, "service": "test", "issuer": "test", "rootcertbundle": path}}),
            )
        })
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The tags of a repository, without those that stand in for the referrers API.
    pub(crate) fn versions(&self, repository: &str) -> Vec<String> {
        let mut tags = self.tags(repository);
        tags.retain(|tag| !tag.starts_with("sha256-"));
        tags
    }

    /// What skopeo calls the digest of a tag, `shop/test/web:1.2.4` say.
    pub(crate) fn digest(&self, image: &str) -> String {
        let output = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", "--creds"])
            .arg(format!("{USER}:{PASSWORD}"))
            .arg(format!("docker://{}/{image}", self.host))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "skopeo inspect {image}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Where it keeps a blob, to damage or remove it behind its back.
    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.storage().join("docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// Where it notes that a repository has a blob.
    pub(crate) fn link_path(&self, repository: &str, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let repositories = self.storage().join("docker/registry/v2/repositories");
        repositories.join(repository).join("_layers/sha256").join(hex).join("link")
    }

    /// The tags of a repository, as they are on disk; none when there is no such repository.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let repositories = self.storage().join("docker/registry/v2/repositories");
        let Ok(entries) = std::fs::read_dir(repositories.join(repository).join("_manifests/tags")) else {
            return Vec::new();
        };
        let mut tags: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        tags.sort();
        tags
    }

    fn storage(&self) -> PathBuf {
        storage(self.directory.path())
    }

    fn serve(auth: impl FnOnce(&Path) -> Option<Value>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = json!({
            "version": 0.1,
            "storage": {
                "filesystem": {"rootdirectory": storage(directory.path())},
                "delete": {"enabled": true}
            },
            "http": {"addr": "127.0.0.1:0"},
            // Foreign layers, and where they may be.
            "validation": {"manifests": {"urls": {"allow": ["^https://layers.example/"]}}}
        });
        if let Some(auth) = auth(directory.path()) {
            config["auth"] = auth;
        }
        let path = directory.path().join("config.yml");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry (Debian's package of that name): {error}"));
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = String::new();
        let host = log
            .find_map(|line| {
                before.push_str(&line);
                before.push('\n');
                let (_, rest) = line.split_once("listening on ")?;
                Some(rest.split(['"', ' ', ',']).next()?.to_owned())
            })
            .unwrap_or_else(|| panic!("docker-registry did not start:\n{before}"));
        // Its log goes on; a full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, host, directory }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn storage(directory: &Path) -> PathBuf {
    directory.join("storage")
}
