//! The configuration and the manifest of an image as JSON, always in the same order.

use std::collections::BTreeMap;

use serde::Serialize;

use super::descriptor::BlobDescriptor;
use super::{CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE};

/// The settings of a packed image. Only the default platform depends on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackOptions {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments, which can be replaced when the image runs.
    pub cmd: Vec<String>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// The directory in which the program starts.
    pub working_dir: Option<String>,
    /// The user: `user`, `uid`, `user:group` or `uid:gid`.
    pub user: Option<String>,
    /// Labels, in the config.
    pub labels: BTreeMap<String, String>,
    /// Annotations, in the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The media type of an artifact that is not a program (Terraform modules, a static site).
    pub artifact_type: Option<String>,
    pub platform: Platform,
    /// The creation time, and the time of every file. The default is the epoch, because the current time would
    /// change the digest. Callers usually pass `SOURCE_DATE_EPOCH`.
    pub created: jiff::Timestamp,
}

/// An operating system and an architecture, with Go's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `linux`, `darwin`, …
    pub os: String,
}

/// The platform of this machine.
impl Default for Platform {
    fn default() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: os.to_owned() }
    }
}

/// The bytes of the configuration (image specification, "OCI Image Configuration").
pub(super) fn config(options: &PackOptions, diff_id: &str) -> serde_json::Result<Vec<u8>> {
    let env = options.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let created = options.created.to_string();
    serde_json::to_vec(&Config {
        created: &created,
        platform: &options.platform,
        execution: Execution {
            user: options.user.as_deref(),
            env,
            entrypoint: &options.entrypoint,
            cmd: &options.cmd,
            working_dir: options.working_dir.as_deref(),
            labels: &options.labels,
        },
        rootfs: RootFs { kind: "layers", diff_ids: [diff_id] },
        history: [History { created: &created, created_by: "p2p image" }],
    })
}

/// The bytes of the manifest (image specification, "OCI Image Manifest").
pub(super) fn manifest(
    options: &PackOptions,
    config: &BlobDescriptor,
    layer: &BlobDescriptor,
) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE,
        artifact_type: options.artifact_type.as_deref(),
        config: Entry { media_type: CONFIG_TYPE, digest: &config.digest, size: config.size },
        layers: [Entry { media_type: LAYER_TYPE, digest: &layer.digest, size: layer.size }],
        annotations: &options.annotations,
    })
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    #[serde(flatten)]
    platform: &'a Platform,
    #[serde(rename = "config")]
    execution: Execution<'a>,
    rootfs: RootFs<'a>,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    diff_ids: [&'a str; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    config: Entry<'a>,
    layers: [Entry<'a>; 1],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
}
