//! Verifies a bundle: its statement, and who signed it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigstore_types::{Bundle, Sha256Hash, SignatureContent};
use sigstore_verify::{VerificationPolicy, VerificationResult};

use crate::error::VerifyError;
use crate::json;
use crate::signer::Workload;
use crate::statement::{self, Statement};
use crate::trust::TrustRoot;

/// The largest bundle, in bytes. It contains a statement in base64 and a few KiB more.
const LARGEST: usize = 2 * 1024 * 1024;

/// The payload type of a DSSE envelope with an in-toto statement.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A statement with a valid signature. An [`AllowedSigner`](crate::AllowedSigner) decides whether its signer counts.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The signed statement.
    pub statement: Statement,
    /// The run that signed.
    pub workload: Workload,
    /// When it was signed, according to the log or the timestamp authority.
    pub time: Option<jiff::Timestamp>,
}

/// Verifies bundles with one trust root.
pub struct Verifier {
    verifier: sigstore_verify::Verifier,
    policy: VerificationPolicy,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// Accepts signatures with short-lived certificates of this instance. Certificate and entry must be in its logs,
    /// if it has logs.
    pub fn new(root: &TrustRoot) -> Result<Self, VerifyError> {
        let mut policy = VerificationPolicy::any_identity();
        if !root.has_log() {
            policy = policy.skip_tlog_unsafe();
        }
        if !root.has_certificate_log() {
            policy = policy.skip_sct();
        }
        Ok(Self { verifier: verifier(root)?, policy })
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
        let hex = statement::hex(digest).unwrap_or_default();
        let hash = Sha256Hash::from_hex(hex).map_err(|error| VerifyError::Statement(error.to_string()))?;
        let verified = self.verifier.verify(hash, &bundle, &self.policy);
        let verified = verified.map_err(|error| VerifyError::Signature(sys::http::chain(&error)))?;
        Ok(Signed {
            statement,
            workload: workload(&verified),
            time: verified.verified_timestamps().first().copied(),
        })
    }
}

/// The kind of statement that a bundle claims to contain. Nothing is verified, so this only shows to whom the bundle
/// belongs.
pub fn predicate_type(bundle: &[u8]) -> Option<String> {
    let bundle = json::parse(bundle, LARGEST).ok()?;
    let payload = STANDARD.decode(bundle.pointer("/dsseEnvelope/payload")?.as_str()?).ok()?;
    json::parse(&payload, LARGEST).ok()?.get("predicateType")?.as_str().map(str::to_owned)
}

fn verifier(root: &TrustRoot) -> Result<sigstore_verify::Verifier, VerifyError> {
    crate::provider::install();
    sigstore_verify::Verifier::new(&root.0).map_err(|error| VerifyError::TrustRoot(error.to_string()))
}

fn workload(verified: &VerificationResult) -> Workload {
    verified.certificate().map(Workload::of).unwrap_or_default()
}
