//! The authorities, logs and keys whose signatures count.

use sigstore_crypto::KeyAlgorithm;
use sigstore_trust_root::TrustedRoot;
use sigstore_types::DerPublicKey;

use crate::error::VerifyError;

/// Sigstore's public instance, as of the day that `trust/fetched` holds.
const PUBLIC: &str = include_str!("../trust/public.json");

/// GitHub's own instance, which signs for private repositories, as of the same day.
const GITHUB: &str = include_str!("../trust/github.json");

/// The day on which the embedded trust roots were fetched.
const FETCHED: &str = include_str!("../trust/fetched");

/// What stands before and after each key in PEM.
const BEGIN: &str = "-----BEGIN";
const END: &str = "-----END PUBLIC KEY-----";

/// The day of the embedded trust roots, as `2026-01-02`.
pub fn embedded_since() -> &'static str {
    FETCHED.trim()
}

/// A trust root: an instance of Sigstore, or keys of your own.
#[derive(Debug, Clone)]
pub struct TrustRoot(pub(crate) Trusted);

#[derive(Debug, Clone)]
pub(crate) enum Trusted {
    /// Certificate authorities, transparency logs and timestamp authorities.
    Instance(Box<TrustedRoot>),
    Keys(Vec<DerPublicKey>),
}

impl TrustRoot {
    /// The trust root of Sigstore's public instance.
    pub fn public() -> Result<Self, VerifyError> {
        Self::parse(PUBLIC)
    }

    /// The trust root of GitHub's own instance.
    pub fn github() -> Result<Self, VerifyError> {
        Self::parse(GITHUB)
    }

    /// Parses a `trusted_root.json`, or public keys in PEM, one after the other.
    pub fn parse(text: &str) -> Result<Self, VerifyError> {
        if text.contains(BEGIN) {
            let keys = text.split_inclusive(END).filter(|part| part.contains(BEGIN)).map(key);
            return Ok(Self(Trusted::Keys(keys.collect::<Result<_, _>>()?)));
        }
        let root = TrustedRoot::from_json(text).map_err(|error| VerifyError::TrustRoot(error.to_string()))?;
        Ok(Self(Trusted::Instance(Box::new(root))))
    }

    /// Whether it consists of keys.
    pub fn is_keys(&self) -> bool {
        matches!(self.0, Trusted::Keys(_))
    }

    /// Whether signatures of the public key `pem` count.
    pub fn has_key(&self, pem: &str) -> bool {
        matches!(&self.0, Trusted::Keys(keys) if key(pem).is_ok_and(|key| keys.contains(&key)))
    }
}

/// A public key of a kind that p2p can verify.
fn key(pem: &str) -> Result<DerPublicKey, VerifyError> {
    let key = DerPublicKey::from_pem(pem).map_err(|error| VerifyError::TrustRoot(error.to_string()))?;
    match KeyAlgorithm::from_spki(&key) {
        Ok(KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384) => Ok(key),
        _ => Err(VerifyError::TrustRoot("a key is not one of the curve P-256 or P-384".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_embedded_ones_can_be_used() {
        let logs = |root: TrustRoot| {
            crate::Verifier::new(&root).unwrap();
            let Trusted::Instance(root) = root.0 else { panic!("it has keys") };
            (root.tlogs.len(), root.ctlogs.len())
        };
        let (public, github) = (logs(TrustRoot::public().unwrap()), logs(TrustRoot::github().unwrap()));
        assert!(public.0 > 0 && public.1 > 0);
        assert_eq!(github, (0, 0));
        embedded_since().parse::<jiff::civil::Date>().unwrap();
    }

    /// `openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout`, and the same with `secp384r1`.
    const KEYS: &str = include_str!("../trust/test-keys.pem");

    #[test]
    fn keys_stand_one_after_the_other() {
        let root = TrustRoot::parse(KEYS).unwrap();
        let keys: Vec<&str> = KEYS.split_inclusive(END).filter(|key| key.contains("BEGIN")).collect();
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| root.has_key(key)));
        assert!(!TrustRoot::parse(keys[0]).unwrap().has_key(keys[1]));
        assert!(!TrustRoot::public().unwrap().has_key(keys[0]));
        let explained =
            format!("\u{feff}# The keys of the gates.\r\n{}# The end.", KEYS.replace('\n', "\r\n"));
        assert!(keys.iter().all(|key| TrustRoot::parse(&explained).unwrap().has_key(key)));
        for wrong in [
            "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nYWJj\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nYWJj",
            &format!("{KEYS}\n-----BEGIN PUBLIC KEY-----\nYWJj"),
            "",
        ] {
            TrustRoot::parse(wrong).unwrap_err();
        }
    }
}
