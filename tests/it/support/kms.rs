//! Cloud KMS on loopback: keys that sign hashes. Strict: what the real one would not take, it refuses.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::json;

use super::google::refusal;
use super::server::{Reply, Seen};

/// What stands before the point of a P-256 key in its `SubjectPublicKeyInfo` (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The name of a version of the key `records`, as the API has it.
pub(crate) fn version(number: u32) -> String {
    format!(
        "projects/acme-keys/locations/europe-west2/keyRings/p2p/cryptoKeys/records/cryptoKeyVersions/{number}"
    )
}

/// The public key of a version, in PEM. Each version has its own key.
pub(crate) fn public_key(number: u32) -> String {
    let point = key(number).verifying_key().to_sec1_point(false);
    let spki = STANDARD.encode([&SPKI[..], point.as_bytes()].concat());
    let (first, second) = spki.split_at(64);
    format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
}

fn key(number: u32) -> SigningKey {
    SigningKey::from_slice(&[u8::try_from(number).unwrap(); 32]).unwrap()
}

/// Version 1 signs, version 2 is another key, version 3 is of another algorithm.
#[derive(Default)]
pub(crate) struct Kms {
    /// The accounts that may sign.
    pub(crate) signers: Vec<String>,
    /// Whether the API is enabled.
    pub(crate) disabled: bool,
}

impl Kms {
    /// The answer to an account's request, if it is one to this service.
    pub(crate) fn answer(&self, seen: &Seen, account: Option<&str>) -> Option<Reply> {
        let versions = BTreeMap::from([1, 2, 3].map(|number| (version(number), number)));
        let path = seen.path.strip_prefix("/v1/").filter(|path| path.contains("/keyRings/"))?;
        let (name, method) = match seen.method.as_str() {
            "GET" => (path.strip_suffix("/publicKey")?, "publicKey"),
            "POST" => (path.strip_suffix(":asymmetricSign")?, "asymmetricSign"),
            _ => return None,
        };
        let Some(account) = account else {
            return Some(refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."));
        };
        if self.disabled {
            let details =
                json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]);
            let message =
                "Cloud Key Management Service (KMS) API has not been used in project acme-keys before.";
            let error =
                json!({"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": details});
            return Some(Reply::json(403, &json!({ "error": error })));
        }
        if !self.signers.iter().any(|signer| signer == account) {
            let denied = format!("Permission denied on resource '{name}' (or it may not exist).");
            return Some(refusal(403, "PERMISSION_DENIED", &denied));
        }
        let Some(number) = versions.get(name) else {
            return Some(refusal(404, "NOT_FOUND", &format!("CryptoKeyVersion {name} not found.")));
        };
        let algorithm = if *number == 3 { "RSA_SIGN_PSS_2048_SHA256" } else { "EC_SIGN_P256_SHA256" };
        Some(if method == "publicKey" {
            Reply::json(
                200,
                &json!({"name": name, "pem": public_key(*number), "algorithm": algorithm, "protectionLevel": "SOFTWARE"}),
            )
        } else {
            sign(seen, name, *number)
        })
    }
}

fn sign(seen: &Seen, name: &str, number: u32) -> Reply {
    let body = seen.json();
    let hash =
        body["digest"]["sha256"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    if hash.len() != 32 || body != json!({"digest": {"sha256": STANDARD.encode(&hash)}}) {
        return refusal(400, "INVALID_ARGUMENT", "Digest is not the documented one.");
    }
    let signature: p256::ecdsa::Signature = key(number).sign_prehash(&hash).unwrap();
    let signature = STANDARD.encode(signature.to_der());
    Reply::json(200, &json!({"name": name, "signature": signature, "protectionLevel": "SOFTWARE"}))
}
