//! Every kind of fault at every request: the right image, or a clear error and no tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::registry::{Account, Auth, Fault, Faults, Options, Server};
use ::oci::{Client, CopyOptions, Manifest, Repository, Settings};
use ::workflow_commands::Secret;

use super::{Embedded, assert_complete};
use crate::oci::{Builder, client, noise, options, repository, settings, tag};

fn kinds() -> Vec<(&'static str, Fault)> {
    let after = vec![("retry-after".to_owned(), "0".to_owned())];
    vec![
        ("reset", Fault::Reset),
        ("broken off in the body", Fault::BreakOff(10)),
        ("answer lost", Fault::BreakOff(usize::MAX)),
        ("stall", Fault::Stall),
        ("stall in the body", Fault::StallAfter(1)),
        ("429", Fault::Status(429, after)),
        ("408", Fault::Status(408, Vec::new())),
        ("500", Fault::Status(500, Vec::new())),
        ("401 in mid-copy", Fault::Unauthorized),
        ("truncated", Fault::Truncate(3)),
        ("corrupted", Fault::Corrupt),
        ("lying digest", Fault::LyingDigest),
    ]
}

/// One fault at the request of this number, from 1, while `Seen` is asked to count.
struct Seen(Arc<AtomicUsize>);

impl Seen {
    /// No fault strikes from now on; whether it struck before.
    fn reached(&self, position: usize) -> bool {
        let seen = self.0.swap(usize::MAX, Ordering::Relaxed);
        seen >= position
    }
}

fn at(position: usize, fault: Fault) -> (Faults, Seen) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let faults = Faults::new(move |asked| {
        let before = count.fetch_max(asked.number, Ordering::Relaxed);
        (before != usize::MAX && asked.number == position).then(|| fault.clone())
    });
    (faults, Seen(seen))
}

async fn small(at: &Repository) -> Manifest {
    let builder = Builder { client: &client(), at };
    let layers = [noise(1, 90_000), noise(2, 20)];
    let (one, two) = (builder.image("amd64", &layers).await, builder.image("arm64", &layers[1..]).await);
    builder.index(&[&one, &two]).await
}

fn impatient() -> Client {
    Client::new(Settings { stall: Duration::from_millis(150), ..settings() })
}

/// The outcome of a copy: right, or an error that leaves no tag.
async fn judge(what: &str, result: Result<(), ::oci::OciError>, destination: &Repository, image: &Manifest) {
    // Asked without the fault, which has struck.
    let there = client().resolve(destination, &tag("1")).await.unwrap();
    match result {
        Ok(()) => {
            assert_eq!(there.unwrap().digest, image.digest, "{what}");
            assert_complete(&client(), destination, &image.digest).await;
        }
        Err(error) => {
            assert!(there.is_none(), "{what}: {error}, and there is a tag");
            let text = error.to_string();
            assert!(text.contains(destination.registry()) || text.contains("127.0.0.1"), "{what}: {text}");
        }
    }
}

async fn copy(
    client: &Client,
    from: &Repository,
    image: &Manifest,
    to: &Repository,
) -> Result<(), ::oci::OciError> {
    let options = CopyOptions { concurrency: 3, ..options() };
    client.copy(&from.digest(&image.digest), to, &["1".into()], &options).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_request_to_the_destination() {
    let from = Embedded::start(None).await;
    let source = repository(&from.host(), "test/app");
    let image = small(&source).await;
    for (kind, fault) in kinds() {
        for position in 1.. {
            let (faults, seen) = at(position, fault.clone());
            let to = Embedded::start(Some(faults)).await;
            let destination = repository(&to.host(), "prod/app");
            let result = copy(&impatient(), &source, &image, &destination).await;
            let reached = seen.reached(position);
            judge(&format!("{kind} at {position}"), result, &destination, &image).await;
            if !reached {
                assert!(position > 12, "{kind}: only {position} requests");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_request_to_the_source() {
    let to = Embedded::start(None).await;
    let plain = tempfile::tempdir().unwrap();
    let maker = Server::start(Options::at(plain.path())).await.unwrap();
    let image = small(&repository(&maker.address().to_string(), "test/app")).await;
    for (number, (kind, fault)) in kinds().into_iter().enumerate() {
        for position in 1.. {
            let (faults, seen) = at(position, fault.clone());
            let options = Options { faults: Some(faults), ..Options::at(plain.path()) };
            let from = Server::start(options).await.unwrap();
            let source = repository(&from.address().to_string(), "test/app");
            let destination = repository(&to.host(), &format!("k{number}/p{position}"));
            let result = copy(&impatient(), &source, &image, &destination).await;
            let reached = seen.reached(position);
            judge(&format!("{kind} at {position}"), result, &destination, &image).await;
            if !reached {
                assert!(position > 6, "{kind}: only {position} requests");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_request_within_one_registry() {
    for mounts in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let maker = Server::start(Options::at(root.path())).await.unwrap();
        let image = small(&repository(&maker.address().to_string(), "test/app")).await;
        for (number, (kind, fault)) in kinds().into_iter().enumerate() {
            for position in 1.. {
                let (faults, seen) = at(position, fault.clone());
                let options = Options { faults: Some(faults), mounts, ..Options::at(root.path()) };
                let server = Server::start(options).await.unwrap();
                let host = server.address().to_string();
                let destination = repository(&host, &format!("k{number}/p{position}"));
                let result = copy(&impatient(), &repository(&host, "test/app"), &image, &destination).await;
                let reached = seen.reached(position);
                judge(&format!("{kind} at {position}, mounts {mounts}"), result, &destination, &image).await;
                if !reached {
                    break;
                }
            }
        }
    }
}

/// With what refers to the image: the tag still comes last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_request_of_a_copy_with_referrers() {
    let from = Embedded::start(None).await;
    let source = repository(&from.host(), "test/app");
    let image = small(&source).await;
    let builder = Builder { client: &client(), at: &source };
    let sbom = serde_json::json!({"schemaVersion": 2, "mediaType": ::oci::OCI_MANIFEST,
        "artifactType": "application/spdx+json", "subject": image.descriptor(), "layers": [],
        "config": builder.blob("application/vnd.oci.empty.v1+json", "{}".into()).await});
    let sbom = builder.push(&sbom, None).await;
    for (kind, fault) in kinds() {
        for position in 1.. {
            let (faults, seen) = at(position, fault.clone());
            // Every other registry has the fallback tag only.
            let api = position % 2 == 0;
            let to = Embedded::with(|options| Options { faults: Some(faults), referrers: api, ..options });
            let to = to.await;
            let destination = repository(&to.host(), "prod/app");
            let what = format!("{kind} at {position}");
            let options = CopyOptions { concurrency: 3, include_referrers: true, ..options() };
            let client = impatient();
            let copied =
                client.copy(&source.digest(&image.digest), &destination, &["1".into()], &options).await;
            let reached = seen.reached(position);
            if copied.is_ok() {
                let found = client.referrers(&destination, &image.digest).await.unwrap();
                assert_eq!(found.len(), 1, "{what}");
                assert_eq!(found[0].digest, sbom.digest, "{what}");
                assert_complete(&client, &destination, &sbom.digest).await;
            }
            judge(&what, copied.map(|_| ()), &destination, &image).await;
            if !reached {
                assert!(position > 16, "{kind}: only {position} requests");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_in_mid_copy_is_renewed() {
    let from = Embedded::start(None).await;
    let source = repository(&from.host(), "test/app");
    let image = small(&source).await;
    for position in 3..20 {
        let (faults, _) = at(position, Fault::Unauthorized);
        let to = Embedded::with(|options| Options {
            auth: Some(Auth::Token {
                accounts: vec![Account::of_all("", Secret::new(""))],
                lifetime: Duration::from_mins(5),
            }),
            faults: Some(faults),
            ..options
        })
        .await;
        let destination = repository(&to.host(), "prod/app");
        copy(&impatient(), &source, &image, &destination).await.unwrap();
        assert_complete(&client(), &destination, &image.digest).await;
    }
}

#[tokio::test]
async fn a_tag_that_moves_while_it_is_read_gives_one_image_or_the_other() {
    let root = tempfile::tempdir().unwrap();
    let maker = Server::start(Options::at(root.path())).await.unwrap();
    let making = repository(&maker.address().to_string(), "test/app");
    let builder = Builder { client: &client(), at: &making };
    let first = builder.image("amd64", &[noise(1, 1000)]).await;
    let second = builder.image("arm64", &[noise(2, 1000)]).await;
    let to = Embedded::start(None).await;
    for position in 1..6 {
        builder.tag(&first, "now").await;
        let tags = root.path().to_owned();
        let digest = second.digest.clone();
        let faults = Faults::new(move |asked| {
            if asked.number == position {
                let store = ::registry::Store::open(&tags).unwrap();
                let name = ::registry::RepositoryName::parse("test/app").unwrap();
                let now = ::registry::Tag::parse("now").unwrap();
                store.tag(&name, &now, &digest).unwrap();
            }
            None
        });
        let options = Options { faults: Some(faults), ..Options::at(root.path()) };
        let server = Server::start(options).await.unwrap();
        let source = repository(&server.address().to_string(), "test/app");
        let destination = repository(&to.host(), &format!("p{position}"));
        let now = source.tag("now").unwrap();
        let report = client().copy(&now, &destination, &["1".into()], &CopyOptions::default()).await.unwrap();
        let expected = if position == 1 { &second } else { &first };
        assert_eq!(report.digest, expected.digest, "{position}");
        judge("moved", Ok(()), &destination, expected).await;
    }
}
