//! Images of any shape come over whole and unchanged.

use ::oci::{
    AttachedState, Client, CopyOptions, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Digest, Manifest,
    OCI_INDEX, OCI_MANIFEST, Repository, TagOrDigest,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::{Embedded, assert_complete};
use crate::oci::{Builder, CONFIG, LAYER, client, noise, repository, tag};

/// A layer that stays with its vendor.
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// A manifest to be made. Blobs are named by a seed, so that they are shared.
#[derive(Debug, Clone)]
enum Node {
    Image { docker: bool, artifact: Option<String>, layers: Vec<(u64, usize)>, foreign: bool, referrers: u8 },
    Index { docker: bool, children: Vec<Node>, referrers: u8 },
}

fn node() -> impl Strategy<Value = Node> {
    let layers = prop::collection::vec((0_u64..6, prop_oneof![0_usize..40, 60_000_usize..70_000]), 0..4);
    let artifact = prop::option::of("application/vnd\\.[a-z]{1,8}\\.config\\.v1\\+json");
    let image = (any::<bool>(), artifact, layers, any::<bool>(), 0_u8..2).prop_map(
        |(docker, artifact, layers, foreign, referrers)| Node::Image {
            docker,
            artifact,
            layers,
            foreign,
            referrers,
        },
    );
    image.prop_recursive(3, 12, 4, |inner| {
        (any::<bool>(), prop::collection::vec(inner, 0..4), 0_u8..2)
            .prop_map(|(docker, children, referrers)| Node::Index { docker, children, referrers })
    })
}

struct Maker<'a> {
    builder: Builder<'a>,
    attached: usize,
}

impl Maker<'_> {
    async fn make(&mut self, node: &Node) -> Manifest {
        let (manifest, referrers) = match node {
            Node::Image { docker, artifact, layers, foreign, referrers } => {
                let mut listed = Vec::new();
                if *foreign {
                    // Nobody has it here, and nobody need have it there.
                    listed.push(json!({"mediaType": FOREIGN, "size": 4,
                        "digest": Digest::of("base").as_str(), "urls": ["https://layers.example/base"]}));
                }
                for (seed, length) in layers {
                    listed.push(self.builder.blob(LAYER, noise(*seed, *length)).await);
                }
                let config = artifact.as_deref().unwrap_or(CONFIG);
                let config = self.builder.blob(config, "{}".into()).await;
                let kind = if *docker { DOCKER_MANIFEST } else { OCI_MANIFEST };
                let document =
                    json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": listed});
                (self.builder.push(&document, None).await, *referrers)
            }
            Node::Index { docker, children, referrers } => {
                let mut listed: Vec<Descriptor> = Vec::new();
                for child in children {
                    listed.push(Box::pin(self.make(child)).await.descriptor());
                }
                let kind = if *docker { DOCKER_LIST } else { OCI_INDEX };
                let document = json!({"schemaVersion": 2, "mediaType": kind, "manifests": listed});
                (self.builder.push(&document, None).await, *referrers)
            }
        };
        for number in 0..referrers {
            let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                "artifactType": format!("application/vnd.acme.{number}"),
                "config": self.builder.blob("application/vnd.oci.empty.v1+json", "{}".into()).await,
                "layers": [], "subject": manifest.descriptor()});
            self.builder.push(&document, None).await;
            self.attached += 1;
        }
        manifest
    }
}

async fn check(node: Node, client: &Client, from: &Repository, to: &[Repository; 2]) -> usize {
    let mut maker = Maker { builder: Builder { client, at: from }, attached: 0 };
    let image = maker.make(&node).await;
    let mut attached = 0;
    for at in to {
        let options = CopyOptions { include_referrers: true, ..CopyOptions::default() };
        let foreseen = CopyOptions { dry_run: true, ..options.clone() };
        let foreseen = client.copy(&from.digest(&image.digest), at, &["1".into()], &foreseen).await.unwrap();
        assert_eq!(client.resolve(at, &tag("1")).await.unwrap(), None);
        let report = client.copy(&from.digest(&image.digest), at, &["1".into()], &options).await.unwrap();
        assert_eq!(
            (report.moved, report.mounted, report.skipped),
            (foreseen.moved, foreseen.mounted, foreseen.skipped)
        );
        assert_eq!(client.manifest(at, &TagOrDigest::Tag("1".into())).await.unwrap(), image);
        assert_complete(client, at, &image.digest).await;
        for one in &report.attached {
            assert_eq!(one.state, AttachedState::Copied);
            assert_complete(client, at, &one.digest).await;
        }
        attached = report.attached.len();
        let again = client.copy(&from.digest(&image.digest), at, &["1".into()], &options).await.unwrap();
        assert!(again.unchanged && again.moved.blobs == 0 && again.manifests == 0, "{again:?}");
    }
    attached
}

#[test]
fn images_of_any_shape_come_over_unchanged() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (from, to) = runtime.block_on(async { (Embedded::start(None).await, Embedded::start(None).await) });
    let client = client();
    let mut number = 0;
    let number = std::cell::RefCell::new(&mut number);
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&node(), |node| {
        let mut number = number.borrow_mut();
        **number += 1;
        let source = repository(&from.host(), &format!("test/a{number}"));
        let there = [&to, &from].map(|at| repository(&at.host(), &format!("prod/a{number}")));
        let has = format!("{node:?}").contains("referrers: 1");
        let attached = runtime.block_on(check(node, &client, &source, &there));
        prop_assert_eq!(attached > 0, has);
        Ok(())
    });
    result.unwrap();
}

#[tokio::test]
async fn a_manifest_of_a_type_that_nobody_knows_comes_over() {
    let (from, to) = (Embedded::start(None).await, Embedded::start(None).await);
    let (client, source) = (client(), repository(&from.host(), "test/thing"));
    let builder = Builder { client: &client, at: &source };
    let blob = builder.blob("application/vnd.acme.part", noise(1, 5000)).await;
    let document = json!({"schemaVersion": 2, "mediaType": "application/vnd.acme.thing.v7+json",
        "config": builder.blob("application/vnd.acme.config", "{}".into()).await, "layers": [blob], "acme": [1]});
    let thing = builder.push(&document, Some("1")).await;
    let at = repository(&to.host(), "prod/thing");
    client.copy(&source.digest(&thing.digest), &at, &["1".into()], &CopyOptions::default()).await.unwrap();
    assert_eq!(client.manifest(&at, &tag("1")).await.unwrap(), thing);
    assert_eq!(thing.media_type, "application/vnd.acme.thing.v7+json");
    assert_complete(&client, &at, &thing.digest).await;
}
