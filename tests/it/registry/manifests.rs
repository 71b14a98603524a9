//! Manifests, tags, lists and referrers.

use ::oci::Digest;
use serde_json::{Value, json};

use super::{DOCKER_MANIFEST, INDEX, MANIFEST, Registry, image};

#[tokio::test]
async fn a_manifest_is_kept_byte_for_byte() {
    let registry = Registry::start().await;
    let config = registry.push_blob("a", b"{}").await;
    // Spacing and order as no serialiser would write them.
    let bytes =
        format!("{{ \"layers\":[ ],\n \"config\" : {{\"size\":2,\"digest\":\"{config}\"}} }}\n").into_bytes();
    let digest = Digest::of(&bytes);
    let put = registry.push_manifest("a", "1.0", DOCKER_MANIFEST, &bytes).await.is(201, "");
    assert_eq!(put.header("location"), format!("/v2/a/manifests/{digest}"));
    assert_eq!(put.header("docker-content-digest"), digest.as_str());
    for reference in ["1.0", digest.as_str()] {
        let path = format!("/v2/a/manifests/{reference}");
        let read = registry.ask("GET", &path).await.is(200, "");
        assert_eq!(read.body, bytes);
        assert_eq!(read.header("content-type"), DOCKER_MANIFEST);
        let head = registry.ask("HEAD", &path).await.is(200, "");
        assert_eq!(head.header("docker-content-digest"), digest.as_str());
        assert_eq!(head.header("content-length"), bytes.len().to_string());
    }
    registry.ask("GET", &format!("/v2/b/manifests/{digest}")).await.is(404, "MANIFEST_UNKNOWN");
    let unknown =
        registry.push_manifest("a", "odd", "application/vnd.acme; v=1", b"\xff\x00").await.is(201, "");
    let odd = registry.ask("GET", unknown.header("location")).await.is(200, "");
    assert_eq!(
        (odd.header("content-type"), odd.body.as_slice()),
        ("application/vnd.acme; v=1", &b"\xff\x00"[..])
    );
}

#[tokio::test]
async fn a_manifest_needs_what_it_refers_to() {
    let registry = Registry::start().await;
    let config = registry.push_blob("a", b"{}").await;
    let layer = registry.push_blob("b", b"layer").await;
    let bytes = image(&config, &[&layer]).to_string().into_bytes();
    let refused = registry.push_manifest("a", "1", MANIFEST, &bytes).await.is(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(refused.json()["errors"][0]["detail"]["missing"], json!([layer.as_str()]));
    registry.ask("GET", "/v2/a/manifests/1").await.is(404, "MANIFEST_UNKNOWN");

    let mut foreign = image(&config, &[&layer]);
    foreign["layers"][0]["mediaType"] = json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    registry.push_manifest("a", "1", MANIFEST, foreign.to_string().as_bytes()).await.is(201, "");

    let child = Digest::of(foreign.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": MANIFEST, "digest": child.as_str()}]});
    let index = index.to_string();
    registry.push_manifest("b", "all", INDEX, index.as_bytes()).await.is(400, "MANIFEST_BLOB_UNKNOWN");
    registry.push_manifest("a", "all", INDEX, index.as_bytes()).await.is(201, "");

    let wrong = Digest::of(b"wrong");
    registry.push_manifest("a", wrong.as_str(), MANIFEST, &bytes).await.is(400, "DIGEST_INVALID");
    registry.push_manifest("a", "1", MANIFEST, b"[]").await.is(400, "MANIFEST_INVALID");
    registry.push_manifest("a", "1", INDEX, &bytes).await.is(400, "MANIFEST_INVALID");
    registry.push_manifest("a", "-1", MANIFEST, &bytes).await.is(400, "TAG_INVALID");
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    registry.push_manifest("a", "1", MANIFEST, &large).await.is(413, "MANIFEST_INVALID");
}

#[tokio::test]
async fn tags_move_and_go() {
    let registry = Registry::start().await;
    let old = registry.push_image("a", "latest", "old").await;
    registry.push_manifest("a", "1", MANIFEST, &old).await.is(201, "");
    let new = registry.push_image("a", "latest", "new").await;
    assert_eq!(registry.ask("GET", "/v2/a/manifests/latest").await.body, new);
    assert_eq!(registry.ask("GET", "/v2/a/manifests/1").await.body, old);
    registry.ask("DELETE", "/v2/a/manifests/latest").await.is(202, "");
    registry.ask("GET", "/v2/a/manifests/latest").await.is(404, "MANIFEST_UNKNOWN");
    let path = format!("/v2/a/manifests/{}", Digest::of(&old));
    registry.ask("DELETE", &path).await.is(202, "");
    registry.ask("DELETE", &path).await.is(404, "MANIFEST_UNKNOWN");
    registry.ask("GET", "/v2/a/manifests/1").await.is(404, "MANIFEST_UNKNOWN");
    assert_eq!(registry.ask("GET", "/v2/a/tags/list").await.json()["tags"], json!([]));
    registry.ask("GET", &format!("/v2/a/manifests/{}", Digest::of(&new))).await.is(200, "");
}

/// Follows `Link` to the end; also counts the pages.
async fn pages(registry: &Registry, first: &str, key: &str) -> (Vec<String>, usize) {
    let (mut all, mut count, mut next) = (Vec::new(), 0, first.to_owned());
    while !next.is_empty() {
        let page = registry.ask("GET", &next).await.is(200, "");
        let names = page.json()[key].as_array().unwrap().clone();
        all.extend(names.into_iter().map(|name| name.as_str().unwrap().to_owned()));
        let link = page.header("link");
        let rest = link.strip_prefix('<').map_or("", |link| link.strip_suffix(">; rel=\"next\"").unwrap());
        next = String::from(rest);
        count += 1;
    }
    (all, count)
}

#[tokio::test]
async fn lists_come_in_pages_and_in_order() {
    let registry = Registry::with(|options| options.page = 4).await;
    registry.ask("GET", "/v2/a/tags/list").await.is(404, "NAME_UNKNOWN");
    let manifest = registry.push_image("a", "x", "x").await;
    let mut tags = vec!["x", "1.10.0", "1.9.0", "B", "_", "a", "v2"];
    for tag in &tags {
        registry.push_manifest("a", tag, MANIFEST, &manifest).await.is(201, "");
    }
    tags.sort_unstable();
    assert_eq!(pages(&registry, "/v2/a/tags/list?n=3", "tags").await, (owned(&tags), 3));
    assert_eq!(pages(&registry, "/v2/a/tags/list", "tags").await, (owned(&tags), 2));
    assert_eq!(pages(&registry, "/v2/a/tags/list?last=a", "tags").await.0, ["v2", "x"]);
    registry.ask("GET", "/v2/a/tags/list?n=-1").await.is(400, "PAGINATION_NUMBER_INVALID");

    for name in ["b/c", "b", "a-b", "a/b/d"] {
        registry.push_image(name, "1", "x").await;
    }
    let repositories = pages(&registry, "/v2/_catalog?n=2", "repositories").await;
    assert_eq!(repositories, (owned(&["a", "a-b", "a/b/d", "b", "b/c"]), 3));
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A manifest attached to `subject`.
async fn attach(registry: &Registry, subject: &str, kind: Option<&str>) -> (String, String) {
    let config = registry.push_blob("a", b"{}").await;
    let mut manifest = image(&config, &[]);
    manifest["subject"] = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
    manifest["annotations"] = json!({"kind": kind});
    if let Some(kind) = kind {
        manifest["artifactType"] = json!(kind);
    }
    let bytes = manifest.to_string().into_bytes();
    let digest = Digest::of(&bytes).to_string();
    let put = registry.push_manifest("a", &digest, MANIFEST, &bytes).await.is(201, "");
    (digest, put.header("oci-subject").to_owned())
}

#[tokio::test]
async fn referrers_are_listed_by_what_they_are_attached_to() {
    let registry = Registry::start().await;
    let subject = Digest::of(&registry.push_image("a", "1", "x").await).to_string();
    let list = async |query: &str| -> Vec<Value> {
        let got = registry.ask("GET", &format!("/v2/a/referrers/{subject}{query}")).await.is(200, "");
        assert_eq!(got.header("content-type"), INDEX);
        assert_eq!(got.header("oci-filters-applied"), if query.is_empty() { "" } else { "artifactType" });
        got.json()["manifests"].as_array().unwrap().clone()
    };
    assert_eq!(list("").await, Vec::<Value>::new());
    let (signature, message) = attach(&registry, &subject, Some("of/signature")).await;
    assert_eq!(message, subject);
    let (plain, _) = attach(&registry, &subject, None).await;
    // What it is attached to may come later.
    let later = Digest::of(b"later").to_string();
    attach(&registry, &later, Some("of/signature")).await;

    let mut digests: Vec<_> = list("").await.iter().map(|entry| entry["digest"].clone()).collect();
    digests.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(signature), json!(plain)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(digests, expected);
    let found = list("?artifactType=of%2Fsignature").await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["digest"], signature);
    assert_eq!(found[0]["annotations"], json!({"kind": "of/signature"}));
    assert_eq!(list("?artifactType=application/vnd.acme.config").await[0]["digest"], plain);
    registry.ask("DELETE", &format!("/v2/a/manifests/{signature}")).await.is(202, "");
    assert_eq!(list("").await.len(), 1);
}

#[tokio::test]
async fn an_old_registry_knows_no_referrers() {
    let registry = Registry::with(|options| options.referrers = false).await;
    let subject = Digest::of(&registry.push_image("a", "1", "x").await).to_string();
    let (_, message) = attach(&registry, &subject, None).await;
    assert_eq!(message, "");
    registry.ask("GET", &format!("/v2/a/referrers/{subject}")).await.is(404, "");
}
