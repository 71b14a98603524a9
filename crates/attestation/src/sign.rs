//! Signing: one key and one certificate for all statements of a run.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sigstore_bundle::{BundleV03, VerificationMaterialV03};
use sigstore_crypto::KeyPair;
use sigstore_types::{DerCertificate, DsseEnvelope, DsseSignature, KeyId, PayloadBytes, SignatureContent};
use workflow_commands::Secret;

use crate::error::SignError;
use crate::services::{self, Services};
use crate::statement::Statement;

/// Signs statements.
pub struct Signer {
    services: Services,
    /// The key of this run. Fulcio's certificate, which is valid for ten minutes, names its owner.
    pair: KeyPair,
    certificate: DerCertificate,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Creates a key and requests its certificate for the identity in `id_token`. The token must have the audience
    /// `sigstore`. The certificate is valid for ten minutes, so create the signer when there is something to sign.
    pub async fn keyless(services: &Services, id_token: &Secret) -> Result<Self, SignError> {
        crate::provider::install();
        let failed = |error: sigstore_crypto::Error| SignError::Key(error.to_string());
        let pair = KeyPair::generate_ecdsa_p256().map_err(failed)?;
        let public = pair.public_key_der().map_err(failed)?.to_pem();
        let proof = pair.sign(subject(id_token)?.as_bytes()).map_err(failed)?;
        let certificate = services::certificate(services, id_token, &public, proof.as_bytes()).await?;
        Ok(Self { services: services.clone(), pair, certificate })
    }

    /// Signs a statement and returns the bundle as JSON.
    pub async fn sign(&self, statement: &Statement) -> Result<Vec<u8>, SignError> {
        let payload = statement.to_json();
        let kind = "application/vnd.in-toto+json";
        let digest = sigstore_crypto::sha256(&sigstore_types::pae(kind, &payload));
        let signature = self.pair.sign_digest(&digest).map_err(|error| SignError::Key(error.to_string()))?;
        let material = VerificationMaterialV03::Certificate(self.certificate.clone());
        let signed = DsseSignature::new(signature.clone(), KeyId::default());
        let envelope = DsseEnvelope::new(kind, PayloadBytes::new(payload), signed);
        let mut bundle = BundleV03::new(material, SignatureContent::DsseEnvelope(envelope.clone()));
        if let Some(rekor) = &self.services.rekor {
            bundle = bundle
                .with_tlog_entry(services::log(&self.services, rekor, &envelope, &self.certificate).await?);
        }
        if let Some(authority) = &self.services.timestamps {
            let token = services::timestamp(&self.services, authority, signature.as_bytes()).await?;
            bundle = bundle.with_rfc3161_timestamp(token);
        }
        let json = bundle.into_bundle().to_json().map_err(|error| SignError::Statement(error.to_string()))?;
        Ok(json.into_bytes())
    }
}

/// The subject of an id token. Its signature proves that we hold the key.
fn subject(token: &Secret) -> Result<String, SignError> {
    let subject = claim(token, "sub");
    subject.ok_or_else(|| SignError::Key("the id token is no JWT that has a subject".to_owned()))
}

/// A claim of an id token, if it is a text. The token is not verified here.
pub fn claim(token: &Secret, name: &str) -> Option<String> {
    let claims = token.expose().split('.').nth(1)?;
    let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.get(name)?.as_str().map(str::to_owned)
}
