//! The services for a signature: requests and answers.

use std::collections::HashMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Value, json};
use sigstore_rekor::LogEntry;
use sigstore_types::{DerCertificate, DsseEnvelope, KindVersion, TimestampToken, TransparencyLogEntry};
use sys::http::{self, Clients};
use sys::retry::Retrying;
use workflow_commands::Secret;

use crate::error::SignError;

/// The instance of Sigstore that signs.
#[derive(Debug, Clone)]
pub struct Services {
    /// The base URL of Fulcio, which issues certificates.
    pub fulcio: String,
    /// The base URL of Rekor, the transparency log. `None` if the instance has none.
    pub rekor: Option<String>,
    /// The URL of a timestamp authority (RFC 3161). Required without a log.
    pub timestamps: Option<String>,
    /// How requests are retried.
    pub retrying: Retrying,
}

impl Services {
    /// Sigstore's public instance.
    pub fn public() -> Self {
        Self {
            fulcio: "https://fulcio.sigstore.dev".to_owned(),
            rekor: Some("https://rekor.sigstore.dev".to_owned()),
            timestamps: None,
            retrying: Retrying::default(),
        }
    }

    /// GitHub's own instance, which has no public log.
    pub fn github() -> Self {
        Self {
            fulcio: "https://fulcio.githubapp.com".to_owned(),
            rekor: None,
            timestamps: Some("https://timestamp.githubapp.com/api/v1/timestamp".to_owned()),
            retrying: Retrying::default(),
        }
    }
}

/// The clients of all services.
fn clients() -> &'static Clients {
    static CLIENTS: OnceLock<Clients> = OnceLock::new();
    CLIENTS.get_or_init(Clients::default)
}

/// One of the services, with its name in messages.
struct Service<'a> {
    name: String,
    client: &'a Client,
    url: Url,
    retrying: &'a Retrying,
}

impl<'a> Service<'a> {
    fn new(name: &str, base: &str, path: &str, retrying: &'a Retrying) -> Result<Self, SignError> {
        let unreachable =
            |reason: String| SignError::Unreachable { service: format!("{name} at {base}"), reason };
        let url = Url::parse(&format!("{}{path}", base.trim_end_matches('/')));
        let url = url.map_err(|error| unreachable(error.to_string()))?;
        let client = clients().of(&url).map_err(|error| unreachable(error.to_string()))?;
        let host = url.host_str().unwrap_or_default();
        Ok(Self { name: format!("{name} at {host}"), client, url, retrying })
    }

    /// Sends a request and returns a successful answer.
    async fn send(
        &self,
        request: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<http::Answer, SignError> {
        let answer = http::send(self.retrying, &self.name, || request(self.client, self.url.clone())).await;
        let answer = answer.map_err(|lost| SignError::Unreachable {
            service: self.name.clone(),
            reason: lost.to_string(),
        })?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        if answer.status == 409
            && let Some(there) = self.existing(&answer).await
        {
            return Ok(there);
        }
        Err(SignError::Refused { service: self.name.clone(), status: answer.status, message: answer.words() })
    }

    /// Rekor answers 409 if the entry exists: an earlier try arrived, and its answer was lost.
    async fn existing(&self, answer: &http::Answer) -> Option<http::Answer> {
        let url = self.url.join(answer.headers.get(LOCATION)?.to_str().ok()?).ok()?;
        let ours = url.origin() == self.url.origin();
        let entry = http::send(self.retrying, &self.name, || self.client.get(url.clone())).await.ok()?;
        (ours && entry.status == 200).then_some(entry)
    }

    fn wrong(&self, expected: &'static str, reason: &dyn std::fmt::Display) -> SignError {
        SignError::Answer { service: self.name.clone(), expected, reason: reason.to_string() }
    }
}

/// Requests a certificate for the public key from Fulcio. `proof` is the signature of the token's subject.
pub(crate) async fn certificate(
    services: &Services,
    token: &Secret,
    public_key: &str,
    proof: &[u8],
) -> Result<DerCertificate, SignError> {
    let fulcio = Service::new("Fulcio", &services.fulcio, "/api/v2/signingCert", &services.retrying)?;
    let request = json!({
        "credentials": { "oidcIdentityToken": token.expose() },
        "publicKeyRequest": {
            "publicKey": { "algorithm": "ECDSA", "content": public_key },
            "proofOfPossession": STANDARD.encode(proof),
        },
    });
    let answer = fulcio.send(|client, url| client.post(url).json(&request)).await?;
    let value: Value =
        serde_json::from_slice(&answer.body).map_err(|error| fulcio.wrong("certificate", &error))?;
    // An instance without a certificate log, like GitHub's, embeds no SCT.
    let chain =
        value.get("signedCertificateEmbeddedSct").or_else(|| value.get("signedCertificateDetachedSct"));
    let leaf = chain.and_then(|signed| signed.pointer("/chain/certificates/0")).and_then(Value::as_str);
    let leaf = leaf.ok_or_else(|| fulcio.wrong("certificate", &"it has no chain of certificates"))?;
    DerCertificate::from_pem(leaf).map_err(|error| fulcio.wrong("certificate", &error))
}

/// Adds a signed envelope to Rekor.
pub(crate) async fn log(
    services: &Services,
    rekor: &str,
    envelope: &DsseEnvelope,
    certificate: &DerCertificate,
) -> Result<TransparencyLogEntry, SignError> {
    let rekor = Service::new("Rekor", rekor, "/api/v1/log/entries", &services.retrying)?;
    let envelope =
        serde_json::to_string(envelope).map_err(|error| SignError::Statement(error.to_string()))?;
    // Verifiers compare the text in the log with PEM that they write themselves, with line feeds.
    let verifier = STANDARD.encode(certificate.to_pem().replace("\r\n", "\n"));
    let content = json!({ "envelope": envelope, "verifiers": [verifier] });
    let entry = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "proposedContent": content } });
    let answer = rekor.send(|client, url| client.post(url).json(&entry)).await?;
    let wrong = |reason: String| rekor.wrong("log entry", &reason);
    let entries: HashMap<String, LogEntry> =
        serde_json::from_slice(&answer.body).map_err(|error| wrong(error.to_string()))?;
    let entry = entries.into_values().next().ok_or_else(|| wrong("it is empty".to_owned()))?;
    entry.to_bundle_entry(KindVersion::DsseV001).map_err(|error| wrong(error.to_string()))
}

/// The DER of a `TimeStampReq` (RFC 3161, section 2.4.1) up to the 32 bytes of a SHA-256 hash: version 1 and a
/// message imprint. After the hash comes `certReq`, which is true.
const TIMESTAMP_REQUEST: &[u8] = &[
    0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
    0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];

/// Requests a timestamp for a signature (RFC 3161).
pub(crate) async fn timestamp(
    services: &Services,
    authority: &str,
    signature: &[u8],
) -> Result<TimestampToken, SignError> {
    let authority = Service::new("the timestamp authority", authority, "", &services.retrying)?;
    let request =
        [TIMESTAMP_REQUEST, sigstore_crypto::sha256(signature).as_bytes(), &[0x01, 0x01, 0xff]].concat();
    let answer = authority
        .send(|client, url| {
            client.post(url).header(CONTENT_TYPE, "application/timestamp-query").body(request.clone())
        })
        .await?;
    Ok(TimestampToken::new(answer.body.to_vec()))
}

/// Checks that the services answer, so that a gate that needs them can fail before its build.
///
/// # Errors
/// The first service that cannot be reached or answers with a server error.
pub async fn check(services: &Services) -> Result<(), SignError> {
    let rekor = services.rekor.as_deref().map(|rekor| ("Rekor", rekor, "/api/v1/log"));
    let authority = services.timestamps.as_deref().map(|base| ("the timestamp authority", base, ""));
    let fulcio = ("Fulcio", services.fulcio.as_str(), "/api/v2/configuration");
    for (name, base, path) in [fulcio].into_iter().chain(rekor).chain(authority) {
        let service = Service::new(name, base, path, &services.retrying)?;
        match service.send(Client::get).await {
            Err(SignError::Refused { status, .. }) if status < 500 => {}
            other => drop(other?),
        }
    }
    Ok(())
}
