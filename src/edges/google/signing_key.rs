//! Signs with a key of Cloud KMS
//! (<https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::json;

use super::answer::parse;
use super::error::GoogleError;
use super::federation::Federation;
use super::identity::Identity;
use super::key_version::KeyVersion;
use super::refusal::is_disabled;
use sys::http::Answer;

/// The only kind of key that p2p signs with.
const ALGORITHM: &str = "EC_SIGN_P256_SHA256";

#[derive(Deserialize)]
struct Signature {
    signature: String,
}

#[derive(Deserialize)]
struct PublicKey {
    pem: String,
    algorithm: String,
}

/// A version of a key, and the account that signs with it.
#[derive(Debug, Clone)]
pub struct SigningKey {
    pub federation: Federation,
    pub identity: Identity,
    pub version: KeyVersion,
}

impl SigningKey {
    /// Signs a SHA-256 hash. Returns the signature as DER.
    ///
    /// # Errors
    /// If there is no token, if the account may not use the key, or if the key is of another kind.
    pub async fn sign(&self, hash: &[u8]) -> Result<Vec<u8>, GoogleError> {
        let what = format!("sign with {}", self.version);
        let body = json!({"digest": {"sha256": STANDARD.encode(hash)}});
        let answer = self.send(&what, ":asymmetricSign", |client, url| client.post(url).json(&body)).await?;
        let Signature { signature } = parse(&what, &answer)?;
        let reason = "the signature is not base64".to_owned();
        STANDARD.decode(signature).map_err(|_| GoogleError::Nonsense { what, reason })
    }

    /// The public key in PEM.
    ///
    /// # Errors
    /// If there is no token, if the account may not see the key, or if the key is of another kind.
    pub async fn public_key(&self) -> Result<String, GoogleError> {
        let what = format!("get the public key of {}", self.version);
        let answer = self.send(&what, "/publicKey", Client::get).await?;
        let PublicKey { pem, algorithm } = parse(&what, &answer)?;
        if algorithm != ALGORITHM {
            let (key, expected) = (self.version.clone(), ALGORITHM);
            return Err(GoogleError::KeyAlgorithm { key, algorithm, expected });
        }
        Ok(pem)
    }

    async fn send(
        &self,
        what: &str,
        method: &str,
        request: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<Answer, GoogleError> {
        let url = format!("{}/v1/{}{method}", self.federation.endpoints().kms, self.version.name());
        let answer = self.federation.send_as(&self.identity, what, &url, request).await?;
        let (status, disabled, text) = (answer.status, is_disabled(&answer), answer.words());
        let identity = Box::new(self.identity.clone());
        match status {
            200 => Ok(answer),
            403 if disabled => {
                let project = self.version.project().to_owned();
                Err(GoogleError::Disabled { identity, service: "cloudkms", project, answer: text })
            }
            status => {
                let key = self.version.clone();
                Err(GoogleError::KeyRefused { identity, key, status, answer: text })
            }
        }
    }
}
