//! Blobs: uploads of every kind, ranges, mounts, and repositories that are kept apart.

use ::oci::Digest;

use super::{Registry, got};

#[tokio::test]
async fn a_chunked_upload_can_be_asked_and_resumed() {
    let registry = Registry::start().await;
    let begun = registry.ask("POST", "/v2/shop/api/blobs/uploads/").await.is(202, "");
    let location = begun.header("location").to_owned();
    assert_eq!(begun.header("range"), "0-0");
    let patch = |range: &'static str, body: &'static str| {
        let request = registry.request("PATCH", &location).header("content-range", range);
        async move { got(request.body(body)).await.unwrap() }
    };
    let first = patch("0-4", "01234").await.is(202, "");
    assert_eq!(first.header("range"), "0-4");
    assert_eq!(first.header("location"), location);
    // The same again, or a gap: the answer says where to go on.
    for range in ["0-4", "6-10"] {
        let refused = patch(range, "01234").await.is(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(refused.header("range"), "0-4");
        assert_eq!(refused.header("location"), location);
    }
    patch("5-6", "567").await.is(400, "SIZE_INVALID");
    patch("nonsense", "567").await.is(400, "BLOB_UPLOAD_INVALID");
    let status = registry.ask("GET", &location).await.is(204, "");
    assert_eq!(status.header("range"), "0-4");
    got(registry.request("PATCH", &location).body("56")).await.unwrap().is(202, "");
    let digest = Digest::of(b"0123456789");
    let end = format!("{location}?digest={digest}");
    let done = got(registry.request("PUT", &end).header("content-range", "7-9").body("789")).await.unwrap();
    let done = done.is(201, "");
    assert_eq!(done.header("location"), format!("/v2/shop/api/blobs/{digest}"));
    assert_eq!(done.header("docker-content-digest"), digest.as_str());
    assert_eq!(registry.ask("GET", done.header("location")).await.is(200, "").body, b"0123456789");
    registry.ask("GET", &location).await.is(404, "BLOB_UPLOAD_UNKNOWN");
    registry.ask("PUT", &end).await.is(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn an_upload_can_be_asked_while_it_runs_and_after_it_broke() {
    let registry = Registry::start().await;
    let location = registry.ask("POST", "/v2/a/blobs/uploads/").await.header("location").to_owned();
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<&'static str>>(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let patch = registry.request("PATCH", &location).body(reqwest::Body::wrap_stream(pieces));
    let patch = tokio::spawn(got(patch));
    sender.send(Ok("01234")).await.unwrap();
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while registry.ask("GET", &location).await.is(204, "").header("range") != "0-4" {
        assert!(tokio::time::Instant::now() < until, "the bytes never came");
        tokio::task::yield_now().await;
    }
    sender.send(Err(std::io::Error::other("the client breaks off"))).await.unwrap();
    assert!(patch.await.unwrap().is_err());
    let end = format!("{location}?digest={}", Digest::of(b"0123456789"));
    got(registry.request("PUT", &end).header("content-range", "5-9").body("56789"))
        .await
        .unwrap()
        .is(201, "");
}

#[tokio::test]
async fn an_upload_ends_without_a_blob_where_the_digest_is_wrong() {
    let registry = Registry::start().await;
    let (right, wrong) = (Digest::of(b"right"), Digest::of(b"wrong"));
    let begin = async || registry.ask("POST", "/v2/a/blobs/uploads/").await.header("location").to_owned();
    let put = async |location: &str, query: &str| {
        got(registry.request("PUT", &format!("{location}{query}")).body("right")).await.unwrap()
    };
    let location = begin().await;
    put(&location, "").await.is(400, "DIGEST_INVALID");
    put(&location, "?digest=sha512:00").await.is(400, "DIGEST_INVALID");
    let lied = put(&location, &format!("?digest={wrong}")).await.is(400, "DIGEST_INVALID");
    assert_eq!(lied.json()["errors"][0]["detail"]["actual"], right.as_str());
    registry.ask("GET", &location).await.is(404, "BLOB_UPLOAD_UNKNOWN");

    let path = format!("/v2/a/blobs/uploads/?digest={wrong}");
    got(registry.request("POST", &path).body("right")).await.unwrap().is(400, "DIGEST_INVALID");
    for digest in [&right, &wrong] {
        registry.ask("HEAD", &format!("/v2/a/blobs/{digest}")).await.is(404, "");
    }

    let location = begin().await;
    let elsewhere = location.replace("/v2/a/", "/v2/b/");
    registry.ask("PATCH", &elsewhere).await.is(404, "BLOB_UPLOAD_UNKNOWN");
    registry.ask("DELETE", &location).await.is(204, "");
    registry.ask("PATCH", &location).await.is(404, "BLOB_UPLOAD_UNKNOWN");
    // Nothing of it stays on the disk.
    let left = registry.root.path().join("temporary").read_dir().unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn part_of_a_blob_can_be_asked_for() {
    let registry = Registry::start().await;
    let content: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    let digest = registry.push_blob("a", &content).await;
    let path = format!("/v2/a/blobs/{digest}");
    let head = registry.ask("HEAD", &path).await.is(200, "");
    assert_eq!((head.header("content-length"), head.header("accept-ranges")), ("700000", "bytes"));
    let range = async |range: &str| got(registry.request("GET", &path).header("range", range)).await.unwrap();
    let middle = range("bytes=1000-600000").await.is(206, "");
    assert_eq!(middle.header("content-range"), "bytes 1000-600000/700000");
    assert_eq!(middle.body, &content[1000..=600_000]);
    let rest = range("bytes=699990-").await.is(206, "");
    assert_eq!(rest.body, &content[699_990..]);
    assert_eq!(range("bytes=-5").await.is(206, "").body, &content[699_995..]);
    assert_eq!(range("nonsense").await.is(200, "").body, content);
    let outside = range("bytes=700000-").await.is(416, "");
    assert_eq!(outside.header("content-range"), "bytes */700000");
    let other = registry.request("GET", &path).header("range", "bytes=0-1").header("if-range", "\"other\"");
    assert_eq!(got(other).await.unwrap().is(200, "").body, content);
}

#[tokio::test]
async fn repositories_are_kept_apart_until_a_blob_is_mounted() {
    let registry = Registry::start().await;
    let digest = registry.push_blob("a/one", b"shared").await;
    let (one, two) = (format!("/v2/a/one/blobs/{digest}"), format!("/v2/a/two/blobs/{digest}"));
    registry.ask("HEAD", &two).await.is(404, "");
    registry.ask("GET", &format!("/v2/a/blobs/{digest}")).await.is(404, "BLOB_UNKNOWN");
    let mount = async |query: &str| registry.ask("POST", &format!("/v2/a/two/blobs/uploads/?{query}")).await;
    // From nowhere, from where it is not, and of something else: an upload, that works.
    let other = Digest::of(b"other");
    for query in
        [format!("mount={digest}"), format!("mount={digest}&from=b"), format!("mount={other}&from=a/one")]
    {
        let begun = mount(&query).await.is(202, "");
        registry.ask("GET", begun.header("location")).await.is(204, "");
    }
    registry.ask("HEAD", &two).await.is(404, "");
    let mounted = mount(&format!("mount=sha256%3A{}&from=a%2Fone", digest.hex())).await.is(201, "");
    assert_eq!(mounted.header("location"), two);
    mount(&format!("mount={digest}&from=a/one")).await.is(201, "");
    registry.ask("DELETE", &one).await.is(202, "");
    registry.ask("DELETE", &one).await.is(404, "BLOB_UNKNOWN");
    registry.ask("GET", &one).await.is(404, "BLOB_UNKNOWN");
    assert_eq!(registry.ask("GET", &two).await.is(200, "").body, b"shared");
}

#[tokio::test]
async fn a_registry_that_does_not_mount_takes_an_upload() {
    let registry = Registry::with(|options| options.mounts = false).await;
    let digest = registry.push_blob("a", b"x").await;
    registry.ask("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a")).await.is(202, "");
    registry.ask("HEAD", &format!("/v2/b/blobs/{digest}")).await.is(404, "");
}

#[tokio::test]
async fn what_is_no_name_is_refused() {
    let registry = Registry::start().await;
    registry.ask("POST", "/v2/A/blobs/uploads/").await.is(400, "NAME_INVALID");
    registry.ask("GET", "/v2/a/..%2f..%2fetc/tags/list").await.is(400, "NAME_INVALID");
    registry.ask("GET", "/v2/a/blobs/sha256:zz").await.is(400, "DIGEST_INVALID");
    registry.ask("PUT", "/v2/a/tags/list").await.is(405, "UNSUPPORTED");
    registry.ask("GET", "/token").await.is(404, "NAME_UNKNOWN");
    registry.ask("GET", "/v2/").await.is(200, "");
}
