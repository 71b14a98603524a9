//! Scanners that are fetched: from a mirror, with the hash of p2p's list.

use std::path::Path;

use ::oci::Digest;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use p2p::edges::scanners::{Release, Scanner, ScannerSources, fetch};
use serde_json::json;
use sys::error::Failure;
use sys::retry::{Policy, Retrying};

use crate::support::gate::{Gate, MAKEFILE};
use crate::support::scanners::Scanners;
use crate::support::server::{Reply, Server};

/// An archive with a file besides the program.
fn archive(program: &str, text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in [("README.md", "read me"), (program, text)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A mirror that has this file under every path.
fn mirror(file: &[u8]) -> Server {
    let file = Bytes::copy_from_slice(file);
    Server::start(None, move |_| Reply::stream(futures_util::stream::iter([file.clone()])))
}

/// Fetches TruffleHog from a mirror, where p2p's list has this hash.
async fn fetched(mirror: &Server, hash: &Digest, cache: &Path) -> Result<String, Failure> {
    let list = format!("trufflehog 3.0.0 linux-x64 trufflehog.tar.gz {}\n", hash.hex());
    let release = Release::of(Scanner::Trufflehog, &list, "linux-x64").unwrap();
    let sources = ScannerSources {
        base_url: Some(format!("http://{}/github/", mirror.address)),
        cache: cache.to_owned(),
        retrying: Retrying { policy: Policy { attempts: 2, ..Policy::default() }, ..Retrying::default() },
    };
    let into = tempfile::tempdir().unwrap();
    let program = fetch(Scanner::Trufflehog, &release, &sources, into.path()).await?;
    Ok(std::fs::read_to_string(program).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_is_fetched_once_and_its_hash_is_checked_each_time() {
    let file = archive("trufflehog", "the program");
    let (mirror, hash) = (mirror(&file), Digest::of(&file));
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(fetched(&mirror, &hash, cache.path()).await.unwrap(), "the program");
    assert_eq!(fetched(&mirror, &hash, cache.path()).await.unwrap(), "the program");
    let path = "GET /github/trufflesecurity/trufflehog/releases/download/v3.0.0/trufflehog.tar.gz";
    assert_eq!(mirror.requests().iter().map(crate::support::server::Seen::line).collect::<Vec<_>>(), [path]);
    // Somebody changed the file in the cache.
    std::fs::write(cache.path().join("trufflehog.tar.gz"), archive("trufflehog", "another")).unwrap();
    assert_eq!(fetched(&mirror, &hash, cache.path()).await.unwrap(), "the program");
    assert_eq!(mirror.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_is_refused_and_not_kept() {
    let (mirror, cache) = (mirror(&archive("trufflehog", "another")), tempfile::tempdir().unwrap());
    let failure = fetched(&mirror, &Digest::of(b"the program"), cache.path()).await.unwrap_err();
    assert!(
        failure.what.contains("trufflehog.tar.gz from 127.0.0.1 is not what was released: its hash is "),
        "{failure}"
    );
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
    let odd = archive("something", "else");
    let failure = fetched(&self::mirror(&odd), &Digest::of(&odd), cache.path()).await.unwrap_err();
    assert!(failure.what.contains("holds no program trufflehog"), "{failure}");
    let text = b"no archive".to_vec();
    let failure = fetched(&self::mirror(&text), &Digest::of(&text), cache.path()).await.unwrap_err();
    assert!(failure.what.contains("holds no program trufflehog"), "{failure}");
}

#[test]
fn a_mirror_that_lacks_the_scanner_is_an_incomplete_scan() {
    let scanners = Scanners::new();
    let mirror = Server::start(None, |_| Reply::text(404, "not here"));
    let base = format!("http://{}/github", mirror.address);
    // Only Trivy is installed.
    let keys =
        json!({"": {"trivy-path": scanners.path().join("trivy"), "scanner-base-url": base}}).to_string();
    let run = Gate::new(MAKEFILE).run_with_inputs(&["scan", "source"], &[("environments", &keys)]);
    assert_eq!(run.code, 69, "{}", run.stdout);
    assert!(run.stdout.contains("from 127.0.0.1: the server answered 404"), "{}", run.stdout);
    assert!(run.stdout.contains("`scanner-base-url`"), "{}", run.stdout);
    assert_eq!(mirror.requests().len(), 1, "it is not asked again");
}
