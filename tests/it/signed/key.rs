//! Records that a key of Cloud KMS signs, as the service account of the job.

use serde_json::{Value, json};

use super::{LATER, bundles};
use crate::attacks::at;
use crate::support::gate::{Gate, MAKEFILE, Run};
use crate::support::google::{Google, account, provider, refusal};
use crate::support::kms::{public_key, version};
use crate::support::server::{Reply, Seen};
use crate::support::sigstore::judged_by_key;

/// A job on main that acts as the service account, which may use the keys.
struct Scene {
    google: Google,
    gate: Gate,
}

impl Scene {
    /// Version `number` signs, and the file has these public keys.
    fn new(number: u32, keys: &[u32]) -> Self {
        let google = Google::start().with("acme-dev", 42);
        google.kms(|kms| kms.signers = vec![account("acme-dev", "shop")]);
        let gate = Gate::new(&format!("{MAKEFILE}{LATER}")).env("GITHUB_REPOSITORY_ID", "42");
        let gate = gate.env("GITHUB_WORKFLOW_REF", "acme/shop/.github/workflows/gate.yaml@refs/heads/main");
        let gate = google.variables().into_iter().fold(gate, |gate, (name, value)| gate.env(name, value));
        let gate = gate.input("promotion-record", "signed").file("key.pem", &pem(keys)).commit("the key");
        let gate = gate.input("environments", &json!({"": environment(&google, number)}).to_string());
        Self { google, gate }
    }

    /// The same with another value of some keys of the environment.
    fn with(mut self, number: u32, change: impl FnOnce(&mut Value)) -> Self {
        let mut keys = environment(&self.google, number);
        change(&mut keys);
        self.gate = self.gate.input("environments", &json!({ "": keys }).to_string());
        self
    }

    fn verify(&self, path: &str, more: &[&str]) -> Run {
        let image = format!("{}/{path}:0.0.1", self.gate.registry.path());
        let arguments = ["verify", &image, "--repository", "acme/shop", "--issuer", "key"];
        self.gate.run(&[&arguments[..], more].concat())
    }

    /// The bundles at the image.
    fn bundles(&self, path: &str) -> Vec<Vec<u8>> {
        at(&self.gate, path, "0.0.1", async |client, at, digest| bundles(&client, &at, &digest).await)
    }

    fn promoted(&self) -> bool {
        self.gate.registry.digest("extended-test/shop", "0.0.1").is_some()
    }
}

fn pem(keys: &[u32]) -> String {
    keys.iter().map(|number| public_key(*number)).collect()
}

fn environment(google: &Google, number: u32) -> Value {
    json!({
        "service-account": account("acme-dev", "shop"),
        "workload-identity-provider": provider(42, "shop"),
        "google-sts-url": google.url(),
        "google-iam-credentials-url": google.url(),
        "google-kms-url": google.url(),
        "signing": "key",
        "signing-key": format!("gcpkms://{}", version(number)),
        "sigstore-trust-root": "key.pem",
    })
}

const REQUIRED: [&str; 4] = ["--trust-root", "key.pem", "--require", "fast-feedback"];

#[test]
fn a_key_signs_what_goes_from_gate_to_gate() {
    let scene = Scene::new(1, &[1]);
    let run = scene.gate.run(&["fast-feedback"]);
    let shown = &run.passed().stdout;
    assert!(shown.contains(&format!("signs records with gcpkms://{}", version(1))), "{shown}");
    // The record and its summary, once for both places.
    assert_eq!(scene.google.count(&format!("POST /v1/{}:asymmetricSign", version(1))), 2);
    let gate = scene.gate.event("schedule", json!({}));
    gate.run(&["extended-test"]).passed();
    gate.run(&["prod"]).passed();
    let scene = Scene { gate, ..scene };
    let stages = ["--trust-root", "key.pem", "--require", "fast-feedback,extended-test,prod"];
    let run = scene.verify("prod/shop", &stages);
    let shown = &run.passed().stdout;
    assert!(shown.contains("every record is signed"), "{shown}");
    let run = scene.verify("prod/shop", &[&REQUIRED[..], &["--output", "json"]].concat());
    let report: Value = serde_json::from_str(&run.passed().stdout).unwrap();
    let signer = &report["records"][0]["signer"];
    assert_eq!(
        (&signer["issuer"], &signer["gitRef"]),
        (&json!("key"), &json!("refs/heads/main")),
        "{signer}"
    );
    for secret in scene.google.secrets() {
        assert!(!run.texts().iter().any(|(_, text)| text.contains(&secret)));
    }

    // A verifier that is not ours says the same, and of another key the opposite.
    let bundles = scene.bundles("prod/shop");
    assert_eq!(bundles.len(), 6);
    assert_eq!(judged_by_key(&public_key(1), &bundles), vec![true; 6]);
    assert_eq!(judged_by_key(&public_key(2), &bundles), vec![false; 6]);
    let forged: Vec<_> = bundles.iter().map(|bundle| forged(bundle)).collect();
    assert_eq!(judged_by_key(&public_key(1), &forged), vec![false; 6]);
}

/// The bundle with another payload under the same signature.
fn forged(bundle: &[u8]) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_slice(bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap().replacen('I', "J", 1);
    bundle["dsseEnvelope"]["payload"] = json!(payload);
    bundle.to_string().into_bytes()
}

#[test]
fn only_keys_in_the_file_count() {
    let scene = Scene::new(1, &[1, 2]);
    scene.gate.run(&["fast-feedback"]).passed();
    scene.verify("extended-test/shop", &REQUIRED).passed();
    let gate = scene.gate.file("other.pem", &pem(&[2])).event("schedule", json!({}));
    let scene = Scene { gate, ..scene };
    let run =
        scene.verify("extended-test/shop", &["--trust-root", "other.pem", "--require", "fast-feedback"]);
    assert!(run.ended(1).stdout.contains("no trusted key made it"), "{}{}", run.stdout, run.stderr);
    // A key is not the issuer of a GitHub.
    let image = format!("{}/extended-test/shop:0.0.1", scene.gate.registry.path());
    let github = ["--repository", "acme/shop", "--issuer", "https://token.actions.githubusercontent.com"];
    let run = scene.gate.run(&[&["verify", &image][..], &github, &REQUIRED].concat());
    assert!(run.ended(1).stdout.contains("its issuer is \"key\""), "{}", run.stdout);
    // The embedded roots know no keys.
    let run = scene.verify("extended-test/shop", &["--require", "fast-feedback"]);
    assert!(run.ended(1).stdout.contains("does not count"), "{}{}", run.stdout, run.stderr);
    // After a rotation, the old key is in the file as long as its records count.
    let scene = scene.with(2, |_| {});
    scene.gate.run(&["extended-test"]).passed();
    let old = scene.with(2, |keys| keys["sigstore-trust-root"] = json!("other.pem"));
    let run = old.gate.run(&["extended-test"]);
    assert!(run.ended(1).stdout.contains("no record says that"), "{}", run.stdout);
}

#[test]
fn a_record_that_a_key_signed_still_has_to_be_the_right_one() {
    let scene = Scene::new(1, &[1]);
    scene.gate.run(&["fast-feedback"]).passed();
    for (flags, why) in [
        (["--repository", "acme/other"], "repository"),
        (["--ref", "refs/heads/other"], "refs/heads/main"),
        (["--workflow", "acme/shop/.github/workflows/other.yaml"], "its workflow is"),
        (["--repository-id", "43"], "repository"),
    ] {
        let image = format!("{}/extended-test/shop:0.0.1", scene.gate.registry.path());
        let mut arguments = vec!["verify", &image, "--issuer", "key"];
        arguments.extend(REQUIRED);
        arguments.extend(flags);
        let run = scene.gate.run(&arguments);
        assert!(run.ended(1).stdout.contains(why), "{flags:?}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_job_that_cannot_sign_ends_before_its_build() {
    let ends = |scene: &Scene, code: i32, words: &[&str]| {
        let run = scene.gate.run(&["fast-feedback"]);
        for word in words {
            assert!(run.ended(code).stdout.contains(word), "{word}: {}", run.stdout);
        }
        assert_eq!(scene.gate.registry.digest("test/shop", "0.0.1"), None, "{}", run.stdout);
    };
    let scene = Scene::new(1, &[1]);
    scene.google.kms(|kms| kms.signers.clear());
    let key = version(1).replace("/cryptoKeyVersions/1", "");
    let grant = format!("gcloud kms keys add-iam-policy-binding {key} ");
    ends(&scene, 69, &["cannot use gcpkms://", &grant, "roles/cloudkms.signerVerifier"]);
    let scene = Scene::new(1, &[1]);
    scene.google.kms(|kms| kms.disabled = true);
    ends(&scene, 69, &["gcloud services enable cloudkms.googleapis.com --project acme-keys"]);
    ends(
        &Scene::new(1, &[2]),
        64,
        &["`sigstore-trust-root` does not name the public key of gcpkms://", &public_key(1)[27..60]],
    );
    ends(
        &Scene::new(3, &[1]),
        64,
        &["is of the algorithm RSA_SIGN_PSS_2048_SHA256, not EC_SIGN_P256_SHA256"],
    );
    ends(&Scene::new(1, &[1]).with(9, |_| {}), 69, &["(404 NOT_FOUND"]);
    let scene = Scene::new(1, &[1]);
    scene
        .google
        .server()
        .fault(|seen| seen.path.ends_with("/publicKey").then(|| refusal(503, "UNAVAILABLE", "down")));
    ends(&scene, 69, &["is not available (503"]);
}

#[test]
fn wrong_settings_are_refused() {
    for (change, words) in [
        (json!({"signing-key": null}), "the key `signing-key` is missing"),
        (json!({"signing-key": "records"}), "the key `signing-key` is \"records\""),
        (json!({"signing-key": "awskms://x"}), "gcpkms://projects/P/locations/L"),
        (json!({"signing": null}), "set `signing: key` too"),
        (json!({"signing": "github"}), "the key `sigstore-trust-root` is \"key.pem\""),
        (json!({"github-attestations": "on"}), "GitHub's attestations have certificates"),
        (json!({"sigstore-trust-root": null}), "the key `sigstore-trust-root` is missing"),
        (json!({"sigstore-trust-root": "Makefile"}), "or public keys in PEM"),
        (json!({"service-account": null, "workload-identity-provider": null}), "this job acts as none"),
    ] {
        let scene = Scene::new(1, &[1]).with(1, |keys| {
            for (key, value) in change.as_object().unwrap() {
                keys[key] = value.clone();
                if value.is_null() {
                    keys.as_object_mut().unwrap().remove(key);
                }
            }
        });
        let run = scene.gate.run(&["fast-feedback"]);
        assert!(run.ended(64).stdout.contains(words), "{change}: {}", run.stdout);
        assert_eq!(scene.gate.registry.digest("test/shop", "0.0.1"), None);
    }
}

#[test]
fn a_key_that_fails_after_the_build_leaves_the_promotion_undone_and_the_way_to_go_on() {
    let scene = Scene::new(1, &[1]);
    let down = |seen: &Seen| seen.path.ends_with(":asymmetricSign").then(|| refusal(500, "INTERNAL", "down"));
    scene.google.server().fault(down);
    let run = scene.gate.run(&["fast-feedback"]);
    assert!(run.ended(69).stdout.contains("p2p sign "), "{}", run.stdout);
    assert!(!scene.promoted());
    let digest = scene.gate.registry.digest("test/shop", "0.0.1").unwrap();
    let image = format!("{}/test/shop@{digest}", scene.gate.registry.path());
    let sign = ["sign", &image, "--stage", "fast-feedback"];
    assert!(scene.gate.run(&sign).ended(69).stdout.contains("could not sign with gcpkms://"));
    scene.google.server().fault(|_| None);
    scene.gate.run(&sign).passed();
    scene.gate.run(&["promote", "extended-test", "--version", "0.0.1"]).passed();
    scene.verify("extended-test/shop", &REQUIRED).passed();
}

#[test]
fn where_records_are_expected_a_key_that_fails_stops_nothing() {
    let scene = Scene::new(1, &[1]);
    let gate = scene.gate.input("promotion-record", "expected");
    scene.google.server().fault(|seen| seen.path.contains("/keyRings/").then(Reply::hang_up));
    let run = gate.run(&["fast-feedback"]);
    assert!(run.passed().stdout.contains("p2p sign "), "{}", run.stdout);
    scene.google.server().fault(|_| None);
    gate.run(&["fast-feedback"]).passed();
    let scene = Scene { gate, ..scene };
    scene.verify("extended-test/shop", &REQUIRED).passed();
}

#[test]
fn a_wrong_answer_of_the_key_is_never_attached() {
    let long = json!({"signature": "A".repeat(1 << 20)}).to_string();
    for text in [r#"{"signature": "MEUCIQ"}"#, r#"{"signature": "!"}"#, "{}", r#"{"signature": "MEUC"#, &long]
    {
        let scene = Scene::new(1, &[1]);
        let answer = text.to_owned();
        scene
            .google
            .server()
            .fault(move |seen| seen.path.ends_with(":asymmetricSign").then(|| Reply::text(200, &answer)));
        let run = scene.gate.run(&["fast-feedback"]);
        assert_ne!(run.code, 0, "{text}: {}", run.stdout);
        assert!(!scene.promoted(), "{text}");
        assert!(scene.bundles("test/shop").is_empty(), "{text}");
    }
}

#[test]
fn a_pull_request_and_a_laptop_sign_nothing() {
    let scene = Scene::new(1, &[1]);
    let head = scene.gate.head();
    let gate = scene.gate.pull_request("acme/shop", &head).git_ref("refs/pull/7/merge");
    gate.run(&["fast-feedback"]).passed();
    assert!(!scene.google.server().requests().iter().any(|seen| seen.path.contains("/keyRings/")));
}

#[test]
fn a_job_that_leaves_no_record_needs_no_key() {
    for records in ["required", "signed"] {
        let scene = Scene::new(1, &[1]);
        let gate = scene.gate.event("schedule", json!({})).input("promotion-record", records);
        // Nothing was promoted yet.
        gate.run(&["extended-test"]).passed();
        gate.run(&["version"]).passed();
        gate.run(&["run", "p2p-functional"]).passed();
        assert!(!scene.google.server().requests().iter().any(|seen| seen.path.contains("/keyRings/")));
    }
}

#[test]
fn a_signature_that_comes_later_is_for_the_run_that_signs() {
    let scene = Scene::new(1, &[1]);
    scene
        .google
        .server()
        .fault(|seen| seen.path.ends_with(":asymmetricSign").then(|| refusal(500, "INTERNAL", "down")));
    let gate =
        scene.gate.env("GITHUB_WORKFLOW_REF", "acme/shop/.github/workflows/never.yaml@refs/heads/main");
    gate.run(&["fast-feedback"]).ended(69);
    scene.google.server().fault(|_| None);
    let gate = gate.env("GITHUB_WORKFLOW_REF", "acme/shop/.github/workflows/sign.yaml@refs/heads/main");
    let digest = gate.registry.digest("test/shop", "0.0.1").unwrap();
    let image = format!("{}/test/shop@{digest}", gate.registry.path());
    gate.run(&["sign", &image, "--stage", "fast-feedback"]).passed();
    let scene = Scene { gate, ..scene };
    let run = scene.verify("test/shop", &[&REQUIRED[..], &["--output", "json"]].concat());
    let report: Value = serde_json::from_str(&run.passed().stdout).unwrap();
    let records = report["records"].as_array().unwrap();
    let signed = records.iter().find(|record| !record["signer"].is_null()).unwrap();
    assert_eq!(signed["signer"]["workflow"], signed["signer"]["jobWorkflow"]);
    assert!(signed["workflow"].as_str().unwrap().contains("/sign.yaml@"), "{signed}");
}

#[test]
fn environments_may_differ_in_who_signs() {
    let scene = Scene::new(1, &[1]);
    let mut keys = environment(&scene.google, 1);
    keys["sigstore-fulcio-url"] = json!("https://fulcio.acme.io");
    keys["sigstore-rekor-url"] = json!("https://rekor.acme.io");
    keys["sigstore-issuer"] = json!("https://issuer.acme.io");
    let gate = scene.gate.input("environments", &json!({"": keys, "prod": {"signing": "key"}}).to_string());
    gate.run(&["fast-feedback"]).passed();
}
