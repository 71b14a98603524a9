//! Registries that answer otherwise than the specification says, and yet are in use. skopeo, on the
//! same registry, is the control.

use super::{client, repository, shop, skopeo};
use crate::support::docker_registry::DockerRegistry;
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
