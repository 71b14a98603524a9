//! Copies over networks and registries that fail: the right image, or a clear error and no tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::oci::{CopyListener, CopyOptions, CopyProgress, Manifest, OciError, Settings};

use super::{Builder, assert_whole, client, noise, options, repository, settings, shop, watched};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front, Seen};

type Kind = (&'static str, fn() -> Act);

const KINDS: [Kind; 6] = [
    ("reset", || Act::Reset),
    ("lost answer", || Act::Lose),
    ("500", || Act::Answer(500, vec![], String::new())),
    ("429", || Act::Answer(429, vec![("retry-after", "0".to_owned())], String::new())),
    ("408", || Act::Answer(408, vec![], "<html>".to_owned())),
    ("truncated answer", || Act::Truncate(7)),
];

/// A front with one fault, at the request of this number.
async fn faulty(upstream: &str, position: usize, fault: fn() -> Act) -> (Front, Arc<AtomicUsize>) {
    let number = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&number);
    let rule =
        move |_: &Seen| if count.fetch_add(1, Ordering::Relaxed) == position { fault() } else { Act::Pass };
    (Front::start(upstream, rule).await, number)
}

async fn small(at: &::oci::Repository) -> Manifest {
    Builder { client: &client(), at }.image("amd64", &[noise(1, 3000), noise(2, 20)]).await
}

#[tokio::test]
async fn one_fault_anywhere_at_the_destination_is_survived() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let source = repository(from.host(), "test/app");
    let image = small(&source).await;
    for (number, (kind, fault)) in KINDS.into_iter().enumerate() {
        for position in 0.. {
            let name = format!("k{number}/p{position}");
            let (front, count) = faulty(to.host(), position, fault).await;
            let (client, message) = watched(settings());
            let result = client
                .copy(
                    &source.digest(&image.digest),
                    &repository(front.host(), &name),
                    &["1".into()],
                    &options(),
                )
                .await;
            result.unwrap_or_else(|error| panic!("{kind} at {position}: {error}"));
            assert_eq!(to.tags(&name), ["1"]);
            let copied =
                super::client().manifest(&repository(to.host(), &name), &super::tag("1")).await.unwrap();
            assert_eq!(copied, image);
            if count.load(Ordering::Relaxed) <= position {
                assert!(position > 8, "the fault was never reached");
                break;
            }
            // A truncated answer without a body is whole.
            assert!(
                !message.lock().unwrap().is_empty() || kind == "truncated answer",
                "{kind} at {position}"
            );
        }
    }
}

#[tokio::test]
async fn one_fault_anywhere_at_the_source_is_survived() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let image = small(&repository(from.host(), "test/app")).await;
    let corrupt: Kind = ("corrupted answer", || Act::Corrupt);
    for (number, (kind, fault)) in KINDS.into_iter().chain([corrupt]).enumerate() {
        for position in 0..4 {
            let name = format!("k{number}/p{position}");
            let (front, _) = faulty(from.host(), position, fault).await;
            let (client, message) = watched(settings());
            let (source, at) = (repository(front.host(), "test/app"), repository(to.host(), &name));
            let result = client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await;
            result.unwrap_or_else(|error| panic!("{kind} at {position}: {error}"));
            assert!(!message.lock().unwrap().is_empty(), "{kind} at {position}");
            assert_eq!(client.manifest(&at, &super::tag("1")).await.unwrap(), image);
        }
    }
}

#[tokio::test]
async fn silence_is_given_up_and_tried_again() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let image = small(&repository(from.host(), "test/app")).await;
    for position in [0, 1, 3] {
        let (front, _) = faulty(from.host(), position, || Act::Stall).await;
        let (behind, _) = faulty(to.host(), position + 2, || Act::Stall).await;
        let (client, message) = watched(Settings { stall: Duration::from_millis(300), ..settings() });
        let (source, name) = (repository(front.host(), "test/app"), format!("p{position}"));
        let at = repository(behind.host(), &name);
        client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
        assert!(message.lock().unwrap().iter().any(|again| again.why.contains("nothing moved for 0.3 s")));
        assert_eq!(to.tags(&name), ["1"]);
    }
}

#[tokio::test]
async fn a_registry_that_keeps_failing_gets_no_tag() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let front = Front::start(to.host(), |seen| match seen.method.as_str() {
        "PUT" if seen.uri.path().contains("/blobs/") => Act::Answer(
            503,
            vec![],
            r#"{"errors":[{"code":"UNAVAILABLE","message":"disk full"}]}"#.to_owned(),
        ),
        _ => Act::Pass,
    })
    .await;
    let at = repository(front.host(), "prod/app");
    let error =
        client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, OciError::Refused(_)), "{text}");
    assert!(text.contains("503: UNAVAILABLE disk full") && text.contains("upload of blob sha256:"), "{text}");
    assert!(to.tags("prod/app").is_empty());

    // Longer than we are willing to wait is an error at once.
    let front = Front::start(to.host(), |_| {
        Act::Answer(429, vec![("retry-after", "9999".to_owned())], String::new())
    })
    .await;
    let at = repository(front.host(), "prod/app");
    let error =
        client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err();
    assert!(error.to_string().contains("429"), "{error}");
    assert_eq!(front.seen().len(), 1);
}

#[tokio::test]
async fn blobs_that_are_missing_or_damaged_at_the_source_are_named() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let blob = image.contents().unwrap().blobs[1].digest.clone();
    let path = from.blob_path(blob.as_str());
    let content = std::fs::read(&path).unwrap();
    let at = repository(to.host(), "prod/app");
    let copy = || async {
        client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err()
    };

    let mut other = content.clone();
    other[1000] ^= 1;
    std::fs::write(&path, &other).unwrap();
    let error = copy().await;
    assert!(matches!(&error, OciError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains(&format!("blob {blob} of {source}")), "{error}");

    std::fs::write(&path, &content[..content.len() / 2]).unwrap();
    let error = copy().await;
    assert!(error.to_string().contains(&format!("blob {blob} of {source}")), "{error}");

    std::fs::remove_file(&path).unwrap();
    let error = copy().await;
    assert!(error.is_not_found() && error.to_string().contains(blob.as_str()), "{error}");
    assert!(to.tags("prod/app").is_empty());

    std::fs::write(&path, &content).unwrap();
    client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
    assert_whole(&at, "1", &image).await;
}

#[tokio::test]
async fn a_mount_that_becomes_an_upload_uses_its_session() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "test/app")).await;
    let front = Front::start(registry.host(), |seen| match seen.method.as_str() {
        "POST" => Act::Rewrite(seen.uri.path().to_owned()),
        _ => Act::Pass,
    })
    .await;
    let (from, to) = (repository(front.host(), "test/app"), repository(front.host(), "prod/app"));
    let report = client().copy(&from.digest(&image.digest), &to, &["1".into()], &options()).await.unwrap();
    assert_eq!((report.moved.blobs, report.mounted.blobs), (4, 0));
    let posts = front.seen().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 4);
    assert_whole(&repository(registry.host(), "prod/app"), "1", &image).await;

    // What is there is not moved again for that, and the sessions are given back.
    let before = front.seen().len();
    let report = client().copy(&from.digest(&image.digest), &to, &["2".into()], &options()).await.unwrap();
    assert_eq!((report.skipped.blobs, report.moved.blobs), (4, 0));
    let seen = front.seen().split_off(before);
    let count = |method: &str| {
        seen.iter().filter(|seen| seen.method == method && seen.uri.path().contains("/blobs/")).count()
    };
    assert_eq!((count("PUT"), count("POST")), (0, count("DELETE")));
}

#[tokio::test]
async fn a_mount_that_is_refused_becomes_an_upload() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "test/app")).await;
    for (number, status) in [401, 403, 400, 404, 405, 500, 503].into_iter().enumerate() {
        let front = Front::start(registry.host(), move |seen| {
            if seen.line().contains("mount=") {
                Act::Answer(status, vec![], String::new())
            } else {
                Act::Pass
            }
        })
        .await;
        let name = format!("prod/app{number}");
        let (from, to) = (repository(front.host(), "test/app"), repository(front.host(), &name));
        let report =
            client().copy(&from.digest(&image.digest), &to, &["1".into()], &options()).await.unwrap();
        assert_eq!(report.moved.blobs, 4, "{status}");
        assert_eq!(registry.tags(&name), ["1"]);
    }
}

#[tokio::test]
async fn a_copy_that_is_cut_off_leaves_no_tag_and_is_taken_up_again() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let layers: Vec<_> = (0..12).map(|seed| noise(seed, 50_000)).collect();
    let image = Builder { client: &client, at: &source }.image("amd64", &layers).await;
    let at = repository(to.host(), "prod/app");
    for moved in [1, 3, 6] {
        let (tell, message) = tokio::sync::oneshot::channel();
        let tell = std::sync::Mutex::new((0, Some(tell)));
        let listener = CopyListener::new(move |event| {
            if matches!(event, CopyProgress::Done { .. }) {
                let mut state = tell.lock().unwrap();
                state.0 += 1;
                if state.0 == moved {
                    let _ = state.1.take().unwrap().send(());
                }
            }
        });
        let options = CopyOptions { listener, concurrency: 2, ..options() };
        let (tested, tags) = (source.digest(&image.digest), ["1".to_owned()]);
        tokio::select! {
            biased;
            message = message => message.unwrap(),
            result = client.copy(&tested, &at, &tags, &options) => panic!("{result:?}"),
        }
        assert!(to.tags("prod/app").is_empty());
    }
    let report = client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
    assert!(report.skipped.blobs >= 6, "{report:?}");
    assert_eq!(report.skipped.blobs + report.moved.blobs, 13);
    assert_whole(&at, "1", &image).await;
}
