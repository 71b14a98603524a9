//! Registries over TLS, known to the client by a name only: all that is said to them goes through the
//! proxy that `HTTPS_PROXY` names.

use std::process::Output;

use hyper::Version;
use rustls::ServerConfig;

use super::{Embedded, err, out, run_with};
use crate::oci::{Builder, client, noise, repository, shop};
use crate::support::front::{Act, Front, Seen};
use crate::support::pki::Pki;
use crate::support::tunnel::Tunnel;

const NAME: &str = "registry.example";

/// A registry behind TLS, the proxy before it, and the authority that certified it.
struct Scene {
    registry: Embedded,
    front: Front,
    tunnel: Tunnel,
    authority: tempfile::NamedTempFile,
}

impl Scene {
    async fn new(protocols: &[&str], certified: impl FnOnce(&Pki) -> ServerConfig) -> Self {
        Self::with(protocols, certified, |_| Act::Pass).await
    }

    async fn with(
        protocols: &[&str],
        certified: impl FnOnce(&Pki) -> ServerConfig,
        rule: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let pki = Pki::new();
        let mut tls = certified(&pki);
        tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let registry = Embedded::start(None).await;
        let front = Front::start_tls(&registry.host(), NAME, tls, rule).await;
        let tunnel = Tunnel::start(Some(front.address())).await;
        let authority = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), &pki.pem).unwrap();
        Self { registry, front, tunnel, authority }
    }

    /// `p2p` with the proxy and the authority.
    async fn run(&self, arguments: &[&str]) -> Output {
        let proxy = format!("http://user:hunter2@{}", self.tunnel.host());
        let authority = self.authority.path().to_str().unwrap();
        run_with(arguments, &[("HTTPS_PROXY", &proxy), ("SSL_CERT_FILE", authority)]).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_over_a_proxy_with_an_authority_of_its_own() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let scene = Scene::new(protocols, |pki| pki.server(NAME)).await;
        let elsewhere = Embedded::start(None).await;
        let source = repository(&elsewhere.host(), "test/app");
        let layers: Vec<_> = (0..20).map(|seed| noise(seed, 100_000)).chain([noise(99, 3_000_000)]).collect();
        let builder = Builder { client: &client(), at: &source };
        let image = builder.image("amd64", &layers).await;
        builder.tag(&image, "1").await;
        let there = format!("{NAME}/prod/app:1");
        // To it, within it, and from it.
        let back = format!("{}/back/app:1", elsewhere.host());
        for (from, to) in [
            (format!("{source}:1"), there.clone()),
            (there.clone(), format!("{NAME}/live/app:1")),
            (there, back),
        ] {
            let copied = scene.run(&["copy", &from, &to]).await;
            assert!(copied.status.success(), "{from} to {to}: {}", err(&copied));
        }
        let latest = scene.run(&["verify", &format!("{NAME}/live/app:1")]).await;
        assert!(out(&latest).contains(image.digest.as_str()), "{}", err(&latest));

        let seen = scene.front.seen();
        assert!(seen.len() > 60 && seen.iter().all(|seen| seen.version == version), "{version:?}");
        let tunnels = scene.tunnel.asked();
        assert!(tunnels.iter().all(|head| head.starts_with(&format!("CONNECT {NAME}:443 "))), "{tunnels:?}");
        let login = "proxy-authorization: basic dxnlcjpodw50zxiy";
        assert!(tunnels.iter().all(|head| head.to_lowercase().contains(login)), "{tunnels:?}");
        // Four runs; HTTP/2 needs few connections, which begin before the first has said what it speaks.
        if version == Version::HTTP_2 {
            assert!(tunnels.len() <= 16, "{} connections", tunnels.len());
        }
        super::assert_complete(&client(), &repository(&scene.registry.host(), "live/app"), &image.digest)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_wrong_are_told_apart() {
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), Pki::new().pem).unwrap();
    let unknown = Scene { authority: other, ..Scene::new(&["h2"], |pki| pki.server(NAME)).await };
    let scenes = [
        (unknown, "UnknownIssuer", "NODE_EXTRA_CA_CERTS"),
        (Scene::new(&["h2"], |pki| pki.server("other.example")).await, "other.example", "the name that"),
        (Scene::new(&["h2"], |pki| pki.expired(NAME)).await, "expired", "clock"),
    ];
    for (scene, why, help) in scenes {
        let failed = scene.run(&["latest", &format!("{NAME}/app")]).await;
        let text = err(&failed);
        assert_eq!(failed.status.code(), Some(69), "{text}");
        assert!(text.contains(&format!("GET /v2/app/tags/list at {NAME} got no answer")), "{text}");
        assert!(text.contains("certificate") && text.contains(why), "{text}");
        let advice = text.split("help: ").nth(1).unwrap();
        assert!(advice.contains(NAME) && advice.contains(help), "{text}");
        // It will not get better by asking again.
        assert!(!text.contains("try 1") && scene.tunnel.asked().len() == 1, "{text}");
        assert!(scene.front.seen().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extra_authorities_add_and_a_file_of_authorities_replaces() {
    let scene = Scene::new(&["h2"], |pki| pki.server(NAME)).await;
    let proxy = format!("http://{}", scene.tunnel.host());
    let own = scene.authority.path().to_str().unwrap();
    let file = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    };
    let (other, empty) = (file(&Pki::new().pem), file("no certificate"));
    let (other, empty) = (other.path().to_str().unwrap(), empty.path().to_str().unwrap());
    // Whether the registry is asked, and what is printed.
    let latest = async |variables: &[(&str, &str)]| {
        let variables = [&[("HTTPS_PROXY", proxy.as_str())], variables].concat();
        let before = scene.front.seen().len();
        let text = err(&run_with(&["latest", &format!("{NAME}/app")], &variables).await);
        (scene.front.seen().len() > before, text)
    };
    for variables in [
        &[("NODE_EXTRA_CA_CERTS", own)][..],
        &[("NODE_EXTRA_CA_CERTS", own), ("SSL_CERT_FILE", other)],
        &[("NODE_EXTRA_CA_CERTS", other), ("SSL_CERT_FILE", own)],
    ] {
        let (asked, text) = latest(variables).await;
        assert!(asked, "{variables:?}: {text}");
    }
    for (bad, why) in [("/absent.pem", "No such file"), (empty, "holds no certificate")] {
        let (asked, text) = latest(&[("NODE_EXTRA_CA_CERTS", bad), ("SSL_CERT_FILE", own)]).await;
        let warning = format!("warning: NODE_EXTRA_CA_CERTS is ignored: {bad}: ");
        assert!(asked && text.contains(&warning) && text.contains(why), "{text}");
        let (asked, text) = latest(&[("SSL_CERT_FILE", bad), ("NODE_EXTRA_CA_CERTS", own)]).await;
        let error = format!("SSL_CERT_FILE names no certificate authorities: {bad}: ");
        assert!(!asked && text.contains(&error) && text.contains(why), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let tunnel = Tunnel::start(None).await;
    let proxy = format!("http://user:hunter2@{}", tunnel.host());
    let failed =
        run_with(&["latest", &format!("{NAME}/app")], &[("HTTPS_PROXY", &proxy), ("P2P_TEST", "1")]).await;
    let text = err(&failed);
    assert_eq!(failed.status.code(), Some(69), "{text}");
    assert!(text.contains(NAME) && text.contains("HTTPS_PROXY") && text.contains("proxy"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");

    // Loopback and what NO_PROXY names are asked without it.
    let before = tunnel.asked().len();
    let registry = Embedded::start(None).await;
    let at = repository(&registry.host(), "app");
    shop(&client(), &at).await;
    let name = at.to_string();
    let latest = run_with(&["latest", &name], &[("HTTPS_PROXY", &proxy), ("HTTP_PROXY", &proxy)]).await;
    assert_eq!(out(&latest), "1.2.3\n", "{}", err(&latest));
    assert_eq!(tunnel.asked().len(), before);
}

/// A registry with TLS may not lead us, or our credentials, to where there is none, nor into the network that we
/// are in, though loopback is trusted otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_with_tls_leads_neither_to_plain_http_nor_inwards() {
    let inner = Front::start("127.0.0.1:1", |_| Act::Answer(200, vec![], String::new())).await;
    let plain = format!("http://{}/x", inner.host());
    let elsewhere = Embedded::start(None).await;
    let source = repository(&elsewhere.host(), "test/app");
    shop(&client(), &source).await;
    let (source, there) = (format!("{source}:1.2.3"), format!("{NAME}/app:1"));
    for method in ["POST", "PUT", "HEAD"] {
        for status in [302, 307, 308] {
            let place = plain.clone();
            let rule = move |seen: &Seen| match seen.method.as_str() {
                asked if asked == method => {
                    Act::Answer(status, vec![("location", place.clone())], String::new())
                }
                _ => Act::Pass,
            };
            let scene = Scene::with(&[], |pki| pki.server(NAME), rule).await;
            let failed = scene.run(&["copy", &source, &there]).await;
            let text = err(&failed);
            assert!(!failed.status.success() && text.contains("without TLS"), "{method} {status}: {text}");
        }
    }
    let place = plain.clone();
    let session = move |seen: &Seen| match seen.method.as_str() {
        "POST" => Act::Answer(202, vec![("location", place.clone())], String::new()),
        _ => Act::Pass,
    };
    let scene = Scene::with(&[], |pki| pki.server(NAME), session).await;
    let text = err(&scene.run(&["copy", &source, &there]).await);
    assert!(text.contains("without TLS"), "{text}");

    let port = inner.address().port();
    for (realm, why) in [
        (plain.clone(), "without TLS"),
        (format!("https://{}/token", inner.host()), "not public as the registry is"),
        (format!("https://localhost:{port}/token"), "not public as the registry is"),
        (format!("https://2130706433:{port}/token"), "not public as the registry is"),
        (format!("https://[::ffff:127.0.0.1]:{port}/token"), "not public as the registry is"),
        ("https://10.0.0.1/token".to_owned(), "not public as the registry is"),
    ] {
        let challenge = format!(r#"Bearer realm="{realm}",service="s""#);
        let rule =
            move |_: &Seen| Act::Answer(401, vec![("www-authenticate", challenge.clone())], String::new());
        let scene = Scene::with(&[], |pki| pki.server(NAME), rule).await;
        let failed = scene.run(&["latest", &format!("{NAME}/app")]).await;
        let text = err(&failed);
        assert!(!failed.status.success() && text.contains(why) && text.contains(NAME), "{realm}: {text}");
    }
    assert!(inner.seen().is_empty(), "{:?}", inner.seen());
}
