//! Signed statements: what is signed verifies here and elsewhere, and nothing else does.

use std::sync::LazyLock;

use ::attestation::{AllowedSigner, SignError, Signed, Signer, Statement, Verifier, VerifyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::sigstore::{Sigstore, id_token};

const TYPE: &str = "https://example.com/gate/v1";

static DIGEST: LazyLock<String> = LazyLock::new(|| format!("sha256:{}", "5a".repeat(32)));

fn statement() -> Statement {
    Statement::new("app", &DIGEST, TYPE, json!({"result": "PASSED"})).unwrap()
}

async fn sign(sigstore: &Sigstore, claims: &Value) -> Vec<u8> {
    let signer = Signer::keyless(&sigstore.services(), &id_token(claims)).await.unwrap();
    signer.sign(&statement()).await.unwrap()
}

fn allowed() -> AllowedSigner {
    AllowedSigner {
        issuer: "https://token.actions.githubusercontent.com".into(),
        repository: "acme/shop".into(),
        repository_id: Some("42".into()),
        workflows: vec!["acme/shop/.github/workflows/*".into()],
    }
}

#[tokio::test]
async fn what_a_workflow_signs_verifies_here_and_elsewhere() {
    let sigstore = Sigstore::start();
    let signer = Signer::keyless(&sigstore.services(), &id_token(&json!({}))).await.unwrap();
    let verifier = Verifier::new(&sigstore.root()).unwrap();
    let mut bundles = Vec::new();
    for _ in 0..2 {
        let bundle = signer.sign(&statement()).await.unwrap();
        let Signed { statement: found, workload, time } = verifier.verify(&bundle, &DIGEST).unwrap();
        assert_eq!(found, statement());
        let workload = workload.unwrap();
        allowed().check(&workload).unwrap();
        assert_eq!(workload.run, "https://github.com/acme/shop/actions/runs/1001/attempts/1");
        assert_eq!(workload.commit, "5a".repeat(20));
        assert!(time.unwrap().duration_until(jiff::Timestamp::now()).as_secs() < 60);
        bundles.push(bundle);
    }
    assert_eq!(sigstore.judged(&sigstore.root_file(), &bundles), [[true, true], [true, true]]);
    // One certificate for both statements.
    assert_eq!(sigstore.requests().lines().filter(|line| line.ends_with("signingCert")).count(), 1);
}

#[tokio::test]
async fn an_instance_without_logs_signs_with_a_timestamp() {
    let sigstore = Sigstore::start();
    let timestamps = Some(sigstore.url("api/v1/timestamp"));
    let fulcio = sigstore.url("no-sct");
    let services = ::attestation::Services { fulcio, rekor: None, timestamps, ..sigstore.services() };
    let signer = Signer::keyless(&services, &id_token(&json!({}))).await.unwrap();
    let bundle = signer.sign(&statement()).await.unwrap();
    let root = std::fs::read_to_string(sigstore.root_without_logs()).unwrap();
    let root = ::attestation::TrustRoot::parse(&root).unwrap();
    let Signed { workload, .. } = Verifier::new(&root).unwrap().verify(&bundle, &DIGEST).unwrap();
    allowed().check(&workload.unwrap()).unwrap();
    assert_eq!(sigstore.judged(&sigstore.root_without_logs(), std::slice::from_ref(&bundle)), [[true]]);
    let verifier = Verifier::new(&root).unwrap();
    let timestamp = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
    let mut of_another: Value = serde_json::from_slice(&bundle).unwrap();
    let second = Signer::keyless(&services, &id_token(&json!({}))).await.unwrap();
    let another: Value = serde_json::from_slice(&second.sign(&statement()).await.unwrap()).unwrap();
    *of_another.pointer_mut(timestamp).unwrap() = another.pointer(timestamp).unwrap().clone();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bundle: Value = serde_json::from_slice(&bundle).unwrap();
        let token = bundle.pointer_mut(timestamp).unwrap();
        let mut bytes = STANDARD.decode(token.as_str().unwrap()).unwrap();
        change(&mut bytes);
        *token = STANDARD.encode(bytes).into();
        bundle
    };
    for (what, wrong) in [
        ("the timestamp of another signature", of_another),
        ("a changed signature of the authority", changed(|token| *token.last_mut().unwrap() ^= 1)),
        (
            "another time",
            changed(|token| {
                // GeneralizedTime, whose last digit is before the Z.
                let time = token.windows(2).position(|bytes| bytes == [0x18, 0x0f]).unwrap();
                token[time + 15] ^= 1;
            }),
        ),
    ] {
        let refused = verifier.verify(wrong.to_string().as_bytes(), &DIGEST);
        assert!(matches!(refused, Err(VerifyError::Signature(_))), "{what}: {refused:?}");
    }
    // Nothing but the timestamp says that the certificate was valid.
    let mut bare: Value = serde_json::from_slice(&bundle).unwrap();
    let material = bare["verificationMaterial"].as_object_mut().unwrap();
    assert!(material.remove("timestampVerificationData").is_some(), "{bare}");
    let refused = Verifier::new(&root).unwrap().verify(bare.to_string().as_bytes(), &DIGEST).unwrap_err();
    assert!(matches!(refused, VerifyError::Signature(_)), "{refused}");
    // Where the instance has a log, a timestamp alone is not enough.
    let refused = Verifier::new(&sigstore.root()).unwrap().verify(&bundle, &DIGEST).unwrap_err();
    assert!(matches!(refused, VerifyError::Signature(_)), "{refused}");
}

/// Changes the payload of the envelope, which is base64 inside the bundle.
fn with_payload(bundle: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut changed = bundle.clone();
    let payload = &mut changed["dsseEnvelope"]["payload"];
    let mut statement: Value =
        serde_json::from_slice(&STANDARD.decode(payload.as_str().unwrap()).unwrap()).unwrap();
    change(&mut statement);
    *payload = STANDARD.encode(statement.to_string()).into();
    changed
}

/// Flips one bit in the middle of a base64 text.
fn flip(value: &mut Value) {
    let mut bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *value = STANDARD.encode(bytes).into();
}

/// What is wrong with a bundle, and the bundle, made of two good ones.
fn forgeries(good: &Value, other: &Value) -> Vec<(&'static str, Value)> {
    let entry = "/verificationMaterial/tlogEntries/0";
    let changed = |pointer: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).unwrap() = value;
        bundle
    };
    let flipped = |pointer: &str| {
        let mut bundle = good.clone();
        flip(bundle.pointer_mut(pointer).unwrap());
        bundle
    };
    let taken = |pointer: &str| changed(pointer, other.pointer(pointer).unwrap().clone());
    vec![
        ("another result", with_payload(good, |it| it["predicate"]["result"] = "FAILED".into())),
        (
            "another predicate type",
            with_payload(good, |it| it["predicateType"] = "https://example.com/v2".into()),
        ),
        ("another name", with_payload(good, |it| it["subject"][0]["name"] = "other".into())),
        ("another signature", taken("/dsseEnvelope/signatures/0/sig")),
        ("a changed signature", flipped("/dsseEnvelope/signatures/0/sig")),
        ("another certificate", taken("/verificationMaterial/certificate/rawBytes")),
        ("a changed certificate", flipped("/verificationMaterial/certificate/rawBytes")),
        ("the entry of another envelope", taken(entry)),
        ("the body of another entry", taken(&format!("{entry}/canonicalizedBody"))),
        ("no entry", changed("/verificationMaterial/tlogEntries", json!([]))),
        ("no inclusion proof", changed(&format!("{entry}/inclusionProof"), Value::Null)),
        ("another root hash", flipped(&format!("{entry}/inclusionProof/rootHash"))),
        ("another log", flipped(&format!("{entry}/logId/keyId"))),
        ("another time", changed(&format!("{entry}/integratedTime"), json!("1700000000"))),
        ("no promise and another time", {
            let mut bundle = changed(&format!("{entry}/integratedTime"), json!("1700000000"));
            bundle.pointer_mut(entry).unwrap().as_object_mut().unwrap().remove("inclusionPromise");
            bundle
        }),
        ("a changed promise", flipped(&format!("{entry}/inclusionPromise/signedEntryTimestamp"))),
        ("a checkpoint of nobody", {
            let checkpoint = format!("{entry}/inclusionProof/checkpoint/envelope");
            let text = good.pointer(&checkpoint).unwrap().as_str().unwrap().to_owned();
            let line = text.lines().last().unwrap();
            let (name, signature) = line.rsplit_once(' ').unwrap();
            let mut signature: Value = signature.into();
            flip(&mut signature);
            changed(
                &checkpoint,
                text.replace(line, &format!("{name} {}", signature.as_str().unwrap())).into(),
            )
        }),
        ("two signatures", {
            let signature = good.pointer("/dsseEnvelope/signatures/0").unwrap().clone();
            changed("/dsseEnvelope/signatures", json!([signature, signature]))
        }),
        ("no signature", changed("/dsseEnvelope/signatures", json!([]))),
        ("another payload type", changed("/dsseEnvelope/payloadType", json!("text/plain"))),
        ("a payload that is not JSON", changed("/dsseEnvelope/payload", json!(STANDARD.encode("{")))),
        (
            "two subjects",
            with_payload(good, |it| {
                let subject = it["subject"][0].clone();
                it["subject"].as_array_mut().unwrap().push(subject);
            }),
        ),
        ("no subject", with_payload(good, |it| it["subject"] = json!([]))),
        (
            "another digest",
            with_payload(good, |it| it["subject"][0]["digest"]["sha256"] = "00".repeat(32).into()),
        ),
        (
            "an unknown media type",
            changed("/mediaType", json!("application/vnd.dev.sigstore.bundle.v9+json")),
        ),
        ("a message signature", {
            let mut bundle = good.clone();
            bundle.as_object_mut().unwrap().remove("dsseEnvelope");
            bundle["messageSignature"] = json!({"signature": "AAAA"});
            bundle
        }),
        ("a public key instead of the certificate", {
            let mut bundle = good.clone();
            bundle["verificationMaterial"].as_object_mut().unwrap().remove("certificate");
            bundle["verificationMaterial"]["publicKey"] = json!({"hint": "mine"});
            bundle
        }),
        ("nothing", json!({})),
        ("no object", json!([])),
    ]
}

/// The same with a log entry that says something else.
fn wrong_entries(good: &Value) -> Vec<(&'static str, Value)> {
    let entry = "/verificationMaterial/tlogEntries/0";
    let changed = |pointer: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).unwrap() = value;
        bundle
    };
    vec![
        ("another index", changed(&format!("{entry}/logIndex"), json!("7777"))),
        (
            "an inclusion proof at another index",
            changed(&format!("{entry}/inclusionProof/logIndex"), json!("7")),
        ),
        (
            "an inclusion proof in a larger tree",
            changed(&format!("{entry}/inclusionProof/treeSize"), json!("9")),
        ),
        ("an inclusion proof with more hashes", {
            let root = good.pointer(&format!("{entry}/inclusionProof/rootHash")).unwrap().clone();
            changed(&format!("{entry}/inclusionProof/hashes"), json!([root]))
        }),
        ("no checkpoint", changed(&format!("{entry}/inclusionProof/checkpoint"), Value::Null)),
        ("another kind of entry", changed(&format!("{entry}/kindVersion/kind"), json!("hashedrekord"))),
    ]
}

#[tokio::test]
async fn forged_and_malformed_bundles_are_refused() {
    let sigstore = Sigstore::start();
    let good: Value = serde_json::from_slice(&sign(&sigstore, &json!({})).await).unwrap();
    let other: Value = serde_json::from_slice(&sign(&sigstore, &json!({})).await).unwrap();
    let mut forged = forgeries(&good, &other);
    forged.extend(wrong_entries(&good));
    let mut services = sigstore.services();
    services.rekor = Some(sigstore.url("other-log"));
    let signer = Signer::keyless(&services, &id_token(&json!({}))).await.unwrap();
    let other_log: Value = serde_json::from_slice(&signer.sign(&statement()).await.unwrap()).unwrap();
    for part in ["inclusionProof/checkpoint", "inclusionProof", "logId", "inclusionPromise"] {
        let pointer = format!("/verificationMaterial/tlogEntries/0/{part}");
        let mut bundle = good.clone();
        *bundle.pointer_mut(&pointer).unwrap() = other_log.pointer(&pointer).unwrap().clone();
        forged.push(("a part of an entry of another log", bundle));
    }
    let verifier = Verifier::new(&sigstore.root()).unwrap();
    assert!(verifier.verify(good.to_string().as_bytes(), &DIGEST).is_ok());
    for (what, bundle) in &forged {
        let refused = verifier.verify(bundle.to_string().as_bytes(), &DIGEST);
        assert!(refused.is_err(), "{what} is taken: {refused:?}");
    }
    let bundles: Vec<_> = forged.iter().map(|(_, bundle)| bundle.to_string().into_bytes()).collect();
    // The first one reads root and size of the tree from the checkpoint, and not from the proof.
    let from_checkpoint = ["another root hash", "an inclusion proof in a larger tree"];
    let verdicts = sigstore.judged(&sigstore.root_file(), &bundles);
    for (verdicts, spared) in verdicts.into_iter().zip([&from_checkpoint[..], &[]]) {
        for ((what, _), taken) in forged.iter().zip(verdicts) {
            assert!(!taken || spared.contains(what), "{what} is taken elsewhere");
        }
    }
    let text = good.to_string();
    let twice = text.replacen("{\"mediaType\"", "{\"mediaType\":\"x\",\"mediaType\"", 1);
    assert_ne!(twice, text);
    for (what, bytes, message) in [
        ("a key twice", twice.into_bytes(), "occurs twice"),
        ("half a bundle", text.as_bytes()[..text.len() / 2].to_vec(), "malformed"),
        ("a huge bundle", vec![b' '; 3 * 1024 * 1024], "more than"),
        ("no bundle", Vec::new(), "malformed"),
    ] {
        let refused = verifier.verify(&bytes, &DIGEST).unwrap_err().to_string();
        assert!(refused.contains(message), "{what}: {refused}");
    }
    let of_another = verifier.verify(good.to_string().as_bytes(), &format!("sha256:{}", "00".repeat(32)));
    assert!(matches!(of_another, Err(VerifyError::Subject { .. })), "{of_another:?}");
}

#[tokio::test]
async fn certificates_and_entries_of_others_are_refused() {
    let sigstore = Sigstore::start();
    let verifier = Verifier::new(&sigstore.root()).unwrap();
    let mut bundles = Vec::new();
    for (wrong, message) in [
        ("expired", "expired"),
        ("early", "notvalidyet"),
        ("no-sct", "timestamp"),
        ("other-ct", "timestamp"),
        ("other-ca", "certificate"),
        ("other-log", "log"),
        ("other-key", "signature"),
        ("other-entry", "payload"),
    ] {
        let mut services = sigstore.services();
        services.fulcio = sigstore.url(wrong);
        services.rekor = Some(sigstore.url(wrong));
        let signer = Signer::keyless(&services, &id_token(&json!({}))).await.unwrap();
        let bundle = signer.sign(&statement()).await.unwrap();
        let refused = verifier.verify(&bundle, &DIGEST).unwrap_err().to_string();
        assert!(refused.to_lowercase().contains(message), "{wrong}: {refused}");
        bundles.push(bundle);
    }
    let none = vec![false; bundles.len()];
    assert_eq!(sigstore.judged(&sigstore.root_file(), &bundles), [none.clone(), none]);
}

#[tokio::test]
async fn a_fault_at_any_request_is_survived_or_is_one_error() {
    let sigstore = Sigstore::start();
    let verifier = Verifier::new(&sigstore.root()).unwrap();
    let token = id_token(&json!({}));
    for kind in ["reset", "429", "503", "half"] {
        for (count, survived) in [(2, true), (9, false)] {
            let mut services = sigstore.services();
            services.fulcio = sigstore.url(&format!("fault-{kind}-{count}-fulcio"));
            let at_fulcio = Signer::keyless(&services, &token).await;
            assert_eq!(at_fulcio.is_ok(), survived, "{kind} at Fulcio: {at_fulcio:?}");
            if let Err(error) = at_fulcio {
                assert!(error.to_string().starts_with("Fulcio at 127.0.0.1"), "{error}");
                assert!(is_outage(&error) && !error.to_string().contains(token.expose()), "{error}");
            }
            let mut services = sigstore.services();
            services.rekor = Some(sigstore.url(&format!("fault-{kind}-{count}-rekor")));
            let signer = Signer::keyless(&services, &token).await.unwrap();
            match signer.sign(&statement()).await {
                Ok(bundle) => {
                    assert!(survived, "{kind} at Rekor");
                    verifier.verify(&bundle, &DIGEST).unwrap();
                }
                Err(error) => assert!(!survived && is_outage(&error), "{kind} at Rekor: {error}"),
            }
        }
    }
}

fn is_outage(error: &SignError) -> bool {
    matches!(error, SignError::Unreachable { .. } | SignError::Refused { status: 429 | 503, .. })
}

#[tokio::test]
async fn what_a_service_refuses_is_said_with_help() {
    use ::sys::error::Help as _;

    let sigstore = Sigstore::start();
    let token = id_token(&json!({"aud": "https://iam.googleapis.com/other"}));
    let refused = Signer::keyless(&sigstore.services(), &token).await.unwrap_err();
    assert!(matches!(refused, SignError::Refused { status: 400, .. }), "{refused}");
    assert!(refused.help().unwrap().contains("id-token: write"));
    for broken in ["", "no-token", "a.b.c"] {
        let refused = Signer::keyless(&sigstore.services(), &::workflow_commands::Secret::new(broken)).await;
        assert!(matches!(refused, Err(SignError::Key(_))), "{refused:?}");
    }
    assert!(::attestation::check(&sigstore.services()).await.is_ok());
    let mut down = sigstore.services();
    down.rekor = Some("http://127.0.0.1:9".to_owned());
    let down = ::attestation::check(&down).await.unwrap_err();
    assert!(down.to_string().starts_with("Rekor at 127.0.0.1 cannot be reached"), "{down}");
}
