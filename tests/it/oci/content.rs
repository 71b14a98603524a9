//! Single operations: resolve, manifests, blobs, tags.

use std::sync::atomic::{AtomicUsize, Ordering};

use ::oci::{Content, Descriptor, Digest, Manifest, OCI_MANIFEST, OciError, TagOrDigest};
use serde_json::json;

use super::{Builder, LAYER, client, descriptor, noise, repository, shop, tag, watched};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front};

#[tokio::test]
async fn tags_and_digests_resolve_to_what_was_pushed() {
    let registry = DockerRegistry::start();
    let (client, at) = (client(), repository(registry.host(), "shop/app"));
    assert_eq!(client.resolve(&at, &tag("1.2.3")).await.unwrap(), None);
    let image = shop(&client, &at).await;
    for which in [tag("1.2.3"), TagOrDigest::Digest(image.digest.clone())] {
        assert_eq!(client.resolve(&at, &which).await.unwrap(), Some(image.descriptor()));
        assert_eq!(client.manifest(&at, &which).await.unwrap(), image);
    }
    let gone = Digest::of("nowhere");
    assert_eq!(client.resolve(&at, &TagOrDigest::Digest(gone.clone())).await.unwrap(), None);
    let error = client.manifest(&at, &TagOrDigest::Digest(gone.clone())).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains(gone.as_str()), "{error}");
}

#[tokio::test]
async fn a_registry_that_tells_no_digest_is_asked_for_the_bytes() {
    let registry = DockerRegistry::start();
    let (client, at) = (client(), repository(registry.host(), "app"));
    let image = shop(&client, &at).await;
    let front = Front::start(registry.host(), |seen| match seen.method.as_str() {
        "HEAD" => Act::Answer(200, vec![], String::new()),
        _ => Act::Pass,
    })
    .await;
    let found = client.resolve(&repository(front.host(), "app"), &tag("1.2.3")).await.unwrap();
    assert_eq!(found, Some(image.descriptor()));
    assert_eq!(front.seen().len(), 2);
}

#[tokio::test]
async fn blobs_go_up_from_memory_and_files_and_come_back() {
    let registry = DockerRegistry::start();
    let (client, at) = (client(), repository(registry.host(), "app"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layer");
    for (seed, length) in [(1, 0), (2, 1), (3, 262_144), (4, 3_000_001)] {
        let bytes = noise(seed, length);
        std::fs::write(&path, &bytes).unwrap();
        let content = if seed % 2 == 0 { Content::File(path.clone()) } else { Content::Bytes(bytes.clone()) };
        let (blob, moved) = client.push_blob(&at, &content).await.unwrap();
        assert_eq!((&blob.digest, blob.size, moved), (&Digest::of(&bytes), length as u64, true));
        let (again, moved) = client.push_blob(&at, &content).await.unwrap();
        assert_eq!((again, moved), (blob.clone(), false));
        assert!(client.has_blob(&at, &blob).await.unwrap());
        assert_eq!(client.blob_bytes(&at, &blob, length as u64).await.unwrap(), bytes);
    }
    let error = client.push_blob(&at, &Content::File("/no/such/file".into())).await.unwrap_err();
    assert!(matches!(error, OciError::File { .. }), "{error}");
}

#[tokio::test]
async fn a_blob_that_is_not_what_it_should_be_never_comes_whole() {
    let registry = DockerRegistry::start();
    let (client, at) = (client(), repository(registry.host(), "app"));
    let builder = Builder { client: &client, at: &at };
    let blob = descriptor(&builder.blob(LAYER, noise(1, 500_000)).await);

    let larger = Descriptor { size: blob.size + 1, ..blob.clone() };
    let smaller = Descriptor { size: blob.size - 1, ..blob.clone() };
    for wrong in [larger, smaller] {
        let error = client.blob_bytes(&at, &wrong, 1_000_000).await.unwrap_err();
        assert!(matches!(&error, OciError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(blob.digest.as_str()), "{error}");
    }
    let error = client.blob_bytes(&at, &blob, 1000).await.unwrap_err();
    assert!(matches!(error, OciError::Mismatch { .. }), "{error}");

    std::fs::write(registry.blob_path(blob.digest.as_str()), noise(2, 500_000)).unwrap();
    let mut reader = client.blob(&at, &blob).await.unwrap();
    let mut came = 0;
    let error = loop {
        match reader.chunk().await {
            Ok(Some(chunk)) => came += chunk.len(),
            Ok(None) => unreachable!("the digest is wrong"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, OciError::Mismatch { .. }) && came < 500_000, "{came} {error}");
}

#[tokio::test]
async fn broken_downloads_are_resumed_where_they_broke() {
    let registry = DockerRegistry::start();
    let (plain, at) = (client(), repository(registry.host(), "app"));
    let bytes = noise(1, 1_000_000);
    let blob = descriptor(&Builder { client: &plain, at: &at }.blob(LAYER, bytes.clone()).await);
    let reads = AtomicUsize::new(0);
    let front = Front::start(registry.host(), move |seen| {
        match (seen.reads_blob(), reads.fetch_add(1, Ordering::Relaxed)) {
            (true, 0..=2) => Act::Truncate(300_000),
            (true, 3) => Act::Reset,
            _ => Act::Pass,
        }
    })
    .await;
    let (client, message) = watched(super::settings());
    let got = client.blob_bytes(&repository(front.host(), "app"), &blob, 1_000_000).await.unwrap();
    assert_eq!(got, bytes);
    let ranges: Vec<_> = front.seen().iter().map(|seen| seen.header("range").to_owned()).collect();
    assert_eq!(ranges, ["", "bytes=300000-", "bytes=600000-", "bytes=900000-", "bytes=900000-"]);
    let message = message.lock().unwrap().split_off(0);
    assert_eq!(message.len(), 4);
    assert!(message[0].what.contains(&format!("blobs/{}", blob.digest)), "{:?}", message[0]);

    // A server without ranges sends all of it again.
    let reads = AtomicUsize::new(0);
    let front = Front::start(registry.host(), move |_| match reads.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Truncate(300_000),
        _ => Act::PassWithout("range"),
    })
    .await;
    let got = client.blob_bytes(&repository(front.host(), "app"), &blob, 1_000_000).await.unwrap();
    assert_eq!(got, bytes);
}

#[tokio::test]
async fn a_download_that_never_gets_on_is_given_up() {
    let registry = DockerRegistry::start();
    let (plain, at) = (client(), repository(registry.host(), "app"));
    let blob = descriptor(&Builder { client: &plain, at: &at }.blob(LAYER, noise(1, 100_000)).await);
    let front = Front::start(registry.host(), |_| Act::Truncate(10)).await;
    let error = plain.blob_bytes(&repository(front.host(), "app"), &blob, 100_000).await.unwrap_err();
    assert!(matches!(&error, OciError::Unreachable { .. }), "{error}");
    assert_eq!(front.seen().len(), 6);
}

#[tokio::test]
async fn manifests_that_are_damaged_or_refused_are_errors() {
    let registry = DockerRegistry::start();
    let (client, at) = (client(), repository(registry.host(), "app"));
    let image = shop(&client, &at).await;
    let front = Front::start(registry.host(), |_| Act::Corrupt).await;
    let error = client
        .manifest(&repository(front.host(), "app"), &TagOrDigest::Digest(image.digest.clone()))
        .await
        .unwrap_err();
    assert!(matches!(&error, OciError::Mismatch { .. }), "{error}");
    assert_eq!(front.seen().len(), 2, "damage is tried again once");

    let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": LAYER, "digest": Digest::of("gone").as_str(), "size": 4}, "layers": []});
    let manifest = Manifest::new(document.to_string().into(), None);
    let error = client.push_manifest(&at, &manifest, &tag("bad")).await.unwrap_err();
    let OciError::Refused(answer) = &error else { unreachable!("{error}") };
    assert_eq!(answer.codes, ["MANIFEST_BLOB_UNKNOWN"]);
    assert!(error.to_string().contains("PUT /v2/app/manifests/bad at 127.0.0.1"), "{error}");
    assert_eq!(registry.tags("app"), ["1.2.3"]);
}

#[tokio::test]
async fn tags_come_page_by_page() {
    let registry = DockerRegistry::start();
    let (client, at) = (client(), repository(registry.host(), "shop/app"));
    assert_eq!(client.tags(&at).await.unwrap(), None);
    let image = shop(&client, &at).await;
    let builder = Builder { client: &client, at: &at };
    let mut expected = vec!["1.2.3".to_owned()];
    for number in 0..7 {
        builder.tag(&image, &format!("t{number}")).await;
        expected.push(format!("t{number}"));
    }
    // The registry's order is its own.
    let sorted = |tags: Option<Vec<String>>| tags.map(std::collections::BTreeSet::from_iter);
    assert_eq!(sorted(client.tags(&at).await.unwrap()), sorted(Some(expected.clone())));
    // This registry has no pages: the front makes three of them, whose links a proxy mangled.
    let pages = expected.clone();
    let front = Front::start(registry.host(), move |seen| {
        let last = seen.uri.query().and_then(|query| query.strip_prefix("last="));
        let from = last.map_or(0, |last| pages.iter().position(|tag| tag == last).unwrap() + 1);
        let page = &pages[from..(from + 3).min(pages.len())];
        let body = serde_json::json!({"name": "shop/app", "tags": page}).to_string();
        let next = format!("</proxy/v2/shop/app/tags/list?last={}>; rel=\"next\"", page.last().unwrap());
        let more = from + 3 < pages.len();
        Act::Answer(200, more.then_some(("link", next)).into_iter().collect(), body)
    })
    .await;
    let all = client.tags(&repository(front.host(), "shop/app")).await.unwrap();
    assert_eq!(all, Some(expected));
    assert_eq!(front.seen().len(), 3);
}
