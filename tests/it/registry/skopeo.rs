//! skopeo copies images in and out: a client that we did not write.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::registry::{Account, Auth};
use ::oci::Digest;
use ::oci::image::{PackOptions, Packed, Platform, pack};
use ::workflow_commands::Secret;
use serde_json::{Value, json};

use super::{INDEX, MANIFEST, Registry};

/// Runs skopeo away from the thread that serves it.
async fn skopeo(args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let run = move || Command::new("skopeo").args(args).output().unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[track_caller]
fn passed(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An OCI layout with an index of two platforms under the tag `1`; gives the index's bytes.
fn layout(directory: &Path) -> Vec<u8> {
    let content = tempfile::tempdir().unwrap();
    fs::write(content.path().join("app"), vec![1; 100_000]).unwrap();
    fs::set_permissions(content.path().join("app"), fs::Permissions::from_mode(0o755)).unwrap();
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
    let children: Vec<Value> = ["amd64", "arm64"]
        .iter()
        .map(|architecture| {
            let platform = Platform { os: "linux".to_owned(), architecture: (*architecture).to_owned() };
            let options = PackOptions { platform, ..PackOptions::default() };
            let image: Packed = pack(content.path(), content.path().parent().unwrap(), &options).unwrap();
            put(&image.config);
            put(&image.manifest);
            put(&fs::read(&image.layer).unwrap());
            let descriptor = image.manifest_descriptor;
            json!({"mediaType": MANIFEST, "digest": descriptor.digest, "size": descriptor.size,
                "platform": {"os": "linux", "architecture": architecture}})
        })
        .collect();
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).to_string().into_bytes();
    put(&index);
    let top = json!({"mediaType": INDEX, "digest": Digest::of(&index).as_str(), "size": index.len(),
        "annotations": {"org.opencontainers.image.ref.name": "1"}});
    let top = json!({"schemaVersion": 2, "manifests": [top]});
    fs::write(directory.join("index.json"), top.to_string()).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    index
}

#[tokio::test]
async fn an_index_goes_in_and_out_unchanged() {
    let registry = Registry::start().await;
    let (source, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let index = layout(source.path());
    let from = format!("oci:{}:1", source.path().display());
    let image = |name: &str| format!("docker://{}/{name}", registry.server.address());
    let (first, second) = (image("shop/test/api:1.0.0"), image("shop/prod/api:1.0.0"));
    let copy = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let run = async |from: &str, to: &str| passed(skopeo(&[&copy[..], &[from, to]].concat()).await);
    run(&from, &first).await;
    run(&first, &second).await;
    let raw = passed(skopeo(&["inspect", "--tls-verify=false", "--raw", &second]).await);
    assert_eq!(raw, index);
    let out = format!("oci:{}:1", back.path().display());
    run(&second, &out).await;
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory.join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(back.path()), names(source.path()));

    let arm = ["inspect", "--tls-verify=false", "--override-arch=arm64", "--override-os=linux", &second];
    let arm: Value = serde_json::from_slice(&passed(skopeo(&arm).await)).unwrap();
    assert_eq!(arm["Architecture"], "arm64");
    assert_eq!(arm["RepoTags"], json!(["1.0.0"]));
    passed(skopeo(&["delete", "--tls-verify=false", &second]).await);
    assert!(!skopeo(&["inspect", "--tls-verify=false", &second]).await.status.success());
    passed(skopeo(&["inspect", "--tls-verify=false", "--raw", &first]).await);
}

#[tokio::test]
async fn images_of_docker_s_kind_go_in_and_out() {
    let registry = Registry::start().await;
    let (source, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    layout(source.path());
    let image = format!("docker://{}/a:docker", registry.server.address());
    let from = format!("oci:{}:1", source.path().display());
    let (arch, os) = ("--override-arch=amd64", "--override-os=linux");
    passed(skopeo(&["copy", arch, os, "--format=v2s2", "--dest-tls-verify=false", &from, &image]).await);
    let kind = registry.ask("HEAD", "/v2/a/manifests/docker").await.is(200, "");
    assert_eq!(kind.header("content-type"), super::DOCKER_MANIFEST);
    let out = format!("dir:{}", back.path().display());
    passed(skopeo(&["copy", arch, os, "--src-tls-verify=false", &image, &out]).await);
    let manifest = fs::read(back.path().join("manifest.json")).unwrap();
    assert_eq!(kind.header("docker-content-digest"), Digest::of(&manifest).as_str());
}

#[tokio::test]
async fn skopeo_gets_its_tokens_here() {
    let accounts = vec![Account::of_all("admin", Secret::new("p:w"))];
    let auth = Auth::Token { accounts, lifetime: Duration::from_mins(1) };
    let registry = Registry::with(|options| options.auth = Some(auth)).await;
    let source = tempfile::tempdir().unwrap();
    let index = layout(source.path());
    let image = format!("docker://{}/a:1", registry.server.address());
    let from = format!("oci:{}:1", source.path().display());
    let to = ["copy", "--all", "--dest-tls-verify=false"];
    let without = [&to[..], &["--dest-no-creds", &from, &image]].concat();
    assert!(!skopeo(&without).await.status.success());
    let with = [&to[..], &["--dest-creds=admin:p:w", &from, &image]].concat();
    passed(skopeo(&with).await);
    let raw = ["inspect", "--tls-verify=false", "--raw", "--creds=admin:p:w", &image];
    assert_eq!(passed(skopeo(&raw).await), index);
}
