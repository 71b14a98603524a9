//! An image with a hundred bundles of which one is right, and one with more than p2p reads.

use std::collections::HashMap;
use std::sync::Mutex;

use ::attestation::BUNDLE_MEDIA_TYPE;
use ::oci::{Client, Content, Descriptor, Digest, EMPTY, Manifest, OCI_INDEX, Repository, TagOrDigest};
use p2p::gate::record::{Finding, Judgement, Left, Record};
use serde_json::{Value, json};

use super::{LATER, SIGNED, bundles, judged, ledger, record};
use crate::copy::run;
use crate::oci::{client, noise, repository, shop};
use crate::support::docker_registry::DockerRegistry;
use crate::support::gate::{Gate, MAKEFILE};
use crate::support::registry::{Options, Server};
use crate::support::sigstore::Sigstore;

/// An image, as anybody sees it who may push.
pub(super) struct Target<'a> {
    client: &'a Client,
    at: &'a Repository,
    image: Descriptor,
    /// What was attached.
    listed: Mutex<Vec<Value>>,
}

impl<'a> Target<'a> {
    pub(super) fn new(client: &'a Client, at: &'a Repository, image: &Manifest) -> Self {
        Self { client, at, image: image.descriptor(), listed: Mutex::default() }
    }

    /// Attaches this content as if it were a bundle, with a manifest that is changed.
    pub(super) async fn attach(&self, content: Vec<u8>, change: impl FnOnce(&mut Value)) {
        let kind =
            json!({"dev.sigstore.bundle.predicateType": "https://github.com/coreeng/p2p-action/gate/v1"});
        let layer = (BUNDLE_MEDIA_TYPE, content.as_slice());
        let manifest = Manifest::referrer(BUNDLE_MEDIA_TYPE, layer, &self.image, &kind);
        let mut document: Value = serde_json::from_slice(&manifest.bytes).unwrap();
        change(&mut document);
        let manifest = Manifest::new(document.to_string().into(), Some(&manifest.media_type));
        for bytes in [EMPTY.to_vec(), content] {
            self.client.push_blob(self.at, &Content::Bytes(bytes.into())).await.unwrap();
        }
        self.put(&manifest.digest.to_string(), &manifest).await;
        let mut entry = json!(manifest.descriptor());
        entry["artifactType"] = document["artifactType"].clone();
        entry["annotations"] = document["annotations"].clone();
        self.listed.lock().unwrap().push(entry);
    }

    /// Writes a manifest as it is, and no list of referrers.
    async fn put(&self, which: &str, manifest: &Manifest) {
        let (host, name) = (self.at.registry(), self.at.name());
        let request = reqwest::Client::new().put(format!("http://{host}/v2/{name}/manifests/{which}"));
        let request = request.header("Content-Type", &manifest.media_type).body(manifest.bytes.clone());
        assert_eq!(request.send().await.unwrap().status(), 201);
    }

    /// Lists what was attached under the tag that stands in for the referrers API, around what is there.
    async fn list(&self) {
        let tag = self.image.digest.referrers_tag();
        let there = self.client.manifest(self.at, &TagOrDigest::Tag(tag.clone())).await.unwrap();
        let mut index: Value = serde_json::from_slice(&there.bytes).unwrap();
        let entries = self.listed.lock().unwrap().clone();
        let (first, last) = entries.split_at(entries.len() / 2);
        index["manifests"] = [first, index["manifests"].as_array().unwrap(), last].concat().into();
        self.put(&tag, &Manifest::new(index.to_string().into(), Some(OCI_INDEX))).await;
    }

    /// Attaches the bad bundle of this number, which is made of one that is right for another image.
    async fn attach_bad(&self, number: usize, good: &[u8]) {
        let text = String::from_utf8(good.to_vec()).unwrap();
        let mut content = match number % 11 {
            0 => noise(number as u64, 200).to_vec(),
            1 => noise(number as u64, 300_000).to_vec(),
            2 => text.replacen('{', r#"{"mediaType":"x","mediaType":"x","#, 1).into_bytes(),
            3 => good[..good.len() / 2].to_vec(),
            4 => text.replacen("\"sig\":\"ME", "\"sig\":\"MF", 1).into_bytes(),
            5 => text.replacen("\"payload\":\"", "\"payload\":\"IC", 1).into_bytes(),
            6 => b"[".repeat(20_000),
            _ => good.to_vec(),
        };
        // The same in other bytes each time.
        content.extend(b" ".repeat(number));
        let change = |document: &mut Value| match number % 11 {
            8 => document["layers"][0]["mediaType"] = "text/plain".into(),
            9 => document["layers"][0]["size"] = 7.into(),
            10 => document["layers"][0]["size"] = 100_000.into(),
            _ => {}
        };
        self.attach(content, change).await;
    }
}

/// An image at `host` with a hundred bundles; the right one is neither the first nor the last.
async fn crowd(sigstore: &Sigstore, host: &str) -> (Repository, Digest) {
    let client = client();
    let (at, others) = (repository(host, "prod/app"), repository(host, "prod/other"));
    let image = shop(&client, &at).await;
    let other = shop(&client, &others).await;
    let other = Manifest::new([&other.bytes[..], b" "].concat().into(), Some(&other.media_type));
    client.push_manifest(&others, &other, &TagOrDigest::Tag("2".to_owned())).await.unwrap();
    let ledger = ledger(&client, sigstore.signing(&json!({}), ""));
    let record = record("fast-feedback", "2026-01-02T03:04:05Z");
    ledger.attach(&others, &other.digest, &record, &[]).await.unwrap();
    let of_another = bundles(&client, &others, &other.digest).await.remove(0);
    let target = Target::new(&client, &at, &image);
    let early = ledger.read(&at, &image.digest).await.unwrap();
    for number in 0..98 {
        if number == 50 {
            let left = ledger.attach(&at, &image.digest, &record, &early).await.unwrap();
            assert_eq!(left, Left::Signed);
        }
        target.attach_bad(number, &of_another).await;
    }
    if client.referrers(&at, &image.digest).await.unwrap().len() < 100 {
        target.list().await;
    }
    assert_eq!(client.referrers(&at, &image.digest).await.unwrap().len(), 100);
    (at, image.digest)
}

async fn passes(sigstore: &Sigstore, at: &Repository, digest: &Digest) {
    assert_eq!(judged(&client(), sigstore, at, digest).await, Finding::Passed);
    let (name, root) = (at.digest(digest).to_string(), sigstore.root_file());
    let flags = ["verify", &name, "--require", "fast-feedback", "--trust-root", root.to_str().unwrap()];
    let shown = run(&[&flags[..], &SIGNED[..]].concat()).await;
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    // A rejection among them still counts.
    let failed = Record { result: Judgement::Failed, ..record("fast-feedback", "2026-01-03T03:04:05Z") };
    let ledger = ledger(&client(), sigstore.signing(&json!({}), ""));
    ledger.attach(at, digest, &failed, &[]).await.unwrap();
    assert!(matches!(judged(&client(), sigstore, at, digest).await, Finding::Rejected(_)));
}

#[tokio::test]
async fn one_right_bundle_among_a_hundred_passes_after_few_requests() {
    let sigstore = Sigstore::start();
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(Options::at(root.path())).await.unwrap();
    let (at, digest) = crowd(&sigstore, &server.address().to_string()).await;
    let before = server.log().len();
    assert_eq!(judged(&client(), &sigstore, &at, &digest).await, Finding::Passed);
    // A list, and two requests a bundle. Those of the wrong size are asked for once more; those that say that they
    // are huge are not read at all.
    let asked = server.log().split_off(before);
    assert!(asked.len() <= 201, "{}", asked.len());
    let mut blobs: HashMap<&str, usize> = HashMap::new();
    for entry in asked.iter().filter(|entry| entry.path.contains("/blobs/")) {
        *blobs.entry(&entry.path).or_default() += 1;
    }
    assert!(blobs.values().all(|times| *times <= 2) && blobs.len() < 90, "{blobs:?}");
    passes(&sigstore, &at, &digest).await;
}

#[tokio::test]
async fn one_right_bundle_among_a_hundred_passes_without_the_referrers_api() {
    let sigstore = Sigstore::start();
    let registry = DockerRegistry::start();
    let (at, digest) = crowd(&sigstore, registry.host()).await;
    passes(&sigstore, &at, &digest).await;
}

#[tokio::test]
async fn more_bundles_than_p2p_reads_are_one_clear_error() {
    let sigstore = Sigstore::start();
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(Options::at(root.path())).await.unwrap();
    let at = repository(&server.address().to_string(), "prod/app");
    let (client, name) = (client(), format!("{at}:1.2.3"));
    let image = shop(&client, &at).await;
    let ledger = ledger(&client, sigstore.signing(&json!({}), ""));
    let record = record("fast-feedback", "2026-01-02T03:04:05Z");
    ledger.attach(&at, &image.digest, &record, &[]).await.unwrap();
    let target = Target::new(&client, &at, &image);
    let number =
        |number: usize| move |document: &mut Value| document["annotations"]["n"] = json!(number.to_string());
    // Bundles of others, which their annotation tells, do not count.
    for other in 0..10 {
        let change = |document: &mut Value| {
            number(other)(document);
            document["annotations"]["dev.sigstore.bundle.predicateType"] =
                "https://slsa.dev/provenance/v1".into();
        };
        target.attach(b"{}".to_vec(), change).await;
    }
    for bad in 0..498 {
        target.attach(b"[]".to_vec(), number(bad)).await;
    }
    let before = server.log().len();
    assert_eq!(judged(&client, &sigstore, &at, &image.digest).await, Finding::Passed);
    assert!(server.log().len() - before <= 1001);
    target.attach(b"[]".to_vec(), number(498)).await;
    let before = server.log().len();
    let shown = run(&["verify", &name, "--require", "fast-feedback"]).await;
    assert_eq!(shown.status.code(), Some(1));
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(said.contains("has 501 records, and p2p reads at most 500 of an image"), "{said}");
    assert!(said.contains("help: find out who attached them"), "{said}");
    assert!(server.log().len() - before < 10, "nothing is read then");
}

#[tokio::test]
async fn a_summary_whose_signature_is_not_valid_is_not_copied() {
    let sigstore = Sigstore::start();
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(Options::at(root.path())).await.unwrap();
    let (client, host) = (client(), server.address().to_string());
    let (at, to) = (repository(&host, "test/app"), repository(&host, "prod/app"));
    let image = shop(&client, &at).await;
    shop(&client, &to).await;
    let ledger = ledger(&client, sigstore.signing(&json!({}), ""));
    let record = record("fast-feedback", "2026-01-02T03:04:05Z");
    ledger.attach(&at, &image.digest, &record, &[]).await.unwrap();
    let target = Target::new(&client, &at, &image);
    for bundle in bundles(&client, &at, &image.digest).await {
        let forged = String::from_utf8(bundle).unwrap().replacen("\"sig\":\"ME", "\"sig\":\"MF", 1);
        target.attach(forged.into_bytes(), |_| {}).await;
    }
    let kept = ledger.read(&at, &image.digest).await.unwrap();
    assert_eq!(kept.len(), 4);
    ledger.carry(&to, &image.digest, &kept).await.unwrap();
    let copied = bundles(&client, &to, &image.digest).await;
    assert_eq!(copied.len(), 2);
    let judged = sigstore.judged(&sigstore.root_file(), &copied);
    assert_eq!(judged, [[true, true], [true, true]]);
}

#[test]
fn no_gate_goes_on_where_an_image_has_more_records_than_p2p_reads() {
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}"));
    gate.run(&["fast-feedback"]).passed();
    let at: Repository = format!("{}/extended-test/shop", gate.registry.path()).parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = client();
        let image = client.manifest(&at, &TagOrDigest::Tag("0.0.1".into())).await.unwrap();
        let target = Target::new(&client, &at, &image);
        for number in 0..500 {
            let change = move |document: &mut Value| document["annotations"]["n"] = json!(number.to_string());
            target.attach(b"[]".to_vec(), change).await;
        }
    });
    let gate = gate.event("schedule", json!({}));
    // One of them may be a rejection, so a missing record is not only a warning.
    let run = gate.run(&["extended-test", "--promotion-record", "expected"]);
    assert!(run.ended(1).stdout.contains("p2p reads at most 500"), "{}", run.stdout);
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None);
}
