//! Every fault does what it says, to the request it was meant for and to no other.

use std::time::Duration;

use crate::support::registry::{Fault, Faults};
use ::oci::Digest;
use ::registry::{Store, Tag};

use super::{Registry, got};

/// A registry in which `fault` hits the third request.
async fn third(fault: Fault) -> (Registry, String) {
    let faults = Faults::new(move |asked| (asked.number == 3).then(|| fault.clone()));
    let registry = Registry::with(|options| options.faults = Some(faults)).await;
    let digest = registry.push_blob("a", b"content").await;
    registry.ask("GET", "/v2/").await.is(200, "");
    let path = format!("/v2/a/blobs/{digest}");
    (registry, path)
}

#[tokio::test]
async fn a_reset_leaves_no_answer() {
    let (registry, path) = third(Fault::Reset).await;
    let error = got(registry.request("GET", &path)).await.unwrap_err();
    let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let reset = std::io::ErrorKind::ConnectionReset;
    assert!(causes.any(|cause| cause.downcast_ref().is_some_and(|io: &std::io::Error| io.kind() == reset)));
    assert_eq!(registry.ask("GET", &path).await.body, b"content");
    let log = registry.server.log();
    let statuses: Vec<_> = log.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(201), Some(200), None, Some(200)]);
    assert_eq!((log[2].method.as_str(), log[2].path.as_str()), ("GET", path.as_str()));
}

#[tokio::test]
async fn a_stall_answers_nothing_and_holds_up_nobody() {
    let (registry, path) = third(Fault::Stall).await;
    let stalled = got(registry.request("GET", &path));
    let patience = Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, stalled).await.is_err());
    assert_eq!(registry.ask("GET", &path).await.body, b"content");
    let (registry, path) = third(Fault::StallAfter(3)).await;
    let mut response = registry.request("GET", &path).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "con");
    assert!(tokio::time::timeout(patience, response.chunk()).await.is_err());
}

#[tokio::test]
async fn a_status_is_answered_with_its_headers_and_nothing_is_done() {
    let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
    let (registry, path) = third(Fault::Status(429, headers)).await;
    let answer = registry.ask("DELETE", &path).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "7"));
    registry.ask("DELETE", &path).await.is(202, "");

    let (registry, path) = third(Fault::Unauthorized).await;
    let answer = registry.ask("DELETE", &path).await.is(401, "UNAUTHORIZED");
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"registry\"");
    registry.ask("DELETE", &path).await.is(202, "");
}

#[tokio::test]
async fn a_truncated_body_ends_early() {
    for after in [0, 4] {
        let (registry, path) = third(Fault::Truncate(after)).await;
        let mut response = registry.request("GET", &path).send().await.unwrap();
        assert_eq!(response.content_length(), Some(7));
        let mut came = Vec::new();
        let end = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => came.extend_from_slice(&chunk),
                end => break end,
            }
        };
        assert!(end.is_err());
        assert_eq!(came, b"content"[..after]);
    }
}

#[tokio::test]
async fn corruption_changes_bytes_and_nothing_else() {
    let (registry, path) = third(Fault::Corrupt).await;
    let answer = registry.ask("GET", &path).await.is(200, "");
    assert_eq!(answer.body, b"bontent");
    assert_eq!(registry.ask("GET", &path).await.body, b"content");
    // What is pushed is corrupted before it is checked.
    let (registry, _) = third(Fault::Corrupt).await;
    let push = registry.request("POST", &format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b"new")));
    assert_eq!(got(push.body("new")).await.unwrap().status, 400);
}

#[tokio::test]
async fn a_lying_digest_is_another_one() {
    let (registry, path) = third(Fault::LyingDigest).await;
    let answer = registry.ask("HEAD", &path).await.is(200, "");
    let message = answer.header("docker-content-digest").parse::<Digest>().unwrap();
    assert!(!path.ends_with(message.as_str()));
    assert_eq!(
        registry.ask("GET", &path).await.header("docker-content-digest"),
        &path["/v2/a/blobs/".len()..]
    );
}

#[tokio::test]
async fn a_fault_may_move_a_tag_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let behind = Store::open(root.path()).unwrap();
    let (name, tag) = (::registry::RepositoryName::parse("a").unwrap(), Tag::parse("1").unwrap());
    let moved = (name.clone(), tag.clone(), behind.clone());
    let faults = Faults::new(move |asked| {
        let (name, tag, store) = &moved;
        if asked.method == "HEAD" {
            let other = store.tagged(name, &Tag::parse("2").unwrap()).unwrap().unwrap();
            store.tag(name, tag, &other).unwrap();
        }
        None
    });
    let registry = Registry::with(|options| {
        options.root = root.path().to_owned();
        options.faults = Some(faults);
    })
    .await;
    let one = registry.push_image("a", "1", "one").await;
    let two = registry.push_image("a", "2", "two").await;
    assert_eq!(registry.ask("GET", "/v2/a/manifests/1").await.body, one);
    let head = registry.ask("HEAD", "/v2/a/manifests/1").await;
    assert_eq!(head.header("docker-content-digest"), Digest::of(&two).as_str());
    assert_eq!(behind.tagged(&name, &tag).unwrap(), Some(Digest::of(&two)));
}
