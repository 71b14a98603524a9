//! Starting, stopping, sharing a directory, and large layers.

use std::time::{Duration, Instant};

use std::net::{Ipv4Addr, SocketAddr};

use ::oci::Digest;
use ::registry::{RegistryError, Server};
use ::sys::error::{Exit, Help as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{MANIFEST, Registry};

/// A free port of the loopback interface.
fn free() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

#[tokio::test]
async fn why_it_does_not_start_is_told() {
    let root = tempfile::tempdir().unwrap();
    let first = Server::start(root.path(), free()).await.unwrap();
    assert!(first.address().ip().is_loopback());
    let error = Server::start(root.path(), first.address()).await.unwrap_err();
    assert!(matches!(error, RegistryError::PortInUse { address } if address == first.address()));
    assert_eq!(error.exit(), Exit::Unavailable);

    let elsewhere = "192.0.2.1:0".parse().unwrap();
    assert!(matches!(Server::start(root.path(), elsewhere).await, Err(RegistryError::Listen { .. })));

    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Server::start(&file, free()).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Root { root, .. } if *root == file));
    assert!(error.help().unwrap().contains("write"));
}

#[tokio::test]
async fn images_survive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let start = async || Registry::with(|options| options.root = root.path().to_owned()).await;
    let registry = start().await;
    let manifest = registry.push_image("shop/api", "1.0.0", "layer").await;
    let address = registry.server.address();
    registry.server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());

    let registry = start().await;
    assert_eq!(registry.ask("GET", "/v2/shop/api/manifests/1.0.0").await.is(200, "").body, manifest);
    let layer = format!("/v2/shop/api/blobs/{}", Digest::of(b"layer"));
    assert_eq!(registry.ask("GET", &layer).await.is(200, "").body, b"layer");
}

#[tokio::test]
async fn what_a_killed_process_left_is_cleared_a_day_later() {
    let root = tempfile::tempdir().unwrap();
    let temporary = root.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    for (name, hours) in [("old", 25), ("new", 1)] {
        let file = std::fs::File::create(temporary.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_hours(hours)).unwrap();
    }
    let _server = Server::start(root.path(), free()).await.unwrap();
    assert!(!temporary.join("old").exists());
    assert!(temporary.join("new").exists());
}

#[tokio::test]
async fn a_request_that_hangs_does_not_keep_it_from_stopping() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), free()).await.unwrap();
    let mut client = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head =
        "PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body, which never comes: the request is under way.
    let mut asked = [0; 12];
    client.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_share_a_directory() {
    let root = tempfile::tempdir().unwrap();
    let mut registries = Vec::new();
    for _ in 0..3 {
        registries.push(Registry::with(|options| options.root = root.path().to_owned()).await);
    }
    let registries = std::sync::Arc::new(registries);
    // All of them push the same layer, and fight for one tag.
    let content = vec![7; 200_000];
    let mut running = tokio::task::JoinSet::new();
    for number in 0..24 {
        let (registries, content) = (std::sync::Arc::clone(&registries), content.clone());
        running.spawn(async move {
            let registry = &registries[number % 3];
            let layer = registry.push_blob("a", &content).await;
            let config = registry.push_blob("a", format!("{{\"n\":{number}}}").as_bytes()).await;
            let manifest = super::image(&config, &[&layer]).to_string();
            registry.push_manifest("a", "latest", MANIFEST, manifest.as_bytes()).await.is(201, "");
            let tag = format!("t{number:02}");
            registry.push_manifest("a", &tag, MANIFEST, manifest.as_bytes()).await.is(201, "");
            (tag, manifest)
        });
    }
    let pushed = running.join_all().await;
    for (tag, manifest) in &pushed {
        let path = format!("/v2/a/manifests/{tag}");
        assert_eq!(registries[0].ask("GET", &path).await.body, manifest.as_bytes());
    }
    let latest = registries[1].ask("GET", "/v2/a/manifests/latest").await.is(200, "").body;
    assert!(pushed.iter().any(|(_, manifest)| manifest.as_bytes() == latest));
    let layer = format!("/v2/a/blobs/{}", Digest::of(&content));
    assert_eq!(registries[2].ask("GET", &layer).await.is(200, "").body, content);
    assert_eq!(root.path().join("temporary").read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_public_host_name_is_refused() {
    let registry = Registry::start().await;
    let status = async |host: String| {
        let request = registry.request("GET", "/v2/").header("host", host);
        request.send().await.unwrap().status().as_u16()
    };
    for host in [
        "localhost",
        "LOCALHOST:5000",
        "127.0.0.1:5000",
        "[::1]:5000",
        "kind-registry:5000",
        "host.docker.internal",
    ] {
        assert_eq!(status(host.to_owned()).await, 200, "{host}");
    }
    for host in ["rebind.example.com", "rebind.example.com:5000", "localhost.example.com", "8.8.8.8:5000"] {
        assert_eq!(status(host.to_owned()).await, 421, "{host}");
    }
}
