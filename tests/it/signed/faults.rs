//! Faults while a record is signed, attached and read back: a whole record, or one error and none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::oci::{Client, Manifest, Repository, Settings};
use ::sys::error::Failure;
use ::sys::retry::Policy;
use p2p::gate::record::{Finding, Kept, Ledger, Left};
use serde_json::json;

use super::{bundles, judged, ledger, record, scene, verify};
use crate::attacks::records;
use crate::oci::{Builder, client, noise, repository, settings};
use crate::support::registry::{Fault, Faults, Options, Server};
use crate::support::sigstore::Sigstore;

/// Which requests meet which fault.
#[derive(Default)]
struct Plan {
    fault: Mutex<Option<Fault>>,
    /// The requests that are answered before.
    spared: AtomicUsize,
    /// The requests that meet the fault.
    faulty: AtomicUsize,
    seen: AtomicUsize,
}

impl Plan {
    fn set(&self, fault: Option<Fault>, spared: usize, faulty: usize) {
        *self.fault.lock().unwrap() = fault;
        for (counter, value) in [(&self.spared, spared), (&self.faulty, faulty), (&self.seen, 0)] {
            counter.store(value, Ordering::SeqCst);
        }
    }

    fn next(&self) -> Option<Fault> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let first = self.spared.load(Ordering::SeqCst);
        let meets = number >= first && number - first < self.faulty.load(Ordering::SeqCst);
        self.fault.lock().unwrap().clone().filter(|_| meets)
    }
}

fn kinds() -> [Fault; 6] {
    [
        Fault::Reset,
        Fault::BreakOff(100_000),
        Fault::Stall,
        Fault::Truncate(3),
        Fault::Status(429, vec![("Retry-After".to_owned(), "0".to_owned())]),
        Fault::Status(503, Vec::new()),
    ]
}

/// A registry that does what its plan says, and a client that waits hardly at all.
struct Scene {
    server: Server,
    _root: tempfile::TempDir,
    plan: Arc<Plan>,
    ledger: Ledger,
    sigstore: Sigstore,
}

impl Scene {
    async fn new(referrers: bool) -> Self {
        let (root, plan) = (tempfile::tempdir().unwrap(), Arc::new(Plan::default()));
        let next = Arc::clone(&plan);
        let faults = Some(Faults::new(move |_| next.next()));
        let options = Options { referrers, faults, ..Options::at(root.path()) };
        let server = Server::start(options).await.unwrap();
        let policy = Policy { attempts: 3, ..settings().policy };
        let client = Client::new(Settings { policy, stall: Duration::from_millis(300), ..settings() });
        let sigstore = Sigstore::start();
        let ledger = ledger(&client, sigstore.signing(&json!({}), ""));
        Self { server, _root: root, plan, ledger, sigstore }
    }

    /// The image at another place. Its record is signed once and is the same everywhere.
    async fn image(&self, number: usize) -> (Repository, Manifest) {
        let at = repository(&self.server.address().to_string(), &format!("prod{number}/app"));
        let image = Builder { client: &client(), at: &at }.image("amd64", &[noise(1, 10)]).await;
        (at, image)
    }

    /// Reads what is there, and attaches a record, as a gate does.
    async fn attach(&self, at: &Repository, image: &Manifest) -> Result<Left, Failure> {
        let record = record("fast-feedback", "2026-01-02T03:04:05Z");
        let known = self.ledger.read(at, &image.digest).await?;
        self.ledger.attach(at, &image.digest, &record, &known).await
    }

    /// How many records are there, and how many bundles. Each is whole and valid.
    async fn there(&self, at: &Repository, image: &Manifest) -> (usize, usize) {
        let listed = client().referrers(at, &image.digest).await.unwrap().len();
        let kept = self.ledger.read(at, &image.digest).await.unwrap();
        assert!(kept.len() == listed && kept.iter().all(|kept| kept.record.is_ok()), "{kept:?}");
        (Kept::records(&kept).len(), listed)
    }

    /// One fault after so many requests, for good or once.
    async fn meets(&self, (fault, spared, once): (&Fault, usize, bool), at: &Repository, image: &Manifest) {
        let what = format!("{fault:?} after {spared} requests, once: {once}");
        self.plan.set(Some(fault.clone()), spared, if once { 1 } else { usize::MAX });
        let result = self.attach(at, image).await;
        self.plan.set(None, 0, 0);
        let there = self.there(at, image).await;
        match &result {
            Ok(_) => assert_eq!(there, (1, 2), "{what}"),
            Err(failure) => {
                assert!(!once, "{what}: {failure}");
                assert!(failure.what.contains("/app/"), "{what}: {failure}");
                assert!([(0, 0), (0, 1), (1, 2)].contains(&there), "{what}: {there:?}");
            }
        }
        // Whatever was left, the next run makes it whole.
        self.attach(at, image).await.unwrap();
        assert_eq!(self.there(at, image).await, (1, 2), "{what}");
    }

    async fn meets_all(&self) {
        let (at, image) = self.image(0).await;
        assert_eq!(self.attach(&at, &image).await.unwrap(), Left::Signed);
        assert_eq!(judged(&client(), &self.sigstore, &at, &image.digest).await, Finding::Passed);
        let bundles = bundles(&client(), &at, &image.digest).await;
        let elsewhere = self.sigstore.judged(&self.sigstore.root_file(), &bundles);
        assert_eq!(elsewhere, [[true, true], [true, true]]);
        let (at, image) = self.image(1).await;
        self.plan.set(None, 0, 0);
        self.attach(&at, &image).await.unwrap();
        let requests = self.plan.seen.load(Ordering::SeqCst);
        assert!((8..60).contains(&requests), "{requests}");
        let mut number = 1;
        for fault in &kinds() {
            for spared in 0..requests {
                // A registry that never answers takes the time of all tries.
                let once =
                    if *fault == Fault::Stall && spared % 5 > 0 { vec![true] } else { vec![true, false] };
                for once in once {
                    number += 1;
                    let (at, image) = self.image(number).await;
                    self.meets((fault, spared, once), &at, &image).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_fault_at_any_request_leaves_a_whole_record_or_none() {
    Scene::new(true).await.meets_all().await;
}

#[tokio::test]
async fn a_fault_at_any_request_leaves_a_whole_record_or_none_without_the_referrers_api() {
    Scene::new(false).await.meets_all().await;
}

#[test]
fn what_the_services_answer_wrongly_is_never_attached() {
    let sigstore = Sigstore::start();
    for wrong in
        ["expired", "early", "no-sct", "other-ct", "other-ca", "other-log", "other-key", "other-entry"]
    {
        let gate = scene(&sigstore, &json!({}), wrong);
        let run = gate.run(&["fast-feedback"]);
        let message = "p2p does not accept the signature";
        assert!(run.ended(69).stdout.contains(message), "{wrong}: {}", run.stdout);
        assert_eq!(gate.registry.digest("extended-test/shop", "0.0.1"), None, "{wrong}");
        // What the gate found out waits for a signature.
        let found = records(&gate, "test/shop", "0.0.1");
        assert!(found.len() == 1 && found[0].is_pending(), "{wrong}: {found:?}");
    }
    let gate = scene(&sigstore, &json!({}), "other-key").input("promotion-record", "expected");
    assert!(gate.run(&["fast-feedback"]).passed().stdout.contains("the record is not signed"));
    verify(&gate, &sigstore, "extended-test/shop", &["--require", "fast-feedback"]).passed();
    assert!(records(&gate, "extended-test/shop", "0.0.1")[0].is_pending());
}
