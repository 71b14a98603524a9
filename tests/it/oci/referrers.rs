//! What hangs on an image: referrers by tag and by API, cosign's tags.

use ::oci::{AttachedState, Client, CopyOptions, Manifest, OCI_INDEX, OCI_MANIFEST, OnExisting, Repository};
use serde_json::json;

use super::{Builder, client, noise, options, repository, shop, tag};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front};

/// Something about `subject`, under a tag or its digest.
async fn attach(
    client: &Client,
    at: &Repository,
    subject: Option<&Manifest>,
    kind: &str,
    name: Option<&str>,
) -> Manifest {
    let builder = Builder { client, at };
    let mut document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind,
        "config": builder.blob("application/vnd.oci.empty.v1+json", "{}".into()).await,
        "layers": [builder.blob(kind, noise(kind.len() as u64, 50)).await],
        "annotations": {"made": "by the test"}});
    if let Some(subject) = subject {
        document["subject"] = json!(subject.descriptor());
    }
    builder.push(&document, name).await
}

#[tokio::test]
async fn referrers_come_along_by_the_tag_that_stands_in_for_the_api() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let destination = repository(to.host(), "prod/app");
    let image = shop(&client, &source).await;
    let sbom = attach(&client, &source, Some(&image), "application/spdx+json", None).await;
    let scan = attach(&client, &source, Some(&image), "application/sarif+json", None).await;
    let signed = attach(&client, &source, Some(&sbom), "application/vnd.signature", None).await;
    let cosign = format!("{}.sig", image.digest.referrers_tag());
    let signature = attach(&client, &source, None, "application/vnd.cosign", Some(&cosign)).await;

    let listed = client.referrers(&source, &image.digest).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].artifact_type.as_deref(), Some("application/spdx+json"));
    assert_eq!(listed[0].annotations["made"], "by the test");

    let with = CopyOptions { include_referrers: true, ..options() };
    let report =
        client.copy(&source.digest(&image.digest), &destination, &["1".into()], &with).await.unwrap();
    let mut came: Vec<_> = report.attached.iter().map(|a| (a.what.as_str(), &a.digest, a.state)).collect();
    came.sort_by_key(|(what, _, _)| what.to_owned());
    assert_eq!(
        came,
        [
            ("application/sarif+json", &scan.digest, AttachedState::Copied),
            ("application/spdx+json", &sbom.digest, AttachedState::Copied),
            ("application/vnd.signature", &signed.digest, AttachedState::Copied),
            (cosign.as_str(), &signature.digest, AttachedState::Copied),
        ]
    );
    let mut there = client.referrers(&destination, &image.digest).await.unwrap();
    there.sort_by_key(|referrer| referrer.artifact_type.clone());
    let mut expected = listed.clone();
    expected.sort_by_key(|referrer| referrer.artifact_type.clone());
    assert_eq!(there, expected);
    assert_eq!(client.referrers(&destination, &sbom.digest).await.unwrap()[0].digest, signed.digest);
    assert_eq!(client.manifest(&destination, &tag(&cosign)).await.unwrap(), signature);

    // Again: all is there. A signature that the destination has of its own is kept.
    let own = attach(&client, &destination, None, "application/vnd.own", Some(&cosign)).await;
    let report =
        client.copy(&source.digest(&image.digest), &destination, &["1".into()], &with).await.unwrap();
    assert!(report.unchanged && report.manifests == 0, "{report:?}");
    for attached in &report.attached {
        let expected = if attached.what == cosign { AttachedState::Kept } else { AttachedState::Present };
        assert_eq!(attached.state, expected, "{attached:?}");
    }
    assert_eq!(client.manifest(&destination, &tag(&cosign)).await.unwrap(), own);

    let over = CopyOptions { on_existing: OnExisting::Overwrite, ..with };
    client.copy(&source.digest(&image.digest), &destination, &["1".into()], &over).await.unwrap();
    assert_eq!(client.manifest(&destination, &tag(&cosign)).await.unwrap(), signature);

    let elsewhere = repository(to.host(), "other/app");
    let report =
        client.copy(&source.digest(&image.digest), &elsewhere, &["1".into()], &options()).await.unwrap();
    assert!(report.attached.is_empty());
    assert_eq!(client.referrers(&elsewhere, &image.digest).await.unwrap(), []);
}

#[tokio::test]
async fn referrers_come_along_by_the_api() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let (client, source) = (client(), repository(from.host(), "test/app"));
    let image = shop(&client, &source).await;
    let one = attach(&client, &repository(from.host(), "test/app"), None, "application/one", None).await;
    let two = attach(&client, &repository(from.host(), "test/app"), None, "application/two", None).await;
    // The registry knows no referrers: the front answers for it, in two pages.
    let path = format!("/v2/test/app/referrers/{}", image.digest);
    let page = |manifest: &Manifest| {
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [manifest.descriptor()]}).to_string()
    };
    let pages = [page(&one), page(&two)];
    let front = Front::start(from.host(), move |seen| {
        if seen.uri.path() != path {
            return Act::Pass;
        }
        let next = format!("<{path}?page=2>; rel=\"next\"");
        match seen.uri.query() {
            None => Act::Answer(200, vec![("link", next)], pages[0].clone()),
            _ => Act::Answer(200, vec![], pages[1].clone()),
        }
    })
    .await;
    let source = repository(front.host(), "test/app");
    let found = client.referrers(&source, &image.digest).await.unwrap();
    assert_eq!(found, [one.descriptor(), two.descriptor()]);
    let with = CopyOptions { include_referrers: true, ..options() };
    let at = repository(to.host(), "prod/app");
    let report = client.copy(&source.digest(&image.digest), &at, &["1".into()], &with).await.unwrap();
    assert_eq!(report.attached.len(), 2);
    assert!(client.resolve(&at, &::oci::TagOrDigest::Digest(two.digest)).await.unwrap().is_some());
}
