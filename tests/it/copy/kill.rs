//! Killed with SIGKILL at a hundred moments: never a tag on an incomplete image, and the next run
//! succeeds.

use std::time::{Duration, Instant};

use ::oci::TagOrDigest;

use super::{assert_complete, err, p2p, run};
use crate::oci::{Builder, client, noise, repository, tag};
use crate::support::docker_registry::DockerRegistry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_leave_no_tag_on_half_an_image() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let source = repository(from.host(), "test/app");
    let client = client();
    let builder = Builder { client: &client, at: &source };
    let layers: Vec<_> = (0..8).map(|seed| noise(seed, 20_000)).collect();
    let (one, two) = (builder.image("amd64", &layers[..4]).await, builder.image("arm64", &layers[4..]).await);
    let image = builder.index(&[&one, &two]).await;
    builder.tag(&image, "1").await;
    let name = format!("{source}:1");
    let home = tempfile::tempdir().unwrap();

    let began = Instant::now();
    let whole = run(&["copy", &name, &format!("{}/whole:1", to.host())]).await;
    assert!(whole.status.success(), "{}", err(&whole));
    let took = began.elapsed().max(Duration::from_millis(20));

    let (mut unfinished, mut finished) = (0, 0);
    for moment in 0..100 {
        let at = repository(to.host(), &format!("killed/m{moment}"));
        let there = format!("{at}:1");
        let mut child = tokio::process::Command::from(p2p(home.path(), &["copy", &name, &there]))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // It is the moment that matters, not that anything has happened by then.
        let _ = tokio::time::timeout(took * moment / 90, child.wait()).await;
        let _ = child.start_kill();
        child.wait().await.unwrap();
        if let Some(found) = client.resolve(&at, &tag("1")).await.unwrap() {
            finished += 1;
            assert_eq!(found.digest, image.digest);
        } else {
            unfinished += 1;
            let next = run(&["copy", &name, &there]).await;
            assert!(next.status.success(), "{moment}: {}", err(&next));
            let copied = client.manifest(&at, &TagOrDigest::Tag("1".into())).await.unwrap();
            assert_eq!(copied, image);
        }
        assert_complete(&client, &at, &image.digest).await;
    }
    assert!(unfinished >= 20, "{unfinished} were killed in time, {finished} were not");
}
