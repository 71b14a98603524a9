//! Whole copies, as they should go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ::oci::{
    Arrival, CopyListener, CopyOptions, CopyProgress, DOCKER_LIST, DOCKER_MANIFEST, Digest, OCI_INDEX,
    OCI_MANIFEST, OciError, OnExisting, TagOrDigest, Tally,
};
use ::sys::error::Help;
use serde_json::json;

use super::{
    Builder, CONFIG, LAYER, assert_whole, client, descriptor, noise, options, repository, shop, tag,
};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front};

#[tokio::test]
async fn between_registries_every_byte_moves_once() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let destination = repository(to.host(), "extended-test/app");
    let image = shop(&client, &source).await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&events);
    let listener = CopyListener::new(move |event| list.lock().unwrap().push(event));
    let tags = ["1.2.3".to_owned(), "latest".to_owned()];
    let options = CopyOptions { listener, ..options() };
    let report = client.copy(&source.digest(&image.digest), &destination, &tags, &options).await.unwrap();

    let contents = image.contents().unwrap();
    let config = contents.blobs[0].size;
    assert_eq!(report.digest, image.digest);
    assert_eq!(report.moved, Tally { blobs: 4, bytes: 370_010 + config });
    assert_eq!((report.mounted, report.skipped, report.foreign), Default::default());
    assert_eq!((report.manifests, report.unchanged), (2, false));
    assert_whole(&destination, "1.2.3", &image).await;
    assert_whole(&destination, "latest", &image).await;

    let events = events.lock().unwrap();
    let found = events.iter().rev().find(|event| matches!(event, CopyProgress::Found { .. }));
    assert_eq!(found, Some(&CopyProgress::Found { blobs: 4, bytes: 370_010 + config }));
    let done: Vec<_> =
        events.iter().filter(|e| matches!(e, CopyProgress::Done { how: Arrival::Moved, .. })).collect();
    assert_eq!(done.len(), 4);
    let largest = &contents.blobs[1];
    let whole =
        CopyProgress::Moving { digest: largest.digest.clone(), size: largest.size, done: largest.size };
    assert!(events.contains(&whole));
}

#[tokio::test]
async fn within_a_registry_no_byte_moves() {
    let registry = DockerRegistry::start();
    let client = client();
    let image = shop(&client, &repository(registry.host(), "test/app")).await;
    let front = Front::start(registry.host(), |_| Act::Pass).await;
    let (source, destination) =
        (repository(front.host(), "test/app"), repository(front.host(), "extended-test/app"));
    let report = client
        .copy(&source.digest(&image.digest), &destination, &["1.2.3".into()], &options())
        .await
        .unwrap();
    assert_eq!((report.mounted.blobs, report.moved.blobs, report.skipped.blobs), (4, 0, 0));
    assert_whole(&repository(registry.host(), "extended-test/app"), "1.2.3", &image).await;
    // The tag and the manifest are looked at, a mount a blob, the manifest is written, and read back.
    let lines: Vec<_> = front.seen().iter().map(super::super::support::front::Seen::line).collect();
    assert_eq!(lines.len(), 2 + 4 + 2, "{lines:#?}");
}

#[tokio::test]
async fn what_is_there_is_not_moved_again() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let front = Front::start(to.host(), |_| Act::Pass).await;
    let destination = repository(front.host(), "prod/app");
    let image = shop(&client, &source).await;
    client.copy(&source.digest(&image.digest), &destination, &["1".into()], &options()).await.unwrap();

    let before = front.seen().len();
    let report =
        client.copy(&source.digest(&image.digest), &destination, &["1".into()], &options()).await.unwrap();
    assert!(report.unchanged);
    assert_eq!((report.manifests, report.moved, report.skipped), Default::default());
    assert_eq!(front.seen().len() - before, 1);

    let report =
        client.copy(&source.digest(&image.digest), &destination, &["2".into()], &options()).await.unwrap();
    assert_eq!((report.unchanged, report.skipped.blobs, report.moved.blobs), (false, 4, 0));
    assert_whole(&repository(to.host(), "prod/app"), "2", &image).await;

    // A new name in the same repository is two manifests: one read, one written.
    let report = client
        .copy(&destination.digest(&image.digest), &destination, &["3".into()], &options())
        .await
        .unwrap();
    assert_eq!((report.manifests, report.skipped, report.mounted), (1, Tally::default(), Tally::default()));
    assert_whole(&repository(to.host(), "prod/app"), "3", &image).await;
}

#[tokio::test]
async fn all_platforms_come_along_children_first() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let builder = Builder { client: &client, at: &source };
    let shared = noise(9, 5000);
    let amd64 = builder.image("amd64", &[shared.clone(), noise(1, 100_000)]).await;
    let arm64 = builder.image("arm64", &[shared, noise(2, 100_000)]).await;
    let index = builder.index(&[&amd64, &arm64]).await;
    let outer = builder.index(&[&index, &amd64]).await;
    for same_registry in [false, true] {
        let host = if same_registry { from.host() } else { to.host() };
        let destination = repository(host, "prod/app");
        let report = client
            .copy(&source.digest(&outer.digest), &destination, &["outer".into()], &options())
            .await
            .unwrap();
        assert_eq!(report.manifests, 4);
        assert_eq!(report.moved.blobs + report.mounted.blobs, 5);
        assert_eq!(report.mounted.blobs > 0, same_registry);
        // skopeo knows no nested indexes, but the inner one by itself.
        client.push_manifest(&destination, &index, &tag("inner")).await.unwrap();
        assert_whole(&destination, "inner", &index).await;
        for child in [&amd64, &arm64, &index, &outer] {
            let there =
                client.manifest(&destination, &TagOrDigest::Digest(child.digest.clone())).await.unwrap();
            assert_eq!(&there, child);
        }
    }
}

#[tokio::test]
async fn docker_types_and_artifacts_stay_what_they_are() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let destination = repository(to.host(), "prod/app");
    let builder = Builder { client: &client, at: &source };
    let config = json!({"architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(noise(1, 1000))]}});
    let config =
        builder.blob("application/vnd.docker.container.image.v1+json", config.to_string().into()).await;
    let layer = builder.blob("application/vnd.docker.image.rootfs.diff.tar.gzip", noise(1, 1000)).await;
    let docker =
        json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [layer]});
    let docker = builder.push(&docker, None).await;
    let mut entry = json!(docker.descriptor());
    entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [entry]});
    let list = builder.push(&list, None).await;
    let chart = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": builder.blob("application/vnd.cncf.helm.config.v1+json", "{}".into()).await,
        "layers": [builder.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", noise(2, 100)).await]});
    let chart = builder.push(&chart, None).await;
    for (image, tag) in [(&list, "list"), (&chart, "chart")] {
        client.copy(&source.digest(&image.digest), &destination, &[tag.into()], &options()).await.unwrap();
        let raw = format!("docker://{destination}:{tag}");
        let raw = super::skopeo(&["inspect", "--raw", "--tls-verify=false", &raw]).await.unwrap();
        assert_eq!(raw, image.bytes);
        let there = client.resolve(&destination, &super::tag(tag)).await.unwrap().unwrap();
        assert_eq!(there, image.descriptor());
    }
    assert_whole(&destination, "list", &list).await;
}

#[tokio::test]
async fn foreign_layers_stay_where_they_are() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let destination = repository(to.host(), "prod/app");
    let builder = Builder { client: &client, at: &source };
    let foreign = json!({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": Digest::of("base").as_str(), "size": 4, "urls": ["https://layers.example/base"]});
    let config = builder.blob(CONFIG, "{}".into()).await;
    let image = json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config,
        "layers": [foreign, builder.blob(LAYER, noise(1, 100)).await]});
    let image = builder.push(&image, None).await;
    let report =
        client.copy(&source.digest(&image.digest), &destination, &["1".into()], &options()).await.unwrap();
    assert_eq!((report.foreign, report.moved.blobs), (Tally { blobs: 1, bytes: 4 }, 2));
    assert_eq!(client.manifest(&destination, &tag("1")).await.unwrap(), image);
}

#[tokio::test]
async fn an_index_may_name_blobs() {
    // What a build cache is: an index whose entries are layers.
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "cache"));
    let builder = Builder { client: &client, at: &source };
    let layer = builder.blob(LAYER, noise(1, 1000)).await;
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [layer]});
    let index = ::oci::Manifest::new(index.to_string().into(), None);
    // This registry checks the entries of an index, so that this one must stand before it.
    let digest = index.digest.clone();
    let text = String::from_utf8(index.bytes.to_vec()).unwrap();
    let front = Front::start(from.host(), move |seen| {
        if seen.line() == format!("GET /v2/cache/manifests/{digest}") {
            return Act::Answer(200, vec![("content-type", OCI_INDEX.into())], text.clone());
        }
        Act::Pass
    })
    .await;
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let digest = index.digest.clone();
    let behind = Front::start(to.host(), move |seen| {
        let known = vec![
            ("docker-content-digest", digest.to_string()),
            ("content-length", "1".into()),
            ("content-type", OCI_INDEX.into()),
        ];
        match (seen.method.as_str(), seen.uri.path()) {
            ("PUT", "/v2/cache/manifests/1") => {
                count.fetch_add(1, Ordering::Relaxed);
                Act::Answer(201, vec![], String::new())
            }
            ("HEAD", "/v2/cache/manifests/1") if count.load(Ordering::Relaxed) > 0 => {
                Act::Answer(200, known, String::new())
            }
            _ => Act::Pass,
        }
    })
    .await;
    let destination = repository(behind.host(), "cache");
    let from = repository(front.host(), "cache");
    let report =
        client.copy(&from.digest(&index.digest), &destination, &["1".into()], &options()).await.unwrap();
    assert_eq!((report.moved, report.manifests), (Tally { blobs: 1, bytes: 1000 }, 1));
    assert!(client.has_blob(&repository(to.host(), "cache"), &descriptor(&layer)).await.unwrap());
}

#[tokio::test]
async fn a_tag_in_use_does_not_move_unless_told_to() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let destination = repository(to.host(), "prod/app");
    let old = shop(&client, &destination).await;
    let new = Builder { client: &client, at: &source }.image("amd64", &[noise(7, 100)]).await;
    let tags = ["1.2.3".to_owned()];
    let error = client.copy(&source.digest(&new.digest), &destination, &tags, &options()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OciError::Taken { .. }), "{text}");
    assert!(text.contains(old.digest.as_str()) && text.contains(new.digest.as_str()), "{text}");
    assert!(error.help().unwrap().contains("on-existing: overwrite"));
    assert!(!client.has_blob(&destination, &new.contents().unwrap().blobs[1]).await.unwrap());

    let options = CopyOptions { on_existing: OnExisting::Overwrite, ..options() };
    client.copy(&source.digest(&new.digest), &destination, &tags, &options).await.unwrap();
    assert_whole(&destination, "1.2.3", &new).await;
}

#[tokio::test]
async fn a_tag_that_somebody_else_writes_meanwhile_is_seen() {
    let registry = DockerRegistry::start();
    let (client, source) = (client(), repository(registry.host(), "test/app"));
    let image = shop(&client, &source).await;
    let other = Builder { client: &client, at: &source }.image("amd64", &[noise(7, 100)]).await;
    let written = AtomicU64::new(0);
    let (path, elsewhere) = ("/v2/prod/app/manifests/1", format!("/v2/test/app/manifests/{}", other.digest));
    let front = Front::start(registry.host(), move |seen| match (seen.method.as_str(), seen.uri.path()) {
        ("PUT", at) if at == path => {
            written.fetch_add(1, Ordering::Relaxed);
            Act::Pass
        }
        ("HEAD" | "GET", at) if at == path && written.load(Ordering::Relaxed) > 0 => {
            Act::Rewrite(elsewhere.clone())
        }
        _ => Act::Pass,
    })
    .await;
    let (from, to) = (repository(front.host(), "test/app"), repository(front.host(), "prod/app"));
    let error = client.copy(&from.digest(&image.digest), &to, &["1".into()], &options()).await.unwrap_err();
    let OciError::Moved { expected, found, .. } = &error else { unreachable!("{error}") };
    assert_eq!((expected, found.as_ref()), (&image.digest, Some(&other.digest)));
}

#[tokio::test]
async fn a_large_layer_streams_through() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let destination = repository(to.host(), "prod/app");
    let layers: Vec<_> = (0..40).map(|seed| noise(seed, 20_000)).chain([noise(99, 24_000_000)]).collect();
    let image = Builder { client: &client, at: &source }.image("amd64", &layers).await;
    let options = CopyOptions { concurrency: 3, ..options() };
    let report =
        client.copy(&source.digest(&image.digest), &destination, &["1".into()], &options).await.unwrap();
    assert_eq!(report.moved.blobs, 42);
    assert_whole(&destination, "1", &image).await;
}
