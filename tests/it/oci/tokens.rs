//! The real registry with tokens that it checks by itself: signature, time, and the rights to each
//! repository.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use ::oci::{Client, Credentials, Keyring, Settings};
use ::workflow_commands::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::{Value, json};

use super::{options, repository, settings, shop, tag};
use crate::support::docker_registry::DockerRegistry;
use crate::support::server::{Reply, Seen, Server};

/// A token server; it gives whatever `grants` lets it.
struct Issuer {
    server: Server,
    certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    fn start(lifetime: u64, grants: fn(&str) -> bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), STANDARD.encode(certificate.der()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&asked);
        let server = Server::start(None, move |seen| {
            if seen.header("authorization") != "Basic dTpw" {
                return Reply::text(401, "");
            }
            let scopes = scopes(seen);
            list.lock().unwrap().push(scopes.join(" "));
            let access = scopes.iter().filter(|scope| grants(scope)).map(|scope| access(scope));
            Reply::json(
                200,
                &json!({"token": signed(&key, &der, lifetime, &access.collect::<Vec<_>>()), "expires_in": lifetime}),
            )
        });
        Self { server, certificate: pem, asked }
    }

    fn registry(&self) -> DockerRegistry {
        DockerRegistry::start_with_tokens(&format!("http://{}/token", self.server.address), &self.certificate)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn scopes(seen: &Seen) -> Vec<String> {
    let url = reqwest::Url::parse(&format!("http://x/?{}", seen.query)).unwrap();
    let scopes = url.query_pairs().filter(|(key, _)| key == "scope");
    scopes.flat_map(|(_, value)| value.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// `repository:test/app:pull,push` as a claim.
fn access(scope: &str) -> Value {
    let [kind, name, actions] = scope.split(':').collect::<Vec<_>>()[..] else { unreachable!("{scope}") };
    json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()})
}

/// A token as distribution's specification has it: a JWT that carries its certificate.
fn signed(key: &KeyPair, certificate: &str, lifetime: u64, access: &[Value]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let head = json!({"typ": "JWT", "alg": "ES256", "x5c": [certificate]});
    let claims = json!({"iss": "test", "sub": "u", "aud": "test", "jti": "1", "iat": now, "nbf": now - 1,
        "exp": now + lifetime, "access": access});
    let text = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = key.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(raw(&signature)))
}

/// An ECDSA signature as JWT has it, two numbers of 32 bytes, from ASN.1's sequence of two integers.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    let mut rest = &der[2..];
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        numbers.extend(std::iter::repeat_n(0, 32 - digits.len()));
        numbers.extend(digits);
        rest = after;
    }
    numbers
}

fn client(registries: &[&DockerRegistry]) -> Client {
    let login = || Credentials::Password { username: "u".into(), password: Secret::new("p") };
    let keyring =
        registries.iter().fold(Keyring::default(), |ring, registry| ring.with(registry.host(), login()));
    Client::new(Settings { keyring, ..settings() })
}

#[tokio::test]
async fn within_a_registry_one_token_mounts_all() {
    let issuer = Issuer::start(300, |_| true);
    let registry = issuer.registry();
    let source = repository(registry.host(), "test/app");
    let image = shop(&client(&[&registry]), &source).await;
    let before = issuer.asked().len();
    let at = repository(registry.host(), "prod/app");
    let client = client(&[&registry]);
    let report = client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
    assert_eq!((report.mounted.blobs, report.moved.blobs), (4, 0));
    let asked = issuer.asked().split_off(before);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("repository:test/app:pull"), "{asked:?}");
    assert!(asked[0].contains("repository:prod/app:pull,push"), "{asked:?}");
    assert_eq!(client.manifest(&at, &tag("1")).await.unwrap(), image);
}

#[tokio::test]
async fn tokens_that_end_are_renewed_between_registries() {
    // They end before they are used: the registry allows a minute for clocks that differ, we do not.
    let issuer = Issuer::start(1, |_| true);
    let (from, to) = (issuer.registry(), issuer.registry());
    let client = client(&[&from, &to]);
    let source = repository(from.host(), "test/app");
    let image = shop(&client, &source).await;
    let at = repository(to.host(), "prod/app");
    client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
    assert_eq!(client.manifest(&at, &tag("1")).await.unwrap(), image);
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let issuer = Issuer::start(300, |scope| !scope.contains("prod"));
    let registry = issuer.registry();
    let client = client(&[&registry]);
    let source = repository(registry.host(), "test/app");
    let image = shop(&client, &source).await;
    let at = repository(registry.host(), "prod/app");
    let error = client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap_err();
    assert!(error.is_denied(), "{error}");
    assert!(
        error.to_string().contains("prod/app") && error.to_string().contains("given credentials"),
        "{error}"
    );
    assert!(registry.tags("prod/app").is_empty());
}
