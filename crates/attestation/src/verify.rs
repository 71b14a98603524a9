//! Verifies a bundle: its statement, and who signed it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigstore_crypto::KeyAlgorithm;
use sigstore_types::{Bundle, DerPublicKey, DsseEnvelope, Sha256Hash, SignatureContent};
use sigstore_verify::VerificationPolicy;

use crate::error::VerifyError;
use crate::json;
use crate::signer::Workload;
use crate::statement::{self, PAYLOAD_TYPE, Statement};
use crate::trust::{TrustRoot, Trusted};

/// The largest bundle, in bytes. It contains a statement in base64 and a few KiB more.
const LARGEST: usize = 2 * 1024 * 1024;

/// A statement with a valid signature. An [`AllowedSigner`](crate::AllowedSigner) decides whether its signer counts.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The signed statement.
    pub statement: Statement,
    /// The run that signed. `None` if a key signed, which says nothing about the run.
    pub workload: Option<Workload>,
    /// When it was signed, according to the log or the timestamp authority.
    pub time: Option<jiff::Timestamp>,
}

/// Verifies bundles with one trust root.
pub struct Verifier(Accepted);

/// What a verifier accepts.
enum Accepted {
    /// Short-lived certificates of an instance.
    Certificates(Box<sigstore_verify::Verifier>, VerificationPolicy),
    /// Signatures of keys.
    Keys(Vec<DerPublicKey>),
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// Accepts signatures with short-lived certificates of an instance, or of keys. Certificate and entry must be in
    /// the instance's logs, if it has logs.
    pub fn new(root: &TrustRoot) -> Result<Self, VerifyError> {
        crate::provider::install();
        let root = match &root.0 {
            Trusted::Keys(keys) => return Ok(Self(Accepted::Keys(keys.clone()))),
            Trusted::Instance(root) => root,
        };
        let mut policy = VerificationPolicy::any_identity();
        if root.tlogs.is_empty() {
            policy = policy.skip_tlog_unsafe();
        }
        if root.ctlogs.is_empty() {
            policy = policy.skip_sct();
        }
        let verifier = sigstore_verify::Verifier::new(root);
        let verifier = verifier.map_err(|error| VerifyError::TrustRoot(error.to_string()))?;
        Ok(Self(Accepted::Certificates(Box::new(verifier), policy)))
    }

    /// Verifies that `bundle` contains a signed statement about the image `digest`.
    ///
    /// # Errors
    /// If anything in the bundle is malformed, is not signed, or is about another image.
    pub fn verify(&self, bundle: &[u8], digest: &str) -> Result<Signed, VerifyError> {
        let malformed = |reason: String| VerifyError::Bundle(reason);
        json::parse(bundle, LARGEST).map_err(malformed)?;
        let bundle: Bundle = serde_json::from_slice(bundle).map_err(|error| malformed(error.to_string()))?;
        let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
            return Err(malformed("it signs no statement".to_owned()));
        };
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed(format!("it signs {:?}, not {PAYLOAD_TYPE:?}", envelope.payload_type)));
        }
        let statement = Statement::parse(envelope.payload.as_bytes())?;
        if statement.digest != digest {
            return Err(VerifyError::Subject { found: statement.digest, expected: digest.to_owned() });
        }
        let (verifier, policy) = match &self.0 {
            Accepted::Certificates(verifier, policy) => (verifier, policy),
            Accepted::Keys(keys) if keys.iter().any(|key| has_signed(key, envelope)) => {
                return Ok(Signed { statement, workload: None, time: None });
            }
            Accepted::Keys(_) => return Err(VerifyError::Signature("no trusted key made it".to_owned())),
        };
        let (_, hex) = statement::parts(digest).unwrap_or_default();
        let hash = Sha256Hash::from_hex(hex).map_err(|error| VerifyError::Statement(error.to_string()))?;
        let result = verifier.verify(hash, &bundle, policy);
        let result = result.map_err(|error| VerifyError::Signature(sys::http::chain(&error)))?;
        Ok(Signed {
            statement,
            workload: Some(result.certificate().map(Workload::of).unwrap_or_default()),
            time: result.verified_timestamps().first().copied(),
        })
    }
}

/// Whether the key made the envelope's signature.
fn has_signed(key: &DerPublicKey, envelope: &DsseEnvelope) -> bool {
    KeyAlgorithm::from_spki(key).is_ok_and(|algorithm| {
        let scheme = algorithm.default_signing_scheme();
        sigstore_crypto::verify_signature(key, &envelope.pae(), &envelope.signature.sig, scheme).is_ok()
    })
}

/// The kind of statement that a bundle claims to contain. Nothing is verified, so this only shows to whom the bundle
/// belongs.
pub fn predicate_type(bundle: &[u8]) -> Option<String> {
    let bundle = json::parse(bundle, LARGEST).ok()?;
    let payload = STANDARD.decode(bundle.pointer("/dsseEnvelope/payload")?.as_str()?).ok()?;
    json::parse(&payload, LARGEST).ok()?.get("predicateType")?.as_str().map(str::to_owned)
}
