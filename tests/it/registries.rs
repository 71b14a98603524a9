//! Registries as a user meets them on the command line: whose login is used, plain HTTP, and what is pulled.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use ::oci::image::Platform;
use ::oci::{OCI_INDEX, Repository};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use crate::oci::{Builder, client, repository};
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};
use crate::support::gate::{Gate, MAKEFILE};

/// Logs the user of a gate in to a host, with podman's own file.
fn log_in(gate: &Gate, host: &str) {
    let directory = gate.home().join(".config/containers");
    fs::create_dir_all(&directory).unwrap();
    let logins = json!({"auths": {"broken.example": {"auth": "!"}, "void.example": null,
        host: {"auth": STANDARD.encode(format!("{USER}:{PASSWORD}"))}}});
    fs::write(directory.join("auth.json"), logins.to_string()).unwrap();
}

#[test]
fn a_login_of_podman_s_works_for_all_commands() {
    let registry = DockerRegistry::start_with_login();
    let gate = Gate::local(MAKEFILE).file("site/index.html", "hello");
    let image = format!("{}/shop/site", registry.host());
    let refused = gate.run(&["image", "push", "site", &format!("{image}:1.0.0")]);
    assert!(refused.ended(69).stderr.contains("no credentials"), "{}", refused.stderr);
    log_in(&gate, registry.host());
    gate.run(&["image", "push", "site", &format!("{image}:1.0.0")]).passed();
    gate.run(&["copy", &format!("{image}:1.0.0"), &format!("{image}-copy:1.0.0")]).passed();
    assert_eq!(gate.run(&["latest", &format!("{image}-copy")]).passed().stdout, "1.0.0\n");
    gate.run(&["image", "pull", &format!("{image}-copy:1.0.0"), "out"]).passed();
    assert_eq!(fs::read_to_string(gate.workspace().join("out/index.html")).unwrap(), "hello");
    // The gate itself, from its look at the registry to the promotion.
    let registry = format!("{}/shop", registry.host());
    gate.run(&["fast-feedback", "--registry", &registry]).passed();
}

#[test]
fn a_registry_without_tls_is_reached_where_it_is_named() {
    let registry = DockerRegistry::start_with_login();
    // The registry answers for any host whose requests it is sent.
    let host = "zot.ci.svc.cluster.local:5000";
    let gate = Gate::local(MAKEFILE)
        .file("site/index.html", "hello")
        .env("HTTP_PROXY", format!("http://{}", registry.host()));
    log_in(&gate, host);
    let image = format!("{host}/shop/site:1.0.0");
    let named = ["--insecure-registries", "*.svc.cluster.local, registry.tools:80"];
    let run = |words: &[&str]| gate.run(&[words, &named].concat());
    run(&["image", "push", "site", &image]).passed();
    run(&["copy", &image, &format!("{host}/shop/copy:1.0.0")]).passed();
    assert_eq!(run(&["latest", &format!("{host}/shop/copy")]).passed().stdout, "1.0.0\n");
    run(&["verify", &image]).passed();
    run(&["image", "pull", &image, "out"]).passed();
    // The recipes of a gate use `p2p image push`, and are told of the registry too.
    run(&["fast-feedback", "--registry", &format!("{host}/shop")]).passed();

    let wide =
        gate.run(&["image", "digest", &image, "--insecure-registries", "*.example.com .cluster.local"]);
    let warning = "warning: `insecure-registries`: *.example.com covers public hosts";
    assert!(wide.passed().stderr.contains(warning), "{}", wide.stderr);
    for words in
        [["image", "digest", &image].as_slice(), &["plan", "fast-feedback"], &["latest", "r.example/shop"]]
    {
        let wrong = gate.run(&[words, &["--insecure-registries", "http://r.lan"]].concat());
        let expected = "`insecure-registries` names \"http://r.lan\", which is not a host";
        assert!(wrong.ended(64).stderr.contains(expected), "{}", wrong.stderr);
    }
}

/// A layer of these files, as tar.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(bytes).unwrap();
    zipped.finish().unwrap().into()
}

fn zstd(bytes: &[u8]) -> Bytes {
    compress_to_vec(bytes, CompressionLevel::Fastest).into()
}

fn entry(digest: &::oci::Digest, size: usize, more: &Value) -> Value {
    let mut entry = json!({"mediaType": ::oci::OCI_MANIFEST, "digest": digest, "size": size});
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

/// An index of indexes under the tag `1`, with an image for this platform in one of them, and under the tag
/// `others` an index with none.
async fn push_nested(at: &Repository) {
    let client = client();
    let builder = Builder { client: &client, at };
    let ours = Platform::default();
    let right = builder
        .image(
            &ours.architecture,
            &[zstd(&tar(&[("a", b"1"), ("b", b"1")])), gzip(&tar(&[("b", b"2"), (".wh.a", b"")]))],
        )
        .await;
    let wrong = builder.image("other", &[gzip(&tar(&[("wrong", b"")]))]).await;
    let platform = |architecture: &str| json!({"platform": {"os": "linux", "architecture": architecture}});
    let attestation = json!({"platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    let list =
        |manifests: Vec<Value>| json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let inner = builder
        .push(
            &list(vec![
                entry(&wrong.digest, wrong.bytes.len(), &attestation),
                entry(&right.digest, right.bytes.len(), &platform(&ours.architecture)),
            ]),
            None,
        )
        .await;
    let others = builder
        .push(&list(vec![entry(&wrong.digest, wrong.bytes.len(), &platform("s390x"))]), Some("others"))
        .await;
    let index = json!({"mediaType": OCI_INDEX});
    builder
        .push(
            &list(vec![
                entry(&wrong.digest, wrong.bytes.len(), &platform("s390x")),
                entry(&others.digest, others.bytes.len(), &index),
                entry(&inner.digest, inner.bytes.len(), &index),
            ]),
            Some("1"),
        )
        .await;
}

/// Runs what pushes; a gate cannot be made where a runtime is.
fn now(work: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(work);
}

#[test]
fn pull_finds_the_image_in_indexes_of_indexes_and_takes_zstd() {
    let registry = DockerRegistry::start();
    let at = repository(registry.host(), "shop/app");
    now(push_nested(&at));
    let gate = Gate::local(MAKEFILE).file("out/mine", "kept").file("out/b", "old");
    gate.run(&["image", "pull", &format!("{at}:1"), "out"]).passed();
    let mut names: Vec<_> = listing(&gate.workspace().join("out"));
    names.sort();
    assert_eq!(names, ["b", "mine"]);
    assert_eq!(fs::read_to_string(gate.workspace().join("out/b")).unwrap(), "2");

    let none = gate.run(&["image", "pull", &format!("{at}:others"), "new/place"]);
    let expected =
        format!("it has no image for linux/{}, only for linux/s390x", Platform::default().architecture);
    assert!(none.ended(1).stderr.contains(&expected), "{}", none.stderr);
    assert!(!gate.workspace().join("new").exists());
}

fn listing(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Images with a layer of a few bytes that unpacks to four megabytes, one for each compression.
async fn push_bombs(at: &Repository) {
    let client = client();
    let builder = Builder { client: &client, at };
    let zeros = vec![0; 4 << 20];
    let first = gzip(&tar(&[("dir/first", b"unpacked before the bomb")]));
    for (tag, bomb) in
        [("gzip", gzip(&tar(&[("zeros", &zeros)]))), ("zstd", zstd(&tar(&[("zeros", &zeros)])))]
    {
        assert!(bomb.len() < 100_000);
        let image = builder.image("amd64", &[first.clone(), bomb]).await;
        builder.tag(&image, tag).await;
    }
}

#[test]
fn an_image_that_unpacks_to_too_much_leaves_nothing_behind() {
    let registry = DockerRegistry::start();
    let at = repository(registry.host(), "shop/bomb");
    now(push_bombs(&at));
    let gate = Gate::local(MAKEFILE).file("there/mine", "kept");
    for tag in ["gzip", "zstd"] {
        for place in ["new/place", "there"] {
            let run = gate.run(&["image", "pull", &format!("{at}:{tag}"), place, "--max-size", "1MiB"]);
            let expected = "error: the image unpacks to more than 1048576 bytes";
            assert!(run.ended(1).stderr.contains(expected), "{}", run.stderr);
            assert!(run.stderr.contains("--max-size"), "{}", run.stderr);
        }
        assert!(!gate.workspace().join("new").exists());
        assert_eq!(listing(&gate.workspace().join("there")), ["mine"]);
    }
    gate.run(&["image", "pull", &format!("{at}:zstd"), "there", "--max-size", "8MiB"]).passed();
    assert_eq!(fs::metadata(gate.workspace().join("there/zeros")).unwrap().len(), 4 << 20);
    let wrong = gate.run(&["image", "pull", &format!("{at}:zstd"), "there", "--max-size", "much"]);
    assert!(wrong.ended(64).stderr.contains("`--max-size much`"), "{}", wrong.stderr);
}
