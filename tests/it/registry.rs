//! The embedded registry over real HTTP, and in the eyes of skopeo.

mod auth;
mod blobs;
mod faults;
#[cfg(target_os = "linux")]
mod large;
mod life;
mod manifests;
mod skopeo;

use crate::support::registry::{Options, Server};
use ::oci::Digest;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A registry in a directory of its own, and a client of it that knows nothing but HTTP.
struct Registry {
    server: Server,
    client: reqwest::Client,
    root: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks the status, and the error's code where it is not a success.
    #[track_caller]
    fn is(self, status: u16, code: &str) -> Self {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status.as_u16(), status, "{text}");
        if !code.is_empty() {
            assert_eq!(self.json()["errors"][0]["code"], code, "{text}");
        }
        self
    }
}

/// A client that keeps nothing between tests and trusts no proxy.
fn client() -> reqwest::Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Registry {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut options = Options::at(root.path());
        change(&mut options);
        let server = Server::start(options).await.unwrap();
        Self { server, client: client(), root }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    async fn ask(&self, method: &str, path: &str) -> Got {
        got(self.request(method, path)).await.unwrap()
    }

    async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        got(self.request("POST", &path).body(bytes.to_vec())).await.unwrap().is(201, "");
        digest
    }

    async fn push_manifest(&self, repository: &str, reference: &str, kind: &str, bytes: &[u8]) -> Got {
        let path = format!("/v2/{repository}/manifests/{reference}");
        got(self.request("PUT", &path).header("content-type", kind).body(bytes.to_vec())).await.unwrap()
    }

    /// Pushes an image of one layer and gives back its manifest.
    async fn push_image(&self, repository: &str, tag: &str, content: &str) -> Vec<u8> {
        let config = self.push_blob(repository, b"{}").await;
        let layer = self.push_blob(repository, content.as_bytes()).await;
        let bytes = image(&config, &[&layer]).to_string().into_bytes();
        self.push_manifest(repository, tag, MANIFEST, &bytes).await.is(201, "");
        bytes
    }
}

async fn got(request: reqwest::RequestBuilder) -> reqwest::Result<Got> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Got { status, headers, body: response.bytes().await?.to_vec() })
}

/// A manifest of this config and these layers.
fn image(config: &Digest, layers: &[&Digest]) -> Value {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.as_str(), "size": 1}))
        .collect();
    let config = json!({"mediaType": "application/vnd.acme.config", "digest": config.as_str(), "size": 2});
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
}
