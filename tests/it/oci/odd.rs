//! Registries that answer otherwise than the specification says, and yet are in use. skopeo, on the
//! same registry, is the control.

use std::time::Duration;

use ::oci::{
    Client, Content, CopyOptions, CopyReport, Credentials, Descriptor, Keyring, Manifest, OCI_INDEX,
    OCI_MANIFEST, OciError, OnExisting, Repository, Settings, TagOrDigest,
};
use ::sys::error::Help;
use ::workflow_commands::Secret;
use serde_json::json;

use super::{Builder, assert_whole, client, noise, options, repository, settings, shop, skopeo, tag};
use crate::copy::run;
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front, Seen};
use crate::support::odd_registry::{Odd, OddRegistry, Where};

/// An oddity by itself, and whether skopeo can write to such a registry.
type Row = (&'static str, Vec<Odd>, bool);

/// Each oddity, with the values that differ in kind.
fn odds() -> Vec<Row> {
    use Odd::{
        BlobsMove, ChunksOnly, Gzip, Head, HeadOfBlobs, Immutable, Link, MissingIs, NoDigest, NoPageSize,
        NoSinglePut, Referrers, SeeOther, SubjectTag, Token, WritesMove,
    };
    let mut odds = vec![
        ("no digest", vec![NoDigest], true),
        ("gzip unasked", vec![Gzip], true),
        ("chunks with a range only", vec![NoSinglePut(400), ChunksOnly], false),
        ("see other", vec![SeeOther], false),
        ("immutable tags", vec![Immutable(400, "")], true),
        ("the subject under the tag of its referrers", vec![SubjectTag], true),
        ("pages that point at themselves", vec![Link(|_| "<?n=1000>; rel=next".to_owned())], true),
        ("no page size", vec![NoPageSize(400)], true),
    ];
    odds.extend([401, 403].map(|status| ("missing is refused", vec![MissingIs(status)], false)));
    odds.extend([401, 405, 500].map(|status| ("no HEAD", vec![Head(status)], false)));
    odds.extend([403, 405, 501].map(|status| ("no HEAD of blobs", vec![HeadOfBlobs(status)], false)));
    odds.extend(
        [(200, "<html>"), (200, ""), (401, ""), (403, ""), (405, ""), (500, ""), (501, "")]
            .map(|(status, text)| ("referrers", vec![Referrers(status, text)], true)),
    );
    for to in [Where::Path, Where::Here, Where::Storage] {
        let elsewhere = matches!(to, Where::Storage);
        odds.extend([307, 308].map(|status| ("writes move", vec![WritesMove(status, to)], elsewhere)));
        odds.push(("writes move", vec![WritesMove(302, to)], false));
        odds.extend([302, 303, 307, 308].map(|status| ("blobs move", vec![BlobsMove(status, to)], true)));
    }
    odds.extend([400, 404, 405].map(|status| ("no single PUT", vec![NoSinglePut(status)], true)));
    odds.extend(
        [
            (r#"{"token":"t","expires_in":"300"}"#, false),
            (r#"{"token":"t","expires_in":-1}"#, true),
            (r#"{"token":"t","expires_in":299.5}"#, false),
            (r#"{"token":"t","expires_in":1e99}"#, false),
            (r#"{"token":null,"access_token":"t","expires_in":null}"#, true),
        ]
        .map(|(text, works)| ("token", vec![Token(text)], works)),
    );
    odds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_is_the_control() {
    let from = DockerRegistry::start();
    let source = repository(from.host(), "test/app");
    shop(&client(), &source).await;
    let source = format!("docker://{source}:1.2.3");
    for (what, odd, expected) in odds() {
        let registry = OddRegistry::start(odd);
        let there = format!("docker://{}/prod/app:1", registry.host());
        let options = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
        let copied = skopeo(&[&options[..], &[&source, &there]].concat()).await;
        assert_eq!(copied.is_ok(), expected, "{what}: {copied:?}, {:?}", registry.seen());
        let tags = client().tags(&repository(&registry.plain(), "prod/app")).await.unwrap();
        assert_eq!(tags.is_some_and(|tags| tags == ["1"]), expected, "{what}");
        assert!(registry.storage().iter().all(|seen| seen.header("authorization").is_empty()), "{what}");
    }
}

/// A client with a login for everything.
fn with_login(host: &str) -> Client {
    let login = Credentials::Password { username: "user".into(), password: Secret::new("secret-login") };
    Client::new(Settings { keyring: Keyring::default().with(host, login), ..settings() })
}

/// A copy of the shop to `prod/app` of an odd registry, with what refers to it.
async fn copied(
    registry: &OddRegistry,
    source: &Repository,
    image: &Manifest,
) -> Result<CopyReport, OciError> {
    let at = repository(registry.host(), "prod/app");
    let with = CopyOptions { include_referrers: true, ..options() };
    with_login(registry.host()).copy(&source.digest(&image.digest), &at, &["1".into()], &with).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_to_each_of_them_and_come_from_each() {
    let from = DockerRegistry::start();
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    for (what, odd, _) in odds() {
        let registry = OddRegistry::start(odd);
        let report = copied(&registry, &source, &image).await;
        let report = report.unwrap_or_else(|error| panic!("{what}: {error}, {:#?}", registry.seen()));
        assert_eq!((report.moved.blobs, report.unread.len()), (4, 0), "{what}");
        assert_whole(&repository(&registry.plain(), "prod/app"), "1", &image).await;

        // Within it, again, and back from it.
        let (client, at) = (with_login(registry.host()), repository(registry.host(), "prod/app"));
        for name in ["live/app", "live/app", "prod/app"] {
            let to = repository(registry.host(), name);
            let result = client.copy(&at.digest(&image.digest), &to, &["2".into()], &options()).await;
            result.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        let back = repository(from.host(), "back/app");
        let result = client.copy(&at.tag("1").unwrap(), &back, &["1".into()], &options()).await;
        assert_eq!(result.unwrap_or_else(|error| panic!("{what}: {error}")).digest, image.digest, "{what}");
        for seen in registry.storage() {
            assert_eq!(seen.header("authorization"), "", "{what}: {seen:?}");
        }
        let shown = format!("{:?}", registry.storage());
        assert!(!shown.contains("secret-login"), "{what}");
    }
}

/// The image that `refers` is about, as something that refers to it does.
async fn attach(client: &Client, at: &Repository, subject: &Manifest, kind: &str) -> Manifest {
    let builder = Builder { client, at };
    let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind,
        "config": builder.blob("application/vnd.oci.empty.v1+json", "{}".into()).await,
        "layers": [builder.blob(kind, noise(kind.len() as u64, 50)).await],
        "subject": subject.descriptor()});
    builder.push(&document, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_cannot_be_read_is_not_taken_from_another_image() {
    let from = DockerRegistry::start();
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let other = Builder { client: &client(), at: &source }.image("arm64", &[noise(9, 500)]).await;
    let over = CopyOptions { on_existing: OnExisting::Overwrite, ..options() };
    for status in [401, 403] {
        let registry = OddRegistry::start(vec![Odd::MissingIs(status)]);
        let at = repository(registry.host(), "prod/app");
        client().copy(&source.digest(&other.digest), &at, &["1".into()], &options()).await.unwrap();

        // The tag is refused, whatever it holds; the rest of the repository is shown.
        let upstream = registry.plain();
        let hidden = move |seen: &Seen| match seen.uri.path() {
            path if path.ends_with("/manifests/1") && seen.method != "PUT" => {
                Act::Answer(status, vec![], String::new())
            }
            _ => Act::Pass,
        };
        let front = Front::start(&upstream, hidden).await;
        let at = repository(front.host(), "prod/app");
        // By the list of tags somebody could tell; what cannot be read back is an error in any case.
        let error =
            client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err();
        assert!(error.is_denied(), "{error}");

        // Nothing of the repository is shown: whether the tag is free cannot be known, and it stays.
        let blind = move |seen: &Seen| match seen.method.as_str() {
            "GET" | "HEAD" => Act::Answer(status, vec![], String::new()),
            _ => Act::Pass,
        };
        let front = Front::start(&upstream, blind).await;
        let to = repository(front.host(), "prod/app");
        let error =
            client().copy(&source.digest(&image.digest), &to, &["2".into()], &options()).await.unwrap_err();
        assert!(error.is_denied(), "{error}");
        let plain = repository(&upstream, "prod/app");
        assert_eq!(client().resolve(&plain, &tag("2")).await.unwrap(), None);
        client().copy(&source.digest(&image.digest), &plain, &["2".into()], &over).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_shows_up_before_it_is_written_is_not_taken() {
    let from = DockerRegistry::start();
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let other = Builder { client: &client(), at: &source }.image("arm64", &[noise(9, 500)]).await;
    let to = DockerRegistry::start();
    let plain = repository(to.host(), "prod/app");
    client().copy(&source.digest(&other.digest), &plain, &["1".into()], &options()).await.unwrap();
    // Refused until the repository is written to.
    let written = std::sync::atomic::AtomicBool::new(false);
    let front = Front::start(to.host(), move |seen| {
        let order = std::sync::atomic::Ordering::Relaxed;
        if seen.method == "PUT" && seen.uri.path().contains("/manifests/") {
            written.store(true, order);
        }
        let reads = ["GET", "HEAD"].contains(&seen.method.as_str());
        if reads && !written.load(order) { Act::Answer(403, vec![], String::new()) } else { Act::Pass }
    })
    .await;
    let at = repository(front.host(), "prod/app");
    let error =
        client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err();
    assert!(matches!(&error, OciError::Taken { holds, .. } if *holds == other.digest), "{error}");
    assert_eq!(client().resolve(&plain, &tag("1")).await.unwrap().unwrap().digest, other.digest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_that_are_missing_stay_an_error() {
    let from = DockerRegistry::start();
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    for status in [401, 403] {
        let to = DockerRegistry::start();
        let front = Front::start(to.host(), move |_| Act::Answer(status, vec![], String::new())).await;
        let at = repository(front.host(), "prod/app");
        let error =
            client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err();
        assert!(error.is_denied() && error.help().is_some(), "{error}");
        let error = client().push_blob(&at, &Content::Bytes("x".into())).await.unwrap_err();
        assert!(error.is_denied(), "{error}");
        client().resolve(&at, &tag("1")).await.unwrap_err();
        client().tags(&at).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn referrers_that_cannot_be_read_are_named_and_stop_no_copy() {
    for (status, text, named) in [
        (200, "<html>", true),
        (200, "", true),
        (200, "{}", true),
        (200, r#"{"manifests":null}"#, false),
        (401, "", true),
        (403, "", true),
        (404, "", false),
        (405, "", false),
        (500, "", true),
        (501, "", false),
    ] {
        let odd = OddRegistry::start(vec![Odd::Referrers(status, text)]);
        let source = repository(odd.host(), "test/app");
        let image = shop(&client(), &source).await;
        let to = OddRegistry::start(vec![]);
        let report = copied(&to, &source, &image).await.unwrap();
        assert_eq!(report.unread.len(), usize::from(named), "{status} {text}: {report:?}");
        if named {
            let line = &report.unread[0];
            assert!(line.contains("the referrers of") && line.contains(image.digest.as_str()), "{line}");
            let listed = client().referrers(&source, &image.digest).await.unwrap_err();
            assert!(line.contains(&listed.to_string()), "{line}");
        }
        if text == r#"{"manifests":null}"# {
            continue;
        }
        // They are kept by tag there, and that list is as good as another.
        let sbom = attach(&client(), &source, &image, "application/spdx+json").await;
        let listed = client().referrers(&source, &image.digest).await.unwrap();
        assert_eq!(listed.iter().map(|one| &one.digest).collect::<Vec<_>>(), [&sbom.digest], "{status}");
        let report = copied(&to, &source, &image).await.unwrap();
        assert_eq!(
            (report.attached.len(), report.unread.len()),
            (1, usize::from(named)),
            "{status}: {report:?}"
        );
        // What is about the SBOM nobody knows.
        assert!(report.unread.iter().all(|line| line.contains(sbom.digest.as_str())), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_referrer_that_is_gone_is_named_and_stops_no_copy() {
    let from = OddRegistry::start(vec![Odd::Referrers(404, "")]);
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let sbom = attach(&client(), &source, &image, "application/spdx+json").await;
    let gone = Descriptor::new(OCI_MANIFEST, ::oci::Digest::of("gone"), 4);
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [sbom.descriptor(), gone], "annotations": null});
    // The registry checks what an index names, so a front has the list.
    let path = format!("/manifests/{}", image.digest.referrers_tag());
    let front = Front::start(from.host(), move |seen| {
        if seen.uri.path().ends_with(&path) { Act::Answer(200, vec![], list.to_string()) } else { Act::Pass }
    })
    .await;
    let to = OddRegistry::start(vec![]);
    let report = copied(&to, &repository(front.host(), "test/app"), &image).await.unwrap();
    assert_eq!((report.attached.len(), report.unread.len()), (1, 1), "{report:?}");
    assert!(report.unread[0].contains(::oci::Digest::of("gone").as_str()), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_subject_is_no_list_of_its_referrers() {
    let registry = OddRegistry::start(vec![Odd::SubjectTag]);
    let source = repository(registry.host(), "test/app");
    let client = client();
    let builder = Builder { client: &client, at: &source };
    let layers = [noise(1, 300), noise(2, 300)];
    let (one, two) = (builder.image("amd64", &layers).await, builder.image("arm64", &layers[1..]).await);
    // The platforms of an index are not about the index.
    let index = builder.index(&[&one, &two]).await;
    assert_eq!(client.referrers(&source, &index.digest).await.unwrap(), []);
    let to = OddRegistry::start(vec![]);
    let report = copied(&to, &source, &index).await.unwrap();
    assert_eq!((report.attached.len(), report.unread.len()), (0, 0), "{report:?}");
    // Something about it can be pushed, and does not become a part of it.
    attach(&client, &source, &index, "application/spdx+json").await;
    assert_eq!(client.manifest(&source, &TagOrDigest::Digest(index.digest.clone())).await.unwrap(), index);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn immutable_tags_take_the_same_bytes_again() {
    let from = DockerRegistry::start();
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let other = Builder { client: &client(), at: &source }.image("arm64", &[noise(9, 500)]).await;
    for (status, words) in [
        (400, r#"{"errors":[{"code":"TAG_INVALID","message":"the image tag already exists"}]}"#),
        (403, "Forbidden"),
        (409, r#"{"errors":null}"#),
        (412, "immutable"),
    ] {
        let registry = OddRegistry::start(vec![Odd::Immutable(status, words)]);
        let at = repository(registry.host(), "prod/app");
        let push = |manifest: Manifest| {
            let at = at.clone();
            async move { client().push_manifest(&at, &manifest, &tag("1")).await }
        };
        client().copy(&source.digest(&other.digest), &at, &[], &options()).await.unwrap();
        client().copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
        push(image.clone()).await.unwrap();
        let error = push(other.clone()).await.unwrap_err();
        let text = format!("{error} {}", error.help().unwrap());
        assert!(matches!(error, OciError::Immutable { .. }), "{text}");
        for part in [image.digest.as_str(), other.digest.as_str(), "immutable", &format!("{at}:1")] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // A copy that finds the tag free, and then taken by the same bytes.
        let over = CopyOptions { on_existing: OnExisting::Overwrite, ..options() };
        let error =
            client().copy(&source.digest(&other.digest), &at, &["1".into()], &over).await.unwrap_err();
        assert!(matches!(error, OciError::Immutable { .. }), "{error}");
        let error =
            client().copy(&source.digest(&other.digest), &at, &["1".into()], &options()).await.unwrap_err();
        assert!(matches!(error, OciError::Taken { .. }), "{error}");
        assert_eq!(client().resolve(&at, &tag("1")).await.unwrap().unwrap().digest, image.digest);
    }
}

/// Only a refusal that may be about the tag is called that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_that_is_refused_for_what_it_names_is_no_immutable_tag() {
    for (status, code) in
        [(400, "MANIFEST_BLOB_UNKNOWN"), (404, "NAME_UNKNOWN"), (413, ""), (400, "SIZE_INVALID")]
    {
        let words = json!({"errors": [{"code": code, "message": "no"}]}).to_string();
        let registry = OddRegistry::start(vec![]);
        let plain = repository(&registry.plain(), "app");
        shop(&client(), &plain).await;
        let front = Front::start(&registry.plain(), move |seen| match seen.method.as_str() {
            "PUT" => Act::Answer(status, vec![], words.clone()),
            _ => Act::Pass,
        })
        .await;
        let at = repository(front.host(), "app");
        let other = Manifest::new(r#"{"schemaVersion":2}"#.into(), None);
        let error = client().push_manifest(&at, &other, &tag("1.2.3")).await.unwrap_err();
        assert!(matches!(error, OciError::Refused(_)), "{status} {code}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_tags_end() {
    type Link = fn(&str) -> String;
    let links: [(Link, bool); 7] = [
        (|target| format!("<{target}>; rel=\"next\""), true),
        (|target| format!("<?n=9>; rel=\"first\", <{target}>; rel=next, <?n=1>; rel=last"), true),
        (|target| format!("<?x=<; rel=prev, <https://other.example{target}>; rel=\"up next\""), false),
        (
            |target| format!("<https://other.example{target}>; title=\"a, <b>; rel=prev\"; rel=\"up next\""),
            true,
        ),
        (|target| format!("<{}>; REL=next", target.split_once("/tags/list").unwrap().1), true),
        (|_| "<?n=1000>; rel=next".to_owned(), false),
        (|target| format!("<{}>; rel=next", target.split_once('?').unwrap().0), false),
    ];
    for (number, (link, ends)) in links.into_iter().enumerate() {
        let registry = OddRegistry::start(vec![Odd::Link(link)]);
        let at = repository(registry.host(), "app");
        let image = Builder { client: &client(), at: &at }.image("amd64", &[noise(1, 50)]).await;
        for name in ["a", "b", "c", "d", "e"] {
            client().push_manifest(&at, &image, &tag(name)).await.unwrap();
        }
        let tags = tokio::time::timeout(Duration::from_secs(20), client().tags(&at)).await.unwrap();
        if ends {
            assert_eq!(tags.unwrap().unwrap(), ["a", "b", "c", "d", "e"], "{number}");
        } else if let Err(error) = tags {
            assert!(error.to_string().contains("next page that was read before"), "{number}: {error}");
        } else {
            assert_eq!(number, 2, "{tags:?}");
        }
        assert!(registry.seen().iter().filter(|seen| seen.uri.path().ends_with("/tags/list")).count() <= 4);
    }
    for status in [400, 405, 416, 422] {
        let registry = OddRegistry::start(vec![Odd::NoPageSize(status)]);
        let at = repository(registry.host(), "app");
        shop(&client(), &at).await;
        assert_eq!(client().tags(&at).await.unwrap().unwrap(), ["1.2.3"], "{status}");
        client().may_pull(&at).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_takes_no_single_put_is_asked_once() {
    let registry = OddRegistry::start(vec![Odd::NoSinglePut(400), Odd::ChunksOnly]);
    let at = repository(registry.host(), "app");
    let client = client();
    for seed in 1..4 {
        client.push_blob(&at, &Content::Bytes(noise(seed, 100_000))).await.unwrap();
    }
    let seen = registry.seen();
    let count = |method: &str| seen.iter().filter(|seen| seen.method == method).count();
    assert_eq!((count("PUT"), count("PATCH")), (4, 3));
    let ranges: Vec<_> =
        seen.iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.header("content-range")).collect();
    assert_eq!(ranges, ["0-99999"; 3]);
    // One that has nothing in it needs no chunk.
    client.push_blob(&at, &Content::Bytes(noise(0, 0))).await.unwrap();
    // What is refused in both ways is refused, with the first answer.
    let front = Front::start(&registry.plain(), |seen| match seen.method.as_str() {
        "PUT" => Act::Answer(400, vec![], "the quota is used up".to_owned()),
        "PATCH" => Act::Answer(405, vec![], String::new()),
        _ => Act::Pass,
    })
    .await;
    let content = Content::Bytes(noise(7, 100));
    let error = client.push_blob(&repository(front.host(), "app"), &content).await.unwrap_err();
    assert!(error.to_string().contains("the quota is used up"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_end() {
    let registry = OddRegistry::start(vec![]);
    for status in [301, 302, 303, 307, 308] {
        let front = Front::start(&registry.plain(), move |seen| {
            Act::Answer(status, vec![("location", seen.uri.to_string())], String::new())
        })
        .await;
        let at = repository(front.host(), "app");
        let errors = [
            client().push_blob(&at, &Content::Bytes("x".into())).await.unwrap_err(),
            client().tags(&at).await.unwrap_err(),
            client().push_manifest(&at, &Manifest::new("{}".into(), None), &tag("1")).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("redirects more than 10 times"), "{status}: {error}");
        }
        // Uploads go nowhere without TLS but to loopback and to what is listed.
        let front = Front::start(&registry.plain(), move |seen| match seen.method.as_str() {
            "POST" | "PATCH" | "PUT" => {
                Act::Answer(status, vec![("location", "http://storage.example/x".to_owned())], String::new())
            }
            _ => Act::Pass,
        })
        .await;
        if status != 303 {
            let at = repository(front.host(), "app");
            let error = client().push_blob(&at, &Content::Bytes("x".into())).await.unwrap_err();
            assert!(error.to_string().contains("storage.example without TLS"), "{status}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_what_we_need_and_no_more() {
    let registry = OddRegistry::start(vec![]);
    let front = Front::start(&registry.plain(), |seen| {
        let host = seen.header("host");
        if seen.uri.path() == "/token" {
            return Act::Answer(200, vec![], r#"{"token":"t"}"#.to_owned());
        }
        if seen.header("authorization") == "Bearer t" {
            return Act::Pass;
        }
        let scope = "repository:app:pull,push,delete repository:payroll:pull,push registry:catalog:*";
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="s",scope="{scope}""#);
        Act::Answer(401, vec![("www-authenticate", challenge)], String::new())
    })
    .await;
    let at = repository(front.host(), "app");
    shop(&client(), &at).await;
    assert_eq!(client().tags(&at).await.unwrap().unwrap(), ["1.2.3"]);
    let asked: Vec<_> =
        front.seen().iter().filter(|seen| seen.uri.path() == "/token").map(Seen::line).collect();
    assert!(asked.len() >= 2, "{asked:?}");
    for line in asked {
        assert!(!["delete", "payroll", "catalog"].iter().any(|word| line.contains(word)), "{line}");
    }
}

/// A directory is pushed by the command, again, and changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_push_again_to_an_immutable_tag_is_a_success() {
    let registry = OddRegistry::start(vec![Odd::Immutable(409, "")]);
    let directory = tempfile::tempdir().unwrap();
    let name = format!("{}/test/app:1", registry.host());
    let words = ["image", "push", directory.path().to_str().unwrap(), &name];
    std::fs::write(directory.path().join("a"), "one").unwrap();
    let (first, second) = (run(&words).await, run(&words).await);
    assert!(first.status.success() && second.status.success(), "{second:?}");
    assert_eq!(first.stdout, second.stdout);
    std::fs::write(directory.path().join("a"), "two").unwrap();
    let third = run(&words).await;
    let text = String::from_utf8(third.stderr).unwrap();
    assert_eq!(third.status.code(), Some(1), "{text}");
    assert!(
        text.contains("does not move it") && text.contains("immutable") && text.contains("409"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_warns_of_referrers_that_it_could_not_read() {
    let registry = OddRegistry::start(vec![Odd::Referrers(403, "")]);
    let source = repository(registry.host(), "test/app");
    let image = shop(&client(), &source).await;
    let to = OddRegistry::start(vec![]);
    let copied = run(&["copy", &format!("{source}:1.2.3"), &format!("{}/prod/app:1", to.host())]).await;
    let text = String::from_utf8(copied.stderr).unwrap();
    assert!(copied.status.success(), "{text}");
    assert!(text.contains("warning: not copied along") && text.contains(image.digest.as_str()), "{text}");
}
