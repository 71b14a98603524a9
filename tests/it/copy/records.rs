//! Promotion records: written, carried along, shown, required.

use p2p::oci::{Client, CopyOptions, Manifest, Repository};
use p2p::record::{self, Passed, Record, UNSIGNED};

use super::{Embedded, err, out, run};
use crate::oci::{client, repository, shop};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front};

fn record(stage: &str, promoted: &str, destination: &str) -> Record {
    Record {
        trust: UNSIGNED.to_owned(),
        version: "1.2.3".to_owned(),
        repository: Some("acme/shop".to_owned()),
        commit: "c0ffee".to_owned(),
        run: Some("https://github.com/acme/shop/actions/runs/7".to_owned()),
        stages: vec![Passed { name: stage.to_owned(), passed: promoted.to_owned(), steps: Vec::new() }],
        source: "r.example/test/app:1.2.3".to_owned(),
        destination: destination.to_owned(),
        promoted: promoted.to_owned(),
    }
}

async fn promoted(client: &Client, at: &Repository) -> Manifest {
    let image = shop(client, at).await;
    let first = record("fast-feedback", "2026-01-02T03:04:05Z", "r.example/extended-test/app:1.2.3");
    assert!(record::attach(client, at, &image.digest, &first).await.unwrap());
    // A gate that runs again adds nothing.
    assert!(!record::attach(client, at, &image.digest, &first).await.unwrap());
    image
}

/// A promotion of `from` to `to`, then what `verify` says there.
async fn travel(from: &str, to: &str) {
    let client = client();
    let (source, at) = (repository(from, "extended-test/app"), repository(to, "prod/app"));
    let image = promoted(&client, &source).await;
    let options = CopyOptions { include_referrers: true, ..CopyOptions::default() };
    client.copy(&source, &image.digest, &at, &["1.2.3".into()], &options).await.unwrap();
    let name = format!("{at}:1.2.3");

    let all = "fast-feedback,extended-test";
    let early = run(&["verify", &name, "--require", all]).await;
    assert_eq!(early.status.code(), Some(1));
    assert!(out(&early).contains("passed fast-feedback at 2026-01-02T03:04:05Z"), "{}", out(&early));
    assert!(err(&early).contains("passed extended-test"), "{}", err(&early));
    assert!(!err(&early).contains("passed fast-feedback"), "{}", err(&early));

    let second = record("extended-test", "2026-01-03T03:04:05Z", &name);
    assert!(record::attach(&client, &at, &image.digest, &second).await.unwrap());
    let whole = run(&["verify", &name, "--require", all]).await;
    assert!(whole.status.success(), "{}", err(&whole));
    let text = out(&whole);
    assert!(
        text.starts_with(&format!("{at}@{}\n2026-01-02T03:04:05Z promoted 1.2.3\n", image.digest)),
        "{text}"
    );
    assert!(text.contains(&format!("  to     {name}\n")), "{text}");
    assert!(text.ends_with(&format!("these records are {UNSIGNED}\n")), "{text}");
}

#[tokio::test]
async fn records_travel_by_the_referrers_api() {
    let (from, to) = (Embedded::start(None).await, Embedded::start(None).await);
    travel(&from.host(), &to.host()).await;
}

#[tokio::test]
async fn records_travel_by_the_tag_that_stands_in_for_the_api() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    travel(from.host(), to.host()).await;
}

#[tokio::test]
async fn records_travel_from_one_kind_of_registry_to_the_other() {
    let (from, to) = (DockerRegistry::start(), Embedded::start(None).await);
    travel(from.host(), &to.host()).await;
}

#[tokio::test]
async fn records_are_carried_where_other_referrers_stay_behind() {
    let (from, to) = (Embedded::start(None).await, Embedded::start(None).await);
    let client = client();
    let (source, at) = (repository(&from.host(), "extended-test/app"), repository(&to.host(), "prod/app"));
    let image = promoted(&client, &source).await;
    client.copy(&source, &image.digest, &at, &["1.2.3".into()], &CopyOptions::default()).await.unwrap();
    assert!(client.referrers(&at, &image.digest).await.unwrap().is_empty());
    let kept = record::read(&client, &source, &image.digest).await.unwrap();
    assert_eq!(record::carry(&client, &at, &kept).await.unwrap(), 1);
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
    assert!(out(&shown).ends_with("no promotion record is attached\n"));
    assert_eq!(run(&["verify", &name, "--require", "fast-feedback"]).await.status.code(), Some(1));
    let unknown = run(&["verify", &name, "--require", "prod"]).await;
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
    let record = record("fast-feedback", "2026-01-02T03:04:05Z", "r.example/x:1");
    let at = repository(front.host(), "app");
    let error = record::attach(&client(), &at, &image.digest, &record).await.unwrap_err();
    assert!(error.to_string().contains("405"), "{error}");
}
