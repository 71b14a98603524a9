//! Ways around the gate that worked once, one file each. Each test is the attack.

mod artifacts;
mod children;
mod daemons;
mod git_configuration;
mod narrow;
mod never;
mod other_bytes;
mod planted;
mod records;
mod rejected;
mod strangers;
mod taken;
mod unreviewed_tag;
mod yanked;

use ::oci::{Client, Keyring, Repository, Settings, TagOrDigest};
use p2p::gate::record::{Ledger, Left, Record, Trust};

use crate::support::gate::{Gate, MAKEFILE};

/// The targets of the later gates, which leave a file where they ran.
const LATER: &str = "\
.PHONY: p2p-extended-test p2p-prod
p2p-extended-test p2p-prod: ; @touch '$(HOME)/$@'
";

/// A tenant's Makefile with all targets.
fn makefile() -> String {
    format!("{MAKEFILE}{LATER}")
}

/// Pushes an image of this content to `<path>:<tag>` of the gate's registry, past all gates.
fn push(gate: &Gate, path: &str, tag: &str, content: &str) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), content).unwrap();
    let image = format!("{}/{path}:{tag}", gate.registry.path());
    gate.run(&["image", "push", directory.path().to_str().unwrap(), &image]).passed();
}

/// Does something with the image at `<path>:<tag>` of the gate's registry.
pub(crate) fn at<T>(
    gate: &Gate,
    path: &str,
    tag: &str,
    work: impl AsyncFnOnce(Client, Repository, ::oci::Digest) -> T,
) -> T {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::new(Settings { keyring: Keyring::default(), ..Settings::default() });
        let repository: Repository = format!("{}/{path}", gate.registry.path()).parse().unwrap();
        let found = client.resolve(&repository, &TagOrDigest::Tag(tag.to_owned())).await.unwrap().unwrap();
        work(client, repository, found.digest).await
    })
}

/// The records of an image that can be read.
pub(crate) fn records(gate: &Gate, path: &str, tag: &str) -> Vec<Record> {
    at(gate, path, tag, async |client, repository, digest| {
        let ledger = Ledger::new(client, Trust::default(), None);
        let kept = ledger.read(&repository, &digest).await.unwrap();
        kept.into_iter().filter_map(|kept| kept.record.ok().flatten()).collect()
    })
}

/// Attaches a record to an image, as anybody can who may push.
pub(crate) fn forge(gate: &Gate, path: &str, tag: &str, record: &Record) {
    at(gate, path, tag, async |client, repository, digest| {
        let ledger = Ledger::new(client, Trust::default(), None);
        // Whoever forges a record writes the right version.
        let record = &Record { version: Some(tag.to_owned()), ..record.clone() };
        assert_eq!(ledger.attach(&repository, &digest, record, &[]).await.unwrap(), Left::Plain);
    });
}
