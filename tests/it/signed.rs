//! Signed records: the gate signs what it judged, and takes nothing else where signatures are required.

mod crowd;
mod faults;
mod key;
mod refused;

use std::collections::BTreeSet;

use ::attestation::BUNDLE_MEDIA_TYPE;
use ::oci::{Client, Digest, Repository, TagOrDigest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p2p::domain::version::Prefix;
use p2p::gate::plan::EVENTS;
use p2p::gate::record::{By, Finding, Kept, Ledger, PREDICATE_TYPE, Record, Refs, Rule, Signing};
use serde_json::{Value, json};

use crate::attacks::{forge, records};
use crate::copy;
use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::github::Fault;
use crate::support::sigstore::Sigstore;

const LATER: &str = "\
.PHONY: p2p-extended-test p2p-prod
p2p-extended-test p2p-prod: ; @echo '$@ of $(P2P_VERSION)'
";

/// A job on main that can sign, with other claims than the usual ones, and services that do `wrong`.
fn scene(sigstore: &Sigstore, claims: &Value, wrong: &str) -> Gate {
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}")).env("GITHUB_REPOSITORY_ID", "42");
    let gate = gate.input("promotion-record", "signed");
    signs(gate, sigstore, claims, wrong)
}

fn signs(gate: Gate, sigstore: &Sigstore, claims: &Value, wrong: &str) -> Gate {
    let gate = gate.input("environments", &json!({"": sigstore.keys(wrong)}).to_string());
    sigstore.job(claims).into_iter().fold(gate, |gate, (name, value)| gate.env(name, value))
}

/// What `p2p verify` says of an image in the registry.
fn verify(gate: &Gate, sigstore: &Sigstore, path: &str, more: &[&str]) -> Run {
    let image = format!("{}/{path}:0.0.1", gate.registry.path());
    let root = sigstore.root_file();
    let arguments = ["verify", &image, "--trust-root", root.to_str().unwrap()];
    gate.run(&[&arguments[..], more].concat())
}

/// All that a run said.
fn said(run: &Run) -> String {
    format!("{}{}", run.stdout, run.stderr)
}

/// The commit that the tokens of the loopback instance name.
fn commit() -> String {
    "5a".repeat(20)
}

/// What a gate of main finds out.
fn record(stage: &str, judged: &str) -> Record {
    let by = By { commit: Some(commit()), ..By::default() };
    Record { by, ..copy::records::record(stage, judged) }
}

fn ledger(client: &Client, signing: Signing) -> Ledger {
    let trust = signing.settings.trust();
    Ledger::new(client.clone(), trust, Some(signing))
}

/// What a later gate of acme/shop finds, which requires signatures and has met none of them yet.
async fn judged(client: &Client, sigstore: &Sigstore, at: &Repository, digest: &Digest) -> Finding {
    let settings = sigstore.signing(&json!({}), "").settings;
    let rule = Rule {
        repository: Some("acme/shop".to_owned()),
        repository_id: Some("42".to_owned()),
        commit: Some(commit()),
        version: Some("1.2.3".to_owned()),
        image: Some("app".to_owned()),
        refs: Refs {
            main_branch: "refs/heads/main".to_owned(),
            release_branches: vec!["release/*".to_owned()],
            prefix: Some(Prefix::default()),
            events: &EVENTS,
        },
        signed: Some(settings.allowed(&::sys::world::Env::default(), "acme/shop", Some("42".to_owned()))),
    };
    let ledger = Ledger::new(client.clone(), settings.trust(), None);
    let kept = ledger.read(at, digest).await.unwrap();
    rule.judge(&Kept::records(&kept), "fast-feedback")
}

/// The bundles that are attached to an image.
async fn bundles(client: &Client, at: &Repository, digest: &Digest) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for listed in client.referrers(at, digest).await.unwrap() {
        let manifest = client.manifest(at, &TagOrDigest::Digest(listed.digest)).await.unwrap();
        for blob in manifest.contents().unwrap().blobs {
            if blob.media_type == BUNDLE_MEDIA_TYPE {
                found.push(client.blob_bytes(at, &blob, u64::MAX).await.unwrap().to_vec());
            }
        }
    }
    found
}

const SIGNED: [&str; 4] =
    ["--issuer", "https://token.actions.githubusercontent.com", "--repository", "acme/shop"];

#[test]
fn a_signed_image_goes_from_gate_to_gate() {
    let sigstore = Sigstore::start();
    let gate = scene(&sigstore, &json!({}), "");
    let run = gate.run(&["fast-feedback"]);
    run.passed();
    assert!(run.stdout.contains("signs records with http://127.0.0.1:"), "{}", run.stdout);
    assert!(run.stdout.contains("that shop passed fast-feedback; the record is signed by"), "{}", run.stdout);
    let gate = gate.event("schedule", json!({}));
    let gate = signs(gate, &sigstore, &json!({"event_name": "schedule"}), "");
    gate.run(&["extended-test"]).passed();
    gate.run(&["prod"]).passed();
    // One certificate a run, and two entries a record: at the source and at the destination it is the same.
    let asked = |what: &str| sigstore.requests().lines().filter(|line| line.ends_with(what)).count();
    assert_eq!((asked("signingCert"), asked("POST /api/v1/log/entries")), (3, 6), "{}", sigstore.requests());

    let run = verify(
        &gate,
        &sigstore,
        "prod/shop",
        &[&SIGNED[..], &["--require", "fast-feedback,extended-test,prod"]].concat(),
    );
    let shown = &run.passed().stdout;
    assert!(
        shown
            .contains("signed by   https://github.com/acme/shop/.github/workflows/gate.yaml@refs/heads/main"),
        "{shown}"
    );
    assert!(shown.contains("every record is signed"), "{shown}");
    let run = verify(
        &gate,
        &sigstore,
        "prod/shop",
        &[&SIGNED[..], &["--output", "json", "--require", "prod"]].concat(),
    );
    let report: Value = serde_json::from_str(&run.passed().stdout).unwrap();
    assert_eq!((&report["passed"], &report["attached"]), (&json!(true), &json!([])), "{report}");
    for record in report["records"].as_array().unwrap() {
        let is_digest = |name: &str| record[name].as_str().is_some_and(|text| text.starts_with("sha256:"));
        assert!(is_digest("plan") && is_digest("makefile"), "{record}");
    }
    let first =
        report["records"].as_array().unwrap().iter().find(|record| record["stage"] == "fast-feedback");
    assert_eq!(first.unwrap()["signer"]["repositoryId"], "42", "{report}");
    for (flags, message) in [
        (["--workflow", "acme/shop/.github/workflows/release.yaml"], "its workflow is"),
        (["--ref", "refs/heads/release"], "is of `refs/heads/main`"),
        (["--repository-id", "43"], "(id 42), not of acme/shop"),
        (["--commit", "c0ffee"], "the version's is c0ffee"),
    ] {
        let run =
            verify(&gate, &sigstore, "prod/shop", &[&SIGNED[..], &flags, &["--require", "prod"]].concat());
        assert!(run.ended(1).stdout.contains(message), "{flags:?}: {}", run.stdout);
    }
}

#[test]
fn github_keeps_the_signed_records_too_and_no_gate_needs_it() {
    let sigstore = Sigstore::start();
    let scene = |switch: &str| {
        let mut keys = sigstore.keys("");
        keys["github-attestations"] = switch.into();
        scene(&sigstore, &json!({}), "").input("environments", &json!({"": keys}).to_string())
    };
    let uploaded = |gate: &Gate| {
        gate.github
            .requests()
            .into_iter()
            .filter(|seen| seen.path.ends_with("/attestations"))
            .collect::<Vec<_>>()
    };
    let gate = scene("on");
    let run = gate.run(&["fast-feedback"]);
    assert!(!said(run.passed()).contains("attestations"), "{}", run.stdout);
    let kinds = uploaded(&gate).into_iter().map(|seen| {
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        let statement = sent["bundle"]["dsseEnvelope"]["payload"].as_str().unwrap();
        let statement: Value = serde_json::from_slice(&STANDARD.decode(statement).unwrap()).unwrap();
        statement["predicateType"].as_str().unwrap().to_owned()
    });
    assert_eq!(
        kinds.collect::<BTreeSet<_>>(),
        [PREDICATE_TYPE, "https://slsa.dev/verification_summary/v1"].map(String::from).into()
    );

    let gate = scene("on");
    gate.github.fault(|seen| {
        let refused = Fault::error(403, "Resource not accessible by integration");
        seen.path.ends_with("/attestations").then_some(refused)
    });
    let run = gate.run(&["fast-feedback"]);
    assert!(
        run.passed().stdout.contains("Give the job `permissions: attestations: write`"),
        "{}",
        run.stdout
    );
    assert!(gate.registry.digest("extended-test/shop", "0.0.1").is_some());

    let gate = scene("off");
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(uploaded(&gate).len(), 0);
}

#[test]
fn an_image_whose_record_is_not_signed_by_this_gate_does_not_go_on() {
    let of_a_fork = json!({"repository": "mallory/shop", "repository_id": "43",
        "workflow_ref": "mallory/shop/.github/workflows/gate.yaml@refs/heads/main",
        "job_workflow_ref": "mallory/shop/.github/workflows/gate.yaml@refs/heads/main"});
    let elsewhere = "mallory/ci/.github/workflows/gate.yaml@refs/heads/main";
    let tag = json!({"ref": "refs/tags/v9.9.9", "sha": "00".repeat(20)});
    for (claims, message) in [
        (of_a_fork, "is of the repository mallory/shop (id 43), not of acme/shop"),
        (json!({"repository_id": "43"}), "is of the repository acme/shop (id 43), not of acme/shop"),
        (json!({"repository": "acme/other"}), "its repository is"),
        (json!({"iss": "https://token.actions.githubusercontent.com/acme"}), "its issuer is"),
        (json!({"job_workflow_ref": elsewhere}), "its workflow is"),
        (json!({"workflow_ref": elsewhere}), "its workflow is"),
        (json!({"ref": "refs/pull/7/merge"}), "is of `refs/pull/7/merge`"),
        (json!({"ref": "refs/heads/topic"}), "is of `refs/heads/topic`"),
        (json!({"ref": "refs/tags/latest"}), "is of `refs/tags/latest`"),
        (tag, "a tag of the commit 00"),
        (json!({"event_name": "pull_request_target"}), "`pull_request_target`, which never promotes"),
    ] {
        let sigstore = Sigstore::start();
        // The job says that it is this repository's; its certificate says who it is.
        let gate = scene(&sigstore, &claims, "");
        gate.run(&["fast-feedback"]).passed();
        let gate = signs(gate.event("schedule", json!({})), &sigstore, &json!({}), "");
        let run = gate.run(&["extended-test"]);
        assert!(run.ended(1).stdout.contains(message), "{claims}: {}", run.stdout);
        assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None, "{claims}");
    }
}

#[test]
fn an_unsigned_image_passes_only_where_signatures_are_not_required() {
    let sigstore = Sigstore::start();
    let gate = Gate::new(&format!("{MAKEFILE}{LATER}")).env("GITHUB_REPOSITORY_ID", "42");
    gate.run(&["fast-feedback"]).passed();
    let gate = signs(gate.event("schedule", json!({})), &sigstore, &json!({}), "");
    let run = gate.run(&["extended-test", "--promotion-record", "signed"]);
    assert!(run.ended(1).stdout.contains("fast-feedback: the record by"), "{}", run.stdout);
    assert!(run.stdout.contains("is not signed"), "{}", run.stdout);
    assert_eq!(gate.registry.digest("prod/shop", "0.0.1"), None);
    // Records that are signed count as well where they need not be.
    gate.run(&["extended-test"]).passed();
    let run = verify(&gate, &sigstore, "prod/shop", &[&SIGNED[..], &["--require", "extended-test"]].concat());
    run.passed();
    let run = verify(&gate, &sigstore, "prod/shop", &[&SIGNED[..], &["--require", "fast-feedback"]].concat());
    assert!(run.ended(1).stdout.contains("is not signed"), "{}", run.stdout);
}

#[test]
fn a_service_that_is_down_stops_a_gate_before_its_build_only_where_signatures_are_required() {
    let sigstore = Sigstore::start();
    let gate = scene(&sigstore, &json!({}), "fault-503-1000-all");
    let run = gate.run(&["fast-feedback"]);
    assert!(run.ended(69).stdout.contains("the record cannot be signed"), "{}", run.stdout);
    assert_eq!(gate.registry.digest("test/shop", "0.0.1"), None, "nothing was built");
    let run = gate.run(&["fast-feedback", "--promotion-record", "expected"]);
    run.passed();
    assert!(run.stdout.contains("the record is not signed"), "{}", run.stdout);
    assert!(gate.registry.digest("extended-test/shop", "0.0.1").is_some());
    // Without the permission there is no identity to sign with.
    let gate = gate.env("ACTIONS_ID_TOKEN_REQUEST_URL", "");
    let run = gate.run(&["fast-feedback"]);
    assert!(run.ended(64).stdout.contains("give the job the permission `id-token: write`"), "{}", run.stdout);
}

#[test]
fn p2p_sign_completes_the_record_of_a_gate_that_promoted_while_a_service_was_down() {
    let sigstore = Sigstore::start();
    let gate = scene(&sigstore, &json!({}), "fault-503-1000-all").input("promotion-record", "expected");
    let run = gate.run(&["fast-feedback"]);
    let digest = gate.registry.digest("extended-test/shop", "0.0.1").unwrap();
    let image = format!("{}/extended-test/shop", gate.registry.path());
    let exact = format!("{image}@{digest}");
    assert!(
        run.passed().stdout.contains(&format!("`p2p sign {exact} --stage fast-feedback` signs it")),
        "{}",
        run.stdout
    );

    // The service is still down: nothing is written, and the next gate says that the record waits.
    assert!(
        said(gate.run(&["sign", &exact, "--stage", "fast-feedback"]).ended(69))
            .contains("the record cannot be signed")
    );
    let scheduled = gate.event("schedule", json!({})).env("GITHUB_RUN_ID", "42");
    let gate = signs(scheduled, &sigstore, &json!({"event_name": "schedule"}), "");
    let verified = |gate: &Gate| {
        verify(
            gate,
            &sigstore,
            "extended-test/shop",
            &[&SIGNED[..], &["--require", "fast-feedback"]].concat(),
        )
    };
    let run = verified(&gate);
    assert!(said(run.ended(1)).contains("waits for a signature"), "{}", said(&run));
    let run = gate.run(&["extended-test"]);
    assert!(run.passed().stdout.contains("passed fast-feedback waits for a signature"), "{}", run.stdout);

    // Anybody who may push can move a tag, so a tag is enough only for the run that left the record.
    let run = gate.run(&["sign", &format!("{image}:0.0.1"), "--stage", "fast-feedback"]);
    assert!(said(run.ended(64)).contains("another run left the record"), "{}", said(&run));
    let run = gate.run(&["sign", &exact, "--stage", "fast-feedback"]);
    assert!(run.passed().stdout.contains("signed that"), "{}", run.stdout);
    verified(&gate).passed();
    let asked = sigstore.requests();
    let run = gate.run(&["sign", &exact, "--stage", "fast-feedback"]);
    assert!(
        run.passed().stdout.contains("no record of fast-feedback of this repository that waits"),
        "{}",
        run.stdout
    );
    assert_eq!(sigstore.requests(), asked);
}

#[test]
fn p2p_sign_signs_only_what_a_gate_of_this_repository_left_and_only_where_that_counts() {
    let sigstore = Sigstore::start();
    let gate = scene(&sigstore, &json!({}), "fault-503-1000-all").input("promotion-record", "required");
    gate.run(&["fast-feedback"]).passed();
    let image = format!("{}/extended-test/shop:0.0.1", gate.registry.path());
    let gate = signs(gate, &sigstore, &json!({}), "");
    let refused = |gate: &Gate, code: i32, message: &str| {
        let run = gate.run(&["sign", &image, "--stage", "fast-feedback"]);
        let shown = said(run.ended(code));
        assert!(shown.contains(message), "{shown}");
    };
    let gate = gate.git_ref("refs/pull/7/merge");
    refused(&gate, 64, "would not count");
    let gate = gate.git_ref("refs/heads/main").event("pull_request_target", json!({}));
    refused(&gate, 64, "would not count");
    let gate = gate.event("push", json!({})).env("GITHUB_REPOSITORY_ID", "43");
    refused(&gate, 0, "no record of fast-feedback of this repository that waits");
    let gate = gate.env("GITHUB_REPOSITORY_ID", "42").env("ACTIONS_ID_TOKEN_REQUEST_URL", "");
    refused(&gate, 64, "give the job the permission `id-token: write`");
    let gate = signs(gate, &sigstore, &json!({}), "");
    // A second record that looks like the gate's: nobody can say which one the gate left.
    let mut forged = records(&gate, "extended-test/shop", "0.0.1").remove(0).pending();
    forged.by.run = Some("https://github.com/acme/shop/actions/runs/666".to_owned());
    forged.reason = Some("another one".to_owned());
    forge(&gate, "extended-test/shop", "0.0.1", &forged);
    refused(&gate, 1, "2 records of fast-feedback on");
}

#[test]
fn a_service_that_fails_after_the_build_leaves_the_promotion_undone_and_the_way_to_go_on() {
    let sigstore = Sigstore::start();
    let gate = scene(&sigstore, &json!({}), "fault-503-1000-signing");
    let run = gate.run(&["fast-feedback"]);
    let digest = gate.registry.digest("test/shop", "0.0.1").unwrap();
    let image = format!("{}/test/shop@{digest}", gate.registry.path());
    let next =
        format!("`p2p sign {image} --stage fast-feedback`, then `p2p promote extended-test --version 0.0.1`");
    assert!(run.ended(69).stdout.contains(&next), "{}", run.stdout);
    assert_eq!(gate.registry.digest("extended-test/shop", "0.0.1"), None);

    let gate = signs(gate, &sigstore, &json!({}), "");
    let run = gate.run(&["promote", "extended-test", "--version", "0.0.1"]);
    assert!(run.ended(1).stdout.contains("waits for a signature, which `p2p sign` adds"), "{}", run.stdout);
    gate.run(&["sign", &image, "--stage", "fast-feedback"]).passed();
    gate.run(&["promote", "extended-test", "--version", "0.0.1"]).passed();
    let flags = [&SIGNED[..], &["--require", "fast-feedback"]].concat();
    verify(&gate, &sigstore, "extended-test/shop", &flags).passed();
}

#[test]
fn nothing_is_asked_where_records_are_off_and_of_pull_requests() {
    let sigstore = Sigstore::start();
    let gate = scene(&sigstore, &json!({}), "");
    gate.run(&["fast-feedback", "--promotion-record", "off"]).passed();
    let head = gate.head();
    let gate = gate.pull_request("acme/shop", &head).git_ref("refs/pull/7/merge");
    gate.run(&["fast-feedback"]).passed();
    assert_eq!(sigstore.requests(), "");
}

#[test]
fn a_wrong_key_is_an_error_that_names_it() {
    for (keys, message) in [
        (json!({"signing": "publik"}), "did you mean `public`?"),
        (
            json!({"sigstore-fulcio-url": "http://fulcio.acme.io"}),
            "expected a URL that begins with `https://`",
        ),
        (json!({"sigstore-fulcio-url": "https://fulcio.acme.io"}), "`sigstore-rekor-url` is missing"),
        (json!({"sigstore-rekor-url": "https://rekor.acme.io"}), "`sigstore-fulcio-url` is missing"),
        (
            json!({"sigstore-fulcio-url": "https://f.acme.io", "sigstore-rekor-url": "https://r.acme.io"}),
            "`sigstore-trust-root` is missing",
        ),
        (json!({"sigstore-trust-root": "nowhere.json"}), "nowhere.json"),
        (json!({"sigstore-trust-root": "Makefile"}), "the trust root cannot be used"),
        (json!({"record-workflows": "acme/[/x"}), "expected globs such as"),
    ] {
        let gate = Gate::new(MAKEFILE).input("environments", &json!({"": keys}).to_string());
        let run = gate.run(&["fast-feedback", "--promotion-record", "signed"]);
        assert!(run.stdout.contains(message), "{keys}: {}", run.stdout);
        assert_ne!(run.code, 0);
        assert_eq!(gate.registry.digest("test/shop", "0.0.1"), None);
    }
}
