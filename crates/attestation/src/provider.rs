//! The cryptography that the Sigstore crates ask for, by the `RustCrypto` crates: ECDSA on P-256 and P-384.
//! Sigstore's public instance and GitHub's use nothing else. `ring`, which TLS uses here, cannot sign a digest.

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use sigstore_crypto::{
    CryptoProvider, Error, HashContext, KeyAlgorithm, Result, SigningKeyPair, SigningScheme,
    install_default_provider,
};
use sigstore_types::HashAlgorithm;

#[derive(Debug)]
struct Provider;

/// Makes this provider the one that the Sigstore crates use. Calling it again changes nothing.
pub(crate) fn install() {
    // It fails only if a provider is there already, and that is this one.
    let _installed = install_default_provider(&Provider);
}

struct Hash<D>(D);

impl<D: sha2::Digest + Send> HashContext for Hash<D> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

struct KeyPair {
    key: p256::ecdsa::SigningKey,
    public: Vec<u8>,
}

impl SigningKeyPair for KeyPair {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::EcdsaP256
    }

    fn public_key_bytes(&self) -> &[u8] {
        &self.public
    }

    fn sign_raw(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.sign_prehashed(&Sha256::digest(data))
    }

    fn sign_prehashed(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let signature: p256::ecdsa::Signature =
            self.key.sign_prehash(digest).map_err(|error| Error::Signing(error.to_string()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

impl CryptoProvider for Provider {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        match algorithm {
            HashAlgorithm::Sha2256 => Ok(Box::new(Hash(Sha256::new()))),
            HashAlgorithm::Sha2384 => Ok(Box::new(Hash(Sha384::new()))),
            HashAlgorithm::Sha2512 => Ok(Box::new(Hash(Sha512::new()))),
            other => Err(Error::UnsupportedAlgorithm(other.to_string())),
        }
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<()> {
        let algorithm = scheme.hash_algorithm().ok_or_else(|| unsupported(scheme))?;
        let mut hash = self.hash(algorithm)?;
        hash.update(data);
        self.verify_prehashed(scheme, key, &hash.finalize(), signature)
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let verified = match scheme.key_algorithm() {
            KeyAlgorithm::EcdsaP256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(key)
                .and_then(|key| key.verify_prehash(digest, &p256::ecdsa::Signature::from_der(signature)?)),
            KeyAlgorithm::EcdsaP384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(key)
                .and_then(|key| key.verify_prehash(digest, &p384::ecdsa::Signature::from_der(signature)?)),
            _ => return Err(unsupported(scheme)),
        };
        verified.map_err(|error| Error::Verification(error.to_string()))
    }

    fn generate_key_pair(&self, algorithm: KeyAlgorithm) -> Result<Box<dyn SigningKeyPair>> {
        if algorithm != KeyAlgorithm::EcdsaP256 {
            return Err(Error::UnsupportedAlgorithm(format!("{algorithm:?}")));
        }
        let failed = |error: &dyn std::fmt::Display| Error::KeyGeneration(error.to_string());
        let mut scalar = [0_u8; 32];
        getrandom::fill(&mut scalar).map_err(|error| failed(&error))?;
        // Fails for zero and for the 2^-32 of numbers beyond the order of the curve.
        let key = p256::ecdsa::SigningKey::from_slice(&scalar).map_err(|error| failed(&error))?;
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(Box::new(KeyPair { key, public }))
    }
}

fn unsupported(scheme: SigningScheme) -> Error {
    Error::UnsupportedAlgorithm(scheme.name().to_owned())
}
