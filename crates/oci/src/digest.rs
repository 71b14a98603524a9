//! Content digests: `sha256:<hex>` and `sha512:<hex>`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::digest::Digest as _;
use sha2::{Sha256, Sha512};

use super::reference_error::ReferenceError;

/// The digest of some bytes, in the form of the OCI image specification. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Arc<str>);

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes.as_ref());
        hasher.finish()
    }

    /// The complete text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Whether `bytes` have this digest.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = Hasher::like(self);
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// The fallback tag for referrers: `sha256-<hex>` (OCI distribution 1.1, "Referrers Tag Schema").
    pub fn referrers_tag(&self) -> String {
        let hex: String = self.hex().chars().take(64).collect();
        format!("{}-{hex}", self.algorithm())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why: &str| ReferenceError::new("digest", text, why);
        let (algorithm, hex) =
            text.split_once(':').ok_or_else(|| wrong("expected sha256: and 64 hexadecimal digits"))?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(wrong("the algorithm must be sha256 or sha512")),
        };
        if hex.len() != length || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong(&format!("{algorithm} has {length} lower-case hexadecimal digits")));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Digest {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.as_ref().to_owned()
    }
}

#[derive(Debug, Clone)]
pub struct Hasher(Algorithm);

#[derive(Debug, Clone)]
enum Algorithm {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Uses SHA-256, like everything that p2p writes.
    pub fn sha256() -> Self {
        Self(Algorithm::Sha256(Sha256::new()))
    }

    /// Uses the algorithm of `digest`, to compare with it.
    pub fn like(digest: &Digest) -> Self {
        if digest.algorithm() == "sha512" { Self(Algorithm::Sha512(Sha512::new())) } else { Self::sha256() }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(hasher) => hasher.update(bytes),
            Algorithm::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        let (name, hex) = match self.0 {
            Algorithm::Sha256(hasher) => ("sha256", hex(&hasher.finalize())),
            Algorithm::Sha512(hasher) => ("sha512", hex(&hasher.finalize())),
        };
        Digest(format!("{name}:{hex}").into())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_in_one_go_and_piece_by_piece() {
        assert_eq!(Digest::of("").as_str(), EMPTY);
        let mut hasher = Hasher::sha256();
        hasher.update(b"hello ");
        hasher.update(b"world");
        assert_eq!(hasher.finish(), Digest::of("hello world"));
        let mut long = Hasher(Algorithm::Sha512(Sha512::new()));
        long.update(b"abc");
        let long = long.finish();
        assert!(long.as_str().starts_with("sha512:ddaf35a193617abacc417349ae204131"));
        assert!(long.matches(b"abc") && !long.matches(b"abd"));
    }

    #[test]
    fn parses_and_refuses() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!((digest.algorithm(), digest.hex().len()), ("sha256", 64));
        assert_eq!(digest.referrers_tag(), EMPTY.replace(':', "-"));
        let refused =
            ["", "sha256", "sha256:", "md5:abc", &EMPTY.to_uppercase(), &EMPTY[..70], &format!("{EMPTY}0")];
        for text in refused {
            text.parse::<Digest>().unwrap_err();
        }
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        serde_json::from_str::<Digest>("\"sha256:zz\"").unwrap_err();
    }
}
