//! The command lines, judged by what they print and by skopeo.

use ::oci::TagOrDigest;

use super::{Embedded, err, out, run};
use crate::oci::{assert_whole, client, repository, shop, tag};
use crate::support::docker_registry::DockerRegistry;

#[tokio::test]
async fn copy_says_what_it_moved_mounted_and_skipped() {
    let (from, to) = (Embedded::start(None).await, DockerRegistry::start());
    let image = shop(&client(), &repository(&from.host(), "test/app")).await;
    let (source, there) = (format!("{}/test/app:1.2.3", from.host()), format!("{}/prod/app", to.host()));

    let dry = run(&["copy", &source, &there, "--dry-run"]).await;
    assert!(dry.status.success(), "{}", err(&dry));
    let text = out(&dry);
    assert!(text.starts_with(&format!("would copy {there}:1.2.3@{}; nothing was written\n", image.digest)));
    assert!(text.contains("4 blobs moved (361 KiB)"), "{text}");
    assert!(to.tags("prod/app").is_empty());

    let copied = run(&["copy", &source, &there]).await;
    assert!(copied.status.success(), "{}", err(&copied));
    let text = out(&copied);
    assert!(text.starts_with(&format!("copied {there}:1.2.3@{}\n", image.digest)), "{text}");
    assert!(text.contains("4 blobs moved (361 KiB)"), "{text}");
    assert_whole(&repository(to.host(), "prod/app"), "1.2.3", &image).await;

    let again = out(&run(&["copy", &source, &there]).await);
    assert_eq!(again, format!("{there}:1.2.3@{} was there already\n", image.digest));

    let next = format!("{}/live/app:7", to.host());
    let text = out(&run(&["copy", &format!("{there}:1.2.3"), &next]).await);
    assert!(text.contains("4 blobs mounted (361 KiB)"), "{text}");
    let text = out(&run(&["copy", &source, &format!("{}/live/app:8", to.host())]).await);
    assert!(text.contains("4 blobs skipped, there already (361 KiB)"), "{text}");
}

#[tokio::test]
async fn a_tag_in_use_is_moved_only_when_that_is_asked_for() {
    let registry = Embedded::start(None).await;
    let at = repository(&registry.host(), "app");
    let image = shop(&client(), &at).await;
    let other = crate::oci::Builder { client: &client(), at: &at }.image("arm64", &[]).await;
    crate::oci::Builder { client: &client(), at: &at }.tag(&other, "2").await;
    let (one, two) = (format!("{at}:1.2.3"), format!("{at}:2"));

    let refused = run(&["copy", &one, &two]).await;
    let text = err(&refused);
    assert!(!refused.status.success());
    assert!(text.contains(image.digest.as_str()) && text.contains(other.digest.as_str()), "{text}");
    assert_eq!(client().resolve(&at, &tag("2")).await.unwrap().unwrap().digest, other.digest);

    assert!(run(&["copy", &one, &two, "--on-existing", "overwrite"]).await.status.success());
    assert_eq!(client().resolve(&at, &tag("2")).await.unwrap().unwrap().digest, image.digest);

    let refused = run(&["copy", &one, &format!("{at}@{}", image.digest)]).await;
    assert_eq!(refused.status.code(), Some(64), "{}", err(&refused));
    let missing = run(&["copy", &format!("{at}:no"), &two]).await;
    assert!(err(&missing).contains("manifest no is not in"), "{}", err(&missing));
}

#[tokio::test]
async fn an_image_by_digest_needs_no_tag() {
    let (from, to) = (Embedded::start(None).await, Embedded::start(None).await);
    let image = shop(&client(), &repository(&from.host(), "test/app")).await;
    let source = format!("{}/test/app@{}", from.host(), image.digest);
    let copied = run(&["copy", &source, &format!("{}/prod/app", to.host())]).await;
    assert!(copied.status.success(), "{}", err(&copied));
    let at = repository(&to.host(), "prod/app");
    assert_eq!(client().manifest(&at, &TagOrDigest::Digest(image.digest.clone())).await.unwrap(), image);
    assert_eq!(client().tags(&at).await.unwrap().unwrap_or_default(), Vec::<String>::new());
}

#[tokio::test]
async fn latest_reads_all_pages() {
    let registry = Embedded::with(|options| crate::support::registry::Options { page: 3, ..options }).await;
    let at = repository(&registry.host(), "app");
    let none = run(&["latest", &at.to_string()]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(err(&none).contains("the registry knows no such repository"), "{}", err(&none));

    let image = shop(&client(), &at).await;
    let builder = crate::oci::Builder { client: &client(), at: &at };
    for name in ["0.9.9", "1.10.0", "1.9.0", "2.0.0-rc.1", "latest", "v2.0.0", "zzz", "1.2"] {
        builder.tag(&image, name).await;
    }
    let latest = run(&["latest", &at.to_string()]).await;
    assert_eq!(out(&latest), "v2.0.0\n", "{}", err(&latest));
    let pages = registry.server.log().iter().filter(|entry| entry.path.contains("tags/list")).count();
    assert!(pages >= 4, "{pages}");
}
