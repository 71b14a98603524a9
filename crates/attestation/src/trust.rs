//! The authorities and logs whose signatures count.

use sigstore_trust_root::TrustedRoot;

use crate::error::VerifyError;

/// Sigstore's public instance, as of the day that `trust/fetched` holds.
const PUBLIC: &str = include_str!("../trust/public.json");

/// GitHub's own instance, which signs for private repositories, as of the same day.
const GITHUB: &str = include_str!("../trust/github.json");

/// The day on which the embedded trust roots were fetched.
const FETCHED: &str = include_str!("../trust/fetched");

/// The day of the embedded trust roots, as `2026-01-02`.
pub fn embedded_since() -> &'static str {
    FETCHED.trim()
}

/// A trust root: certificate authorities, transparency logs and timestamp authorities.
#[derive(Debug, Clone)]
pub struct TrustRoot(pub(crate) TrustedRoot);

impl TrustRoot {
    /// The trust root of Sigstore's public instance.
    pub fn public() -> Result<Self, VerifyError> {
        Self::from_json(PUBLIC)
    }

    /// The trust root of GitHub's own instance.
    pub fn github() -> Result<Self, VerifyError> {
        Self::from_json(GITHUB)
    }

    /// Parses a `trusted_root.json`.
    pub fn from_json(text: &str) -> Result<Self, VerifyError> {
        TrustedRoot::from_json(text).map(Self).map_err(|error| VerifyError::TrustRoot(error.to_string()))
    }

    /// Whether signatures must be in a transparency log, because the instance has one.
    pub(crate) fn has_log(&self) -> bool {
        !self.0.tlogs.is_empty()
    }

    /// Whether certificates must be in a certificate transparency log.
    pub(crate) fn has_certificate_log(&self) -> bool {
        !self.0.ctlogs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_embedded_ones_can_be_used() {
        let (public, github) = (TrustRoot::public().unwrap(), TrustRoot::github().unwrap());
        assert!(public.has_log() && public.has_certificate_log());
        assert!(!github.has_log() && !github.has_certificate_log());
        for root in [&public, &github] {
            crate::Verifier::new(root).unwrap();
        }
        embedded_since().parse::<jiff::civil::Date>().unwrap();
    }
}
