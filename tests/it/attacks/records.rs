//! Records that anybody who may push can write: which of them do not count.

use ::oci::{Content, Manifest, OCI_MANIFEST, TagOrDigest};
use p2p::gate::record::{By, Judgement, Record};
use serde_json::json;

use super::{at, forge, makefile, push, records};
use crate::support::gate::Gate;

/// A gate whose version 0.0.1 passed fast feedback, and the record of that.
fn scene() -> (Gate, Record) {
    let gate = Gate::new(&makefile());
    gate.run(&["fast-feedback"]).passed();
    let record = records(&gate, "extended-test/shop", "0.0.1").remove(0);
    (gate.event("schedule", json!({})), record)
}

#[test]
fn a_record_counts_only_for_its_gate_repository_ref_event_and_commit() {
    let (gate, good) = scene();
    let by = |change: &dyn Fn(&mut By)| {
        let mut record = good.clone();
        change(&mut record.by);
        record
    };
    let text = |text: &str| Some(text.to_owned());
    let forged = [
        (Record { stage: text("extended-test"), ..good.clone() }, "is of extended-test"),
        (by(&|by| by.repository = text("mallory/shop")), "is of the repository mallory/shop, not of"),
        (by(&|by| by.repository = None), "is of a laptop"),
        (by(&|by| by.event = text("pull_request")), "is of the event `pull_request`, which never promotes"),
        (by(&|by| by.git_ref = text("refs/heads/topic")), "is of `refs/heads/topic`"),
        (
            by(&|by| by.commit = text("0123456789012345678901234567890123456789")),
            "is of the commit 0123456789",
        ),
    ];
    for (number, (record, message)) in forged.into_iter().enumerate() {
        let version = format!("1.0.{number}");
        let gate = &gate;
        push(gate, "extended-test/shop", &version, &version);
        forge(gate, "extended-test/shop", &version, &record);
        let head = gate.head();
        gate.remote.annotate(&format!("v{version}"), &head);
        let run = gate.run(&["extended-test", "--version", &version]);
        assert!(run.ended(1).stdout.contains(message), "{message}:\n{}", run.stdout);
        assert!(!gate.home().join("p2p-extended-test").exists(), "{message}");
    }
    // With all of it right the record counts: that is what a signature is for.
    push(&gate, "extended-test/shop", "2.0.0", "right");
    forge(&gate, "extended-test/shop", "2.0.0", &good);
    let head = gate.head();
    gate.remote.annotate("v2.0.0", &head);
    gate.run(&["extended-test", "--version", "2.0.0"]).passed();
}

#[test]
fn a_record_of_another_image_does_not_count_where_it_is_attached_again() {
    let (gate, _) = scene();
    push(&gate, "extended-test/shop", "1.0.0", "another");
    let right = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
    at(&gate, "extended-test/shop", "1.0.0", async |client, repository, digest| {
        let right = right.parse().unwrap();
        let listed = client.referrers(&repository, &right).await.unwrap().remove(0);
        let manifest = client.manifest(&repository, &TagOrDigest::Digest(listed.digest)).await.unwrap();
        let text = String::from_utf8(manifest.bytes.to_vec()).unwrap();
        let moved = text.replace(right.as_str(), digest.as_str());
        let moved = Manifest::new(moved.into(), Some(OCI_MANIFEST));
        client.push_blob(&repository, &Content::Bytes("{}".into())).await.unwrap();
        client.push_manifest(&repository, &moved, &TagOrDigest::Digest(moved.digest.clone())).await.unwrap();
    });
    let gate = gate.tag("v1.0.0");
    let run = gate.run(&["extended-test", "--version", "1.0.0"]);
    assert!(
        run.ended(1).stdout.contains("a record does not count: it is about another image"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_failure_of_a_pull_request_rejects_nothing() {
    let (gate, good) = scene();
    let by = By { event: Some("pull_request".to_owned()), ..good.by.clone() };
    let failed = Record { result: Judgement::Failed, by, judged: "2099-01-01T00:00:00Z".to_owned(), ..good };
    forge(&gate, "extended-test/shop", "0.0.1", &failed);
    assert_eq!(gate.run(&["extended-test"]).passed().output("version"), "0.0.1");
}

#[test]
fn a_record_of_a_later_gate_does_not_travel_from_an_earlier_path() {
    let (gate, good) = scene();
    let later =
        Record { stage: Some("extended-test".to_owned()), judged: "2099-01-01T00:00:00Z".to_owned(), ..good };
    forge(&gate, "test/shop", "0.0.1", &later);
    gate.run(&["promote", "extended-test", "--version", "0.0.1"]).passed();
    let stages: Vec<_> =
        records(&gate, "extended-test/shop", "0.0.1").into_iter().filter_map(|record| record.stage).collect();
    assert!(!stages.is_empty() && stages.iter().all(|stage| stage == "fast-feedback"), "{stages:?}");
}

#[test]
fn a_record_of_another_version_does_not_count() {
    let (gate, good) = scene();
    // The same bytes under a newer version, on a commit that passed.
    let digest = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
    at(&gate, "extended-test/shop", "0.0.1", async |client, repository, _| {
        let manifest =
            client.manifest(&repository, &TagOrDigest::Digest(digest.parse().unwrap())).await.unwrap();
        client.push_manifest(&repository, &manifest, &TagOrDigest::Tag("9.9.9".to_owned())).await.unwrap();
    });
    let commit = good.by.commit.clone().unwrap();
    gate.remote.annotate("v9.9.9", &commit);
    let run = gate.run(&["extended-test", "--version", "9.9.9"]);
    assert!(run.ended(1).stdout.contains("is of the version 0.0.1, not of 9.9.9"), "{}", run.stdout);
}
