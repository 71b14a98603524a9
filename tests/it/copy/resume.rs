//! Uploads that break off go on where the registry says it got to; where it does not say, they begin
//! anew.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::registry::{Fault, Faults};
use ::oci::{Client, Content, Manifest, Repository, Settings};
use ::sys::retry::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Embedded, assert_complete};
use crate::oci::{Builder, client, noise, options, repository, settings};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front};

const MB: usize = 1024 * 1024;

/// One large layer, so that there is something to resume.
async fn large(at: &Repository) -> Manifest {
    Builder { client: &client(), at }.image("amd64", &[noise(1, 6 * MB)]).await
}

/// `POST`, `GET`, `PUT` of upload sessions that the registry saw, and how they were answered.
fn sessions(registry: &Embedded) -> Vec<(String, Option<u16>)> {
    let log = registry.server.log();
    let uploads = log.into_iter().filter(|entry| entry.path.contains("/blobs/uploads/"));
    uploads.map(|entry| (entry.method, entry.status)).collect()
}

fn count(sessions: &[(String, Option<u16>)], method: &str) -> usize {
    sessions.iter().filter(|(asked, _)| asked == method).count()
}

/// Every PUT breaks off after so many bytes.
fn breaks(after: usize) -> Faults {
    Faults::new(move |asked| (asked.method == "PUT").then_some(Fault::BreakOff(after)))
}

/// The first bytes that the source was asked for, for each time it was.
fn starts(front: &Front) -> Vec<String> {
    front.seen().iter().filter(|seen| seen.reads_blob()).map(|seen| seen.header("range").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_again_and_again_goes_on_each_time() {
    let from = Embedded::start(None).await;
    let image = large(&repository(&from.host(), "test/app")).await;
    let front = Front::start(&from.host(), |_| Act::Pass).await;
    let large = image.contents().unwrap().blobs[1].digest.hex().to_owned();
    let breaking = AtomicUsize::new(0);
    let faults = Faults::new(move |asked| {
        let uploads = asked.method == "PUT" && asked.path.contains(&large);
        (uploads && breaking.fetch_add(1, Ordering::Relaxed) < 4).then_some(Fault::BreakOff(3 * MB / 2))
    });
    let to = Embedded::start(Some(faults)).await;
    let (source, at) = (repository(front.host(), "test/app"), repository(&to.host(), "prod/app"));
    let report = client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
    assert_eq!((report.moved.blobs, report.digest == image.digest), (2, true));
    assert_complete(&client(), &at, &image.digest).await;

    let sessions = sessions(&to);
    assert!(count(&sessions, "GET") >= 3, "{sessions:?}");
    assert_eq!(count(&sessions, "POST"), 2, "no session but one a blob: {sessions:?}");
    let starts: Vec<_> = starts(&front).into_iter().filter(|range| !range.is_empty()).collect();
    let expected: Vec<_> = (1..=3).map(|n| format!("bytes={}-", n * 3 * MB / 2)).collect();
    assert_eq!(starts, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_on_too() {
    let to = Embedded::start(Some(breaks(2 * MB))).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&noise(3, 5 * MB)).unwrap();
    let at = repository(&to.host(), "app");
    let file = Content::File(file.path().to_owned());
    // The last request is shorter than where it breaks: it is done, and its answer lost.
    let (blob, _) = client().push_blob(&at, &file).await.unwrap();
    let sessions = sessions(&to);
    assert_eq!((count(&sessions, "POST"), count(&sessions, "PUT")), (1, 3), "{sessions:?}");
    assert_eq!(client().blob_bytes(&at, &blob, u64::MAX).await.unwrap(), noise(3, 5 * MB));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_not_know_gets_it_all_again() {
    let from = Embedded::start(None).await;
    let source = repository(&from.host(), "test/app");
    let image = large(&source).await;
    let range = |to: usize| vec![("range".to_owned(), format!("0-{to}"))];
    let answers = [
        ("gone", Fault::Status(404, Vec::new())),
        ("no range", Fault::Status(204, Vec::new())),
        ("no session", Fault::Status(200, range(4 * MB))),
        ("too little", Fault::Status(204, range(MB / 2))),
        ("more than there is", Fault::Status(204, range(7 * MB))),
        ("a lie", Fault::Status(204, range(4 * MB))),
        ("a lie about the end", Fault::Status(204, range(6 * MB - 1))),
    ];
    for (what, answer) in answers {
        let broken = AtomicUsize::new(0);
        let faults = Faults::new(move |asked| match asked.method {
            "PUT" if asked.path.contains("/blobs/") && broken.fetch_add(1, Ordering::Relaxed) < 2 => {
                Some(Fault::BreakOff(2 * MB))
            }
            "GET" if asked.path.contains("/blobs/uploads/") => Some(answer.clone()),
            _ => None,
        });
        let to = Embedded::start(Some(faults)).await;
        let at = repository(&to.host(), "prod/app");
        let result = client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await;
        result.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_complete(&client(), &at, &image.digest).await;
        let sessions = sessions(&to);
        assert!(count(&sessions, "GET") >= 1 && count(&sessions, "POST") >= 3, "{what}: {sessions:?}");
    }
}

/// Passes a connection on; the first that sends so many bytes is cut, once.
async fn cut(upstream: &str, after: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (upstream, passed) = (upstream.to_owned(), Arc::new(AtomicU64::new(0)));
    let total = Arc::clone(&passed);
    let cuts = Arc::new(AtomicUsize::new(1));
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&upstream).await.unwrap();
            let (total, cuts) = (Arc::clone(&total), Arc::clone(&cuts));
            tokio::spawn(async move {
                let ((mut from, mut back), (mut answers, mut there)) =
                    (client.into_split(), server.into_split());
                let backwards = tokio::spawn(async move {
                    // Either end may hang up.
                    let _ = tokio::io::copy(&mut answers, &mut back).await;
                });
                let (mut piece, mut sent) = (vec![0; 64 * 1024], 0);
                while let Ok(read @ 1..) = from.read(&mut piece).await {
                    sent += read as u64;
                    total.fetch_add(read as u64, Ordering::Relaxed);
                    if sent > after
                        && cuts
                            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                            .is_ok()
                    {
                        backwards.abort();
                        return;
                    }
                    if there.write_all(&piece[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (host, passed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_wire_that_is_cut() {
    let from = Embedded::start(None).await;
    let source = repository(&from.host(), "test/app");
    let image = large(&source).await;
    let (embedded, distribution) = (Embedded::start(None).await, DockerRegistry::start());
    // Distribution 2.8 forgets a session in which a body broke off: all bytes go there again.
    for (host, most) in [(embedded.host(), 7 * MB), (distribution.host().to_owned(), 12 * MB)] {
        let (wire, passed) = cut(&host, 4 * MB as u64).await;
        let at = repository(&wire, "prod/app");
        // A registry needs a moment to see that the wire is cut, and to store what came before.
        let policy = Policy { base: Duration::from_millis(200), ..Policy::default() };
        let client = || Client::new(Settings { policy, ..settings() });
        client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
        assert_complete(&client(), &repository(&host, "prod/app"), &image.digest).await;
        let passed = passed.load(Ordering::Relaxed);
        assert!(passed > 6 * MB as u64 && passed < most as u64, "{passed} bytes passed");
    }
}
