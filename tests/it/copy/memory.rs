//! A layer of 1 GB, and sixty-four at once, in 64 MB of memory. Linux tells how much a process ever
//! had.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ::oci::{Digest, Hasher, Manifest, OCI_MANIFEST};
use serde_json::{Value, json};

use super::p2p;
use crate::oci::{Builder, CONFIG, LAYER, client, repository, tag};
use crate::support::docker_registry::DockerRegistry;

/// Puts a blob of zeros under the registry's feet: a sparse file costs nothing.
fn zeros(registry: &DockerRegistry, name: &str, size: u64) -> Value {
    let piece = vec![0; 1024 * 1024];
    let mut hasher = Hasher::sha256();
    let mut left = size;
    while left > 0 {
        let length = left.min(piece.len() as u64);
        hasher.update(&piece[..usize::try_from(length).unwrap()]);
        left -= length;
    }
    let digest: Digest = hasher.finish();
    let path = registry.blob_path(digest.as_str());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().set_len(size).unwrap();
    let link = registry.link_path(name, digest.as_str());
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::write(link, digest.as_str()).unwrap();
    json!({"mediaType": LAYER, "digest": digest, "size": size})
}

/// Copies with the real binary; the most memory that it ever had, in KiB.
async fn peak(source: &str, destination: &str) -> u64 {
    let home = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::from(p2p(home.path(), &["copy", source, destination]))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = Path::new("/proc").join(child.id().unwrap().to_string()).join("status");
    let mut peak = 0;
    loop {
        // What it had only grows, so the last look counts.
        let text = fs::read_to_string(&status).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) {
            peak = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        }
        if let Ok(ended) = tokio::time::timeout(Duration::from_millis(10), child.wait()).await {
            assert!(ended.unwrap().success());
            return peak;
        }
    }
}

async fn image(registry: &DockerRegistry, layers: Vec<Value>) -> Manifest {
    let (client, at) = (client(), repository(registry.host(), "test/app"));
    let builder = Builder { client: &client, at: &at };
    let config = builder.blob(CONFIG, "{}".into()).await;
    let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
    builder.push(&document, Some("1")).await
}

#[tokio::test]
async fn memory_does_not_depend_on_the_image() {
    const MIB: u64 = 1024 * 1024;
    for sizes in [vec![1024 * MIB], (0..64).map(|number| 2 * MIB + number).collect()] {
        let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
        let layers = sizes.iter().map(|size| zeros(&from, "test/app", *size)).collect();
        let image = image(&from, layers).await;
        let (source, there) = (format!("{}/test/app:1", from.host()), format!("{}/prod/app:1", to.host()));
        let peak = peak(&source, &there).await;
        assert!(peak > 1024 && peak < 64 * 1024, "{peak} KiB for {} layers", sizes.len());
        let at = repository(to.host(), "prod/app");
        assert_eq!(client().resolve(&at, &tag("1")).await.unwrap().unwrap().digest, image.digest);
    }
}
