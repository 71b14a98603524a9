//! Records of gates: written, carried along, shown, required.

use ::oci::{Client, CopyOptions, Manifest, Repository};
use p2p::gate::record::{Basis, By, Judgement, Ledger, Left, Record, Trust, UNSIGNED};

use super::{Embedded, err, out, run};
use crate::oci::{client, repository, shop};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front};

/// A record that counts wherever no repository is named.
pub(crate) fn record(stage: &str, judged: &str) -> Record {
    Record {
        trust: UNSIGNED.to_owned(),
        stage: Some(stage.to_owned()),
        result: Judgement::Passed,
        reason: None,
        judged: judged.to_owned(),
        version: Some("1.2.3".to_owned()),
        image: "r.example/test/app:1.2.3".parse().unwrap(),
        by: By {
            repository: Some("acme/shop".to_owned()),
            commit: Some("c0ffee".to_owned()),
            git_ref: Some("refs/heads/main".to_owned()),
            event: Some("push".to_owned()),
            run: Some("https://github.com/acme/shop/actions/runs/7".to_owned()),
            ..By::default()
        },
        targets: Vec::new(),
        scans: Vec::new(),
        basis: Basis::default(),
        handed_over: false,
        signer: None,
    }
}

/// Attaches a record, as a gate does that has read what is there.
pub(crate) async fn attach(client: &Client, at: &Repository, image: &Manifest, record: &Record) -> bool {
    let ledger = ledger(client);
    let known = ledger.read(at, &image.digest).await.unwrap();
    ledger.attach(at, &image.digest, record, &known).await.unwrap() == Left::Plain
}

/// Records that nobody signs.
fn ledger(client: &Client) -> Ledger {
    Ledger::new(client.clone(), Trust::default(), None)
}

async fn promoted(client: &Client, at: &Repository) -> Manifest {
    let image = shop(client, at).await;
    let first = record("fast-feedback", "2026-01-02T03:04:05Z");
    assert!(attach(client, at, &image, &first).await);
    // A gate that runs again with the same result adds nothing, and one with another result does.
    let again = record("fast-feedback", "2026-01-02T04:04:05Z");
    assert!(!attach(client, at, &image, &again).await);
    let failed = Record { result: Judgement::Failed, ..record("fast-feedback", "2026-01-02T05:04:05Z") };
    assert!(attach(client, at, &image, &failed).await);
    assert!(attach(client, at, &image, &record("fast-feedback", "2026-01-02T06:04:05Z")).await);
    image
}

/// A promotion of `from` to `to`, then what `verify` says there.
async fn travel(from: &str, to: &str) {
    let client = client();
    let (source, at) = (repository(from, "extended-test/app"), repository(to, "prod/app"));
    let image = Box::pin(promoted(&client, &source)).await;
    let options = CopyOptions { include_referrers: true, ..CopyOptions::default() };
    client.copy(&source.digest(&image.digest), &at, &["1.2.3".into()], &options).await.unwrap();
    let name = format!("{at}:1.2.3");

    let all = "fast-feedback,extended-test";
    let early = run(&["verify", &name, "--require", all]).await;
    assert_eq!(early.status.code(), Some(1));
    assert!(out(&early).contains("2026-01-02T03:04:05Z PASSED fast-feedback"), "{}", out(&early));
    assert!(err(&early).contains("passed extended-test"), "{}", err(&early));
    assert!(!err(&early).contains("passed fast-feedback:"), "{}", err(&early));

    let second = record("extended-test", "2026-01-03T03:04:05Z");
    assert!(attach(&client, &at, &image, &second).await);
    let whole = run(&["verify", &name, "--require", all]).await;
    assert!(whole.status.success(), "{}", err(&whole));
    let text = out(&whole);
    let digest = &image.digest;
    assert!(
        text.starts_with(&format!("{at}@{digest}\n2026-01-02T03:04:05Z PASSED fast-feedback\n")),
        "{text}"
    );
    assert!(text.ends_with(&format!("these records are {UNSIGNED}\n")), "{text}");
}

#[tokio::test]
async fn records_travel_by_the_referrers_api() {
    let (from, to) = (Embedded::start(None).await, Embedded::start(None).await);
    Box::pin(travel(&from.host(), &to.host())).await;
}

#[tokio::test]
async fn records_travel_by_the_tag_that_stands_in_for_the_api() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    Box::pin(travel(from.host(), to.host())).await;
}

#[tokio::test]
async fn records_travel_from_one_kind_of_registry_to_the_other() {
    let (from, to) = (DockerRegistry::start(), Embedded::start(None).await);
    Box::pin(travel(from.host(), &to.host())).await;
}

#[tokio::test]
async fn records_are_carried_where_other_referrers_stay_behind() {
    let (from, to) = (Embedded::start(None).await, Embedded::start(None).await);
    let client = client();
    let (source, at) = (repository(&from.host(), "extended-test/app"), repository(&to.host(), "prod/app"));
    let image = Box::pin(promoted(&client, &source)).await;
    client
        .copy(&source.digest(&image.digest), &at, &["1.2.3".into()], &CopyOptions::default())
        .await
        .unwrap();
    assert!(client.referrers(&at, &image.digest).await.unwrap().is_empty());
    let kept = ledger(&client).read(&source, &image.digest).await.unwrap();
    assert_eq!(kept.len(), 3);
    ledger(&client).carry(&at, &image.digest, &kept).await.unwrap();
    // The very same bytes.
    assert_eq!(
        client.referrers(&at, &image.digest).await.unwrap(),
        client.referrers(&source, &image.digest).await.unwrap()
    );
}

#[tokio::test]
async fn an_image_without_records_is_fine_unless_they_are_required() {
    let registry = Embedded::start(None).await;
    let at = repository(&registry.host(), "app");
    shop(&client(), &at).await;
    let name = format!("{at}:1.2.3");
    let shown = run(&["verify", &name]).await;
    assert!(shown.status.success());
    assert!(out(&shown).ends_with("no record of a gate is attached\n"));
    assert_eq!(run(&["verify", &name, "--require", "fast-feedback"]).await.status.code(), Some(1));
    let unknown = run(&["verify", &name, "--require", "staging"]).await;
    assert_eq!(unknown.status.code(), Some(64), "{}", err(&unknown));
}

#[tokio::test]
async fn a_registry_that_refuses_referrers_and_tag_is_an_error_that_says_so() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "app")).await;
    let front = Front::start(registry.host(), |seen| match seen.method.as_str() {
        "PUT" if seen.uri.path().contains("/manifests/") => Act::Answer(405, vec![], String::new()),
        _ => Act::Pass,
    })
    .await;
    let record = record("fast-feedback", "2026-01-02T03:04:05Z");
    let at = repository(front.host(), "app");
    let error = ledger(&client()).attach(&at, &image.digest, &record, &[]).await.unwrap_err();
    assert!(error.to_string().contains("405"), "{error}");
}
