//! Signing: one key and one certificate for all statements of a run.

use std::future::Future;
use std::pin::Pin;

use sigstore_bundle::{BundleV03, VerificationMaterialV03};
use sigstore_crypto::KeyPair;
use sigstore_types::{
    DerCertificate, DsseEnvelope, DsseSignature, KeyId, PayloadBytes, SignatureBytes, SignatureContent,
};
use workflow_commands::Secret;

use crate::error::SignError;
use crate::services::{self, Services};
use crate::statement::Statement;

/// A key that somebody else keeps, such as a key management service.
pub trait ManagedKey: Send + Sync {
    /// A name by which a reader finds the public key; it goes into the bundle.
    fn hint(&self) -> String;

    /// Signs a SHA-256 digest and gives a DER-encoded ECDSA signature.
    fn sign<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, SignError>> + Send + 'a>>;
}

/// Signs statements.
pub struct Signer {
    services: Services,
    key: Key,
}

enum Key {
    /// Made for this run; Fulcio's certificate, which lives ten minutes, says whose it is.
    Ephemeral {
        pair: KeyPair,
        certificate: DerCertificate,
    },
    Managed(Box<dyn ManagedKey>),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Makes a key and has its certificate issued to whoever `id_token` names. The token must be for the audience
    /// `sigstore`. The certificate lives ten minutes: make the signer when there is something to sign.
    pub async fn keyless(services: &Services, id_token: &Secret) -> Result<Self, SignError> {
        crate::provider::install();
        let failed = |error: sigstore_crypto::Error| SignError::Key(error.to_string());
        let pair = KeyPair::generate_ecdsa_p256().map_err(failed)?;
        let public = pair.public_key_der().map_err(failed)?.to_pem();
        let proof = pair.sign(subject(id_token)?.as_bytes()).map_err(failed)?;
        let certificate = services::certificate(services, id_token, &public, proof.as_bytes()).await?;
        Ok(Self { services: services.clone(), key: Key::Ephemeral { pair, certificate } })
    }

    /// Signs with a managed key, without certificate, log and timestamp.
    pub fn managed(key: Box<dyn ManagedKey>) -> Self {
        crate::provider::install();
        let services = Services { rekor: None, timestamps: None, ..Services::public() };
        Self { services, key: Key::Managed(key) }
    }

    /// Signs a statement and gives the bundle as JSON.
    pub async fn sign(&self, statement: &Statement) -> Result<Vec<u8>, SignError> {
        let payload = statement.to_json();
        let kind = "application/vnd.in-toto+json";
        let digest = sigstore_crypto::sha256(&sigstore_types::pae(kind, &payload));
        let (signature, material) = match &self.key {
            Key::Ephemeral { pair, certificate } => {
                let signature =
                    pair.sign_digest(&digest).map_err(|error| SignError::Key(error.to_string()))?;
                (signature, VerificationMaterialV03::Certificate(certificate.clone()))
            }
            Key::Managed(key) => {
                let signature = key.sign(digest.as_bytes()).await?;
                (SignatureBytes::new(signature), VerificationMaterialV03::PublicKey { hint: key.hint() })
            }
        };
        let signed = DsseSignature::new(signature.clone(), KeyId::default());
        let envelope = DsseEnvelope::new(kind, PayloadBytes::new(payload), signed);
        let mut bundle = BundleV03::new(material, SignatureContent::DsseEnvelope(envelope.clone()));
        if let (Key::Ephemeral { certificate, .. }, Some(rekor)) = (&self.key, &self.services.rekor) {
            bundle =
                bundle.with_tlog_entry(services::log(&self.services, rekor, &envelope, certificate).await?);
        }
        if let Some(authority) = &self.services.timestamps {
            let token = services::timestamp(&self.services, authority, signature.as_bytes()).await?;
            bundle = bundle.with_rfc3161_timestamp(token);
        }
        let json = bundle.into_bundle().to_json().map_err(|error| SignError::Statement(error.to_string()))?;
        Ok(json.into_bytes())
    }
}

/// The subject of an id token, whose signature proves that we hold the key.
fn subject(token: &Secret) -> Result<String, SignError> {
    use base64::Engine as _;

    let claims = token.expose().split('.').nth(1).unwrap_or_default();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).ok();
    let claims: Option<serde_json::Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let subject = claims.and_then(|claims| claims.get("sub")?.as_str().map(str::to_owned));
    subject.ok_or_else(|| SignError::Key("the id token is no JWT that has a subject".to_owned()))
}
