//! Bundles with valid signatures that no gate may accept: what the certificate says, and what the record says.

use ::attestation::{Signer, Statement};
use ::oci::Digest;
use p2p::gate::record::{Finding, PREDICATE_TYPE};
use serde_json::{Value, json};

use super::crowd::Target;
use super::{judged, record};
use crate::oci::{Builder, client, noise, repository};
use crate::support::registry::{Options, Server};
use crate::support::sigstore::{Sigstore, id_token};

const SUMMARY_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// A registry, and an instance of Sigstore.
struct Scene {
    server: Server,
    _root: tempfile::TempDir,
    sigstore: Sigstore,
}

/// A bundle that is attached: the claims of the job that signs, and what it signs.
struct Attached {
    claims: Value,
    digest: Option<Digest>,
    predicate_type: &'static str,
    predicate: Value,
}

impl Scene {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = Server::start(Options::at(root.path())).await.unwrap();
        Self { server, _root: root, sigstore: Sigstore::start() }
    }

    /// What a later gate finds at an image with these bundles.
    async fn finds(&self, number: usize, attached: Vec<Attached>) -> Finding {
        let at = repository(&self.server.address().to_string(), &format!("prod{number}/app"));
        let client = client();
        let image = Builder { client: &client, at: &at }.image("amd64", &[noise(number as u64, 10)]).await;
        let target = Target::new(&client, &at, &image);
        for Attached { claims, digest, predicate_type, predicate } in attached {
            let signer = Signer::keyless(&self.sigstore.services(), &id_token(&claims)).await.unwrap();
            let digest = digest.unwrap_or(image.digest.clone());
            let statement = Statement::new("app", digest.as_str(), predicate_type, predicate).unwrap();
            target.attach(signer.sign(&statement).await.unwrap(), |_| {}).await;
        }
        judged(&client, &self.sigstore, &at, &image.digest).await
    }
}

/// The record of a gate that passed, signed on main.
fn good() -> Attached {
    let predicate = serde_json::to_value(record("fast-feedback", "2026-01-02T03:04:05Z")).unwrap();
    Attached { claims: json!({}), digest: None, predicate_type: PREDICATE_TYPE, predicate }
}

fn by(claims: Value) -> Attached {
    Attached { claims, ..good() }
}

fn saying(change: impl FnOnce(&mut Value)) -> Attached {
    let mut attached = good();
    change(&mut attached.predicate);
    attached
}

/// Each bundle is refused for its reason.
async fn refused(cases: Vec<(Attached, &str)>) {
    let scene = Scene::new().await;
    assert_eq!(scene.finds(0, vec![good()]).await, Finding::Passed);
    for (number, (attached, message)) in cases.into_iter().enumerate() {
        let what = format!("{} {}", attached.claims, attached.predicate);
        match scene.finds(number + 1, vec![attached]).await {
            Finding::Missing(why) => assert!(why.contains(message), "{what}: {why}, not {message}"),
            other => panic!("{what}: {other:?}, not {message}"),
        }
    }
}

#[tokio::test]
async fn signers_that_are_no_gate_of_main_are_refused() {
    let file = |workflow: &str| format!("{workflow}@refs/heads/main");
    let workflow = |name: &str, workflow: &str| by(json!({name: file(workflow)}));
    refused(vec![
        (by(json!({"ref": "refs/pull/7/head"})), "is of `refs/pull/7/head`"),
        (by(json!({"ref": "refs/heads/Main"})), "is of `refs/heads/Main`"),
        (by(json!({"ref": "refs/heads/main/evil"})), "is of `refs/heads/main/evil`"),
        (by(json!({"ref": "refs/heads/release/1/evil"})), "is of `refs/heads/release/1/evil`"),
        (
            by(json!({"ref": "refs/heads/gh-readonly-queue/main/pr-7-c0ffee"})),
            "is of `refs/heads/gh-readonly-queue/",
        ),
        (by(json!({"ref": "refs/tags/v1.2"})), "is of `refs/tags/v1.2`"),
        (by(json!({"ref": "refs/tags/web-v1.2.3"})), "is of `refs/tags/web-v1.2.3`"),
        (by(json!({"ref": "refs/tags/v1.2.3", "sha": "beef"})), "a tag of the commit beef"),
        (by(json!({"event_name": "pull_request"})), "is of the event `pull_request`"),
        (by(json!({"event_name": "workflow_run"})), "is of the event `workflow_run`"),
        (by(json!({"event_name": "merge_group"})), "is of the event `merge_group`"),
        (by(json!({"event_name": "issue_comment"})), "is of the event `issue_comment`"),
        (by(json!({"event_name": "Push"})), "is of the event `Push`"),
        (by(json!({"repository_id": "43"})), "is of the repository acme/shop (id 43)"),
        (by(json!({"repository_id": "4"})), "is of the repository acme/shop (id 4)"),
        (by(json!({"repository": "acme/shop-fork"})), "its repository is"),
        (by(json!({"repository": "acme"})), "its repository is"),
        (by(json!({"iss": "https://token.actions.githubusercontent.com.evil.io"})), "its issuer is"),
        (by(json!({"iss": "https://token.actions.githubusercontent.com/"})), "its issuer is"),
        (workflow("workflow_ref", "acme/shop-fork/.github/workflows/gate.yaml"), "its workflow is"),
        (
            workflow("job_workflow_ref", "coreeng/p2p-action-fork/.github/workflows/gate.yaml"),
            "its workflow is",
        ),
        (workflow("job_workflow_ref", "acme/shop/gate.yaml"), "its workflow is"),
    ])
    .await;
}

#[tokio::test]
async fn records_that_a_gate_of_main_signed_about_something_else_are_refused() {
    let ran = || json!({"name": "p2p-nft", "result": "passed", "milliseconds": 1});
    let unreadable = "its predicate cannot be read";
    refused(vec![
        (saying(|it| it["stage"] = "extended-test".into()), "is of extended-test"),
        (saying(|it| it["stage"] = "Fast-Feedback".into()), "is of Fast-Feedback"),
        (saying(|it| it["commit"] = "beef".into()), "is of the commit beef"),
        (saying(|it| it["version"] = "1.2.2".into()), "is of the version 1.2.2, not of 1.2.3"),
        (saying(|it| it["version"] = "1.2.30".into()), "is of the version 1.2.30, not of 1.2.3"),
        (
            saying(|it| it["image"] = "r.example/test/other:1.2.3".into()),
            "is of the image r.example/test/other",
        ),
        (
            saying(|it| it["image"] = "r.example/test/my-app:1.2.3".into()),
            "is of the image r.example/test/my-app",
        ),
        (saying(|it| it["image"] = "no reference!".into()), unreadable),
        (saying(|it| it["result"] = "passed".into()), unreadable),
        (saying(|it| it["result"] = "APPROVED".into()), unreadable),
        (saying(|it| it["result"] = true.into()), unreadable),
        (saying(|it| *it = json!({"result": "PASSED"})), unreadable),
        (saying(|it| *it = json!({})), unreadable),
        (saying(|it| *it = json!([])), unreadable),
        (saying(|it| *it = Value::Null), unreadable),
        (saying(|it| it["judged"] = "yesterday".into()), "its time \"yesterday\" is none"),
        (saying(|it| it["actor"] = "a\nb".into()), "too long or not one line"),
        (saying(|it| it["reason"] = "a".repeat(3000).into()), "too long or not one line"),
        (saying(|it| it["targets"] = vec![ran(); 101].into()), "too long"),
        (Attached { digest: Some(Digest::of("another image")), ..good() }, "the statement is about sha256:"),
        (
            Attached { predicate_type: "https://github.com/coreeng/p2p-action/gate/v2", ..good() },
            "it has no record of any gate",
        ),
        (
            Attached {
                predicate_type: SUMMARY_TYPE,
                predicate: json!({"verificationResult": "PASSED"}),
                ..good()
            },
            "it has no record of any gate",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_newest_signed_record_of_a_gate_decides() {
    let scene = Scene::new().await;
    let at = |time: &str, result: &str| {
        let (time, result) = (time.to_owned(), result.to_owned());
        saying(|it| (it["judged"], it["result"]) = (time.into(), result.into()))
    };
    let passed = || at("2026-01-02T03:04:05Z", "PASSED");
    let rejected = |finding: Finding| matches!(finding, Finding::Rejected(_));
    assert!(rejected(scene.finds(1, vec![passed(), at("2026-01-02T03:04:06Z", "FAILED")]).await));
    // The same moment, written with another offset; a failure decides.
    assert!(rejected(scene.finds(2, vec![passed(), at("2026-01-02T04:04:05+01:00", "FAILED")]).await));
    assert!(rejected(scene.finds(3, vec![passed(), at("2026-01-01T00:00:00Z", "YANKED")]).await));
    // Another run of the same gate found the same bytes bad, whatever the commit.
    let mut other_commit = at("2026-01-03T00:00:00Z", "FAILED");
    other_commit.predicate["commit"] = "beef".into();
    assert!(rejected(scene.finds(4, vec![passed(), other_commit]).await));
    assert_eq!(scene.finds(5, vec![at("2026-01-01T00:00:00Z", "FAILED"), passed()]).await, Finding::Passed);
    // Those who may not pass an image may not reject it.
    let mut stranger = at("2026-01-03T00:00:00Z", "FAILED");
    stranger.claims = json!({"event_name": "pull_request_target"});
    assert_eq!(scene.finds(6, vec![passed(), stranger]).await, Finding::Passed);
    // A failure of another stage is the business of that stage.
    let mut of_another_stage = at("2026-01-03T00:00:00Z", "FAILED");
    of_another_stage.predicate["stage"] = "extended-test".into();
    assert_eq!(scene.finds(7, vec![passed(), of_another_stage]).await, Finding::Passed);
}
