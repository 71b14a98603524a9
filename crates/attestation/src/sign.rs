//! Signing: one key and one certificate for all statements of a run, or a key of your own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sigstore_bundle::{BundleV03, VerificationMaterialV03};
use sigstore_crypto::KeyPair;
use sigstore_types::{
    DerCertificate, DsseEnvelope, DsseSignature, KeyId, PayloadBytes, Sha256Hash, SignatureBytes,
    SignatureContent,
};
use workflow_commands::Secret;

use crate::error::SignError;
use crate::services::{self, Services};
use crate::statement::{PAYLOAD_TYPE, Statement};

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
        let hash = hash(statement);
        let signature = self.pair.sign_digest(&hash).map_err(|error| SignError::Key(error.to_string()))?;
        let envelope = envelope(statement, signature.clone());
        let material = VerificationMaterialV03::Certificate(self.certificate.clone());
        let mut bundle = BundleV03::new(material, SignatureContent::DsseEnvelope(envelope.clone()));
        if let Some(rekor) = &self.services.rekor {
            bundle = bundle
                .with_tlog_entry(services::log(&self.services, rekor, &envelope, &self.certificate).await?);
        }
        if let Some(authority) = &self.services.timestamps {
            let token = services::timestamp(&self.services, authority, signature.as_bytes()).await?;
            bundle = bundle.with_rfc3161_timestamp(token);
        }
        json(bundle)
    }
}

/// The SHA-256 hash that a key of your own signs, for [`with_key`].
pub fn hash_to_sign(statement: &Statement) -> [u8; 32] {
    crate::provider::install();
    *hash(statement).as_bytes()
}

/// The bundle of a statement that a key of your own signed, as JSON. `hint` tells people which key it was. There is
/// neither a certificate nor a log nor a time.
pub fn with_key(statement: &Statement, hint: String, signature: Vec<u8>) -> Result<Vec<u8>, SignError> {
    let envelope = envelope(statement, SignatureBytes::new(signature));
    let material = VerificationMaterialV03::PublicKey { hint };
    json(BundleV03::new(material, SignatureContent::DsseEnvelope(envelope)))
}

fn hash(statement: &Statement) -> Sha256Hash {
    sigstore_crypto::sha256(&sigstore_types::pae(PAYLOAD_TYPE, &statement.to_json()))
}

fn envelope(statement: &Statement, signature: SignatureBytes) -> DsseEnvelope {
    let signature = DsseSignature::new(signature, KeyId::default());
    DsseEnvelope::new(PAYLOAD_TYPE, PayloadBytes::new(statement.to_json()), signature)
}

fn json(bundle: BundleV03) -> Result<Vec<u8>, SignError> {
    let json = bundle.into_bundle().to_json().map_err(|error| SignError::Statement(error.to_string()))?;
    Ok(json.into_bytes())
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
