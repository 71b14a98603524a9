//! Registries: ours against Debian's docker-registry, judged by skopeo.

mod access;
mod content;
mod copies;
mod faults;
mod odd;
mod referrers;
mod renewal;
mod tokens;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::oci::{
    Client, Content, CopyOptions, Descriptor, Digest, Manifest, OCI_INDEX, OCI_MANIFEST, Repository,
    Settings, TagOrDigest,
};
use ::sys::retry::{Policy, Retry, Watcher};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A client that waits milliseconds where a real one waits seconds.
pub(crate) fn settings() -> Settings {
    let policy =
        Policy { base: Duration::from_millis(1), cap: Duration::from_millis(5), ..Policy::default() };
    Settings { policy, stall: Duration::from_secs(10), ..Settings::default() }
}

pub(crate) fn client() -> Client {
    Client::new(settings())
}

/// A client, and the tries that it repeated.
fn watched(settings: Settings) -> (Client, Arc<Mutex<Vec<Retry>>>) {
    let message = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&message);
    let watcher = Watcher::new(move |again| list.lock().unwrap().push(again));
    (Client::new(Settings { watcher, ..settings }), message)
}

pub(crate) fn repository(host: &str, name: &str) -> Repository {
    format!("{host}/{name}").parse().unwrap()
}

pub(crate) fn tag(text: &str) -> TagOrDigest {
    TagOrDigest::Tag(text.to_owned())
}

pub(crate) fn options() -> CopyOptions {
    CopyOptions::default()
}

/// Bytes that do not compress and differ by `seed`.
pub(crate) fn noise(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Pushes blobs and manifests without much ado.
pub(crate) struct Builder<'a> {
    pub(crate) client: &'a Client,
    pub(crate) at: &'a Repository,
}

impl Builder<'_> {
    pub(crate) async fn blob(&self, media_type: &str, bytes: Bytes) -> Value {
        let (pushed, _) = self.client.push_blob(self.at, &Content::Bytes(bytes)).await.unwrap();
        json!({"mediaType": media_type, "digest": pushed.digest.as_str(), "size": pushed.size})
    }

    /// An image for one architecture with these layers; under its digest only.
    pub(crate) async fn image(&self, architecture: &str, layers: &[Bytes]) -> Manifest {
        let mut listed = Vec::new();
        for layer in layers {
            listed.push(self.blob(LAYER, layer.clone()).await);
        }
        let config = json!({"architecture": architecture, "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(Digest::of).collect::<Vec<_>>()}});
        let config = self.blob(CONFIG, config.to_string().into()).await;
        self.push(
            &json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": listed}),
            None,
        )
        .await
    }

    pub(crate) async fn index(&self, children: &[&Manifest]) -> Manifest {
        let manifests: Vec<_> = children.iter().map(|child| json!(child.descriptor())).collect();
        self.push(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}), None).await
    }

    pub(crate) async fn push(&self, document: &Value, tag: Option<&str>) -> Manifest {
        // Two blanks: who writes it anew instead of copying its bytes gets another digest.
        let bytes = serde_json::to_string_pretty(document).unwrap();
        let manifest = Manifest::new(bytes.into(), None);
        let which = tag.map_or_else(
            || TagOrDigest::Digest(manifest.digest.clone()),
            |tag| TagOrDigest::Tag(tag.to_owned()),
        );
        self.client.push_manifest(self.at, &manifest, &which).await.unwrap();
        manifest
    }

    pub(crate) async fn tag(&self, manifest: &Manifest, tag: &str) {
        self.client.push_manifest(self.at, manifest, &TagOrDigest::Tag(tag.to_owned())).await.unwrap();
    }
}

/// Two blobs of some size and a small one twice.
pub(crate) async fn shop(client: &Client, at: &Repository) -> Manifest {
    let layers = [noise(1, 300_000), noise(2, 70_000), noise(3, 10), noise(3, 10)];
    let builder = Builder { client, at };
    let image = builder.image("amd64", &layers).await;
    builder.tag(&image, "1.2.3").await;
    image
}

/// Runs skopeo away from the threads that serve it; gives what it printed.
pub(crate) async fn skopeo(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let run = move || {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("skopeo");
        command.env("HOME", home.path()).env_remove("REGISTRY_AUTH_FILE");
        let output = command.arg("--insecure-policy").args(&arguments).output().unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// skopeo finds the very same bytes under the tag, and everything they name.
pub(crate) async fn assert_whole(at: &Repository, tag: &str, expected: &Manifest) {
    let image = format!("docker://{at}:{tag}");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &image]).await.unwrap();
    assert_eq!(raw, expected.bytes);
    let directory = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", directory.path().display());
    skopeo(&["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &image, &to]).await.unwrap();
    assert_eq!(std::fs::read(directory.path().join("manifest.json")).unwrap(), expected.bytes);
}

fn descriptor(value: &Value) -> Descriptor {
    serde_json::from_value(value.clone()).unwrap()
}
