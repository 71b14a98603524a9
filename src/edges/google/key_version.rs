//! The names of keys in Cloud KMS.

use std::fmt;

/// The scheme of key names, as Sigstore's own tools write them.
const SCHEME: &str = "gcpkms://";

/// A version of a key: `projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion(String);

impl KeyVersion {
    /// Parses the name with `gcpkms://` before it. Sigstore's tools also write `versions/1` at its end.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix(SCHEME)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        match *name.split('/').collect::<Vec<_>>() {
            ["projects", _, "locations", _, "keyRings", _, "cryptoKeys", _, kind, version]
                if matches!(kind, "cryptoKeyVersions" | "versions") && name.split('/').all(plain) =>
            {
                let (key, _) = name.split_once(&format!("/{kind}/"))?;
                Some(Self(format!("{key}/cryptoKeyVersions/{version}")))
            }
            _ => None,
        }
    }

    /// The whole name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The name of the key, without the version.
    pub(super) fn key(&self) -> &str {
        self.0.split_once("/cryptoKeyVersions/").map_or(&self.0, |(key, _)| key)
    }

    pub(super) fn project(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_key_is_named_with_its_version() {
        let name = "gcpkms://projects/acme/locations/europe-west2/keyRings/p2p/cryptoKeys/records/cryptoKeyVersions/3";
        assert_eq!(KeyVersion::parse(name).unwrap().to_string(), name);
        let short = name.replace("/cryptoKeyVersions/", "/versions/");
        assert_eq!(KeyVersion::parse(&short).unwrap().to_string(), name);
        for wrong in [
            "",
            "gcpkms://",
            &name[9..],
            &name[..name.len() - 2],
            name.split_once("/cryptoKeyVersions").unwrap().0,
            &name.replace("acme", ""),
            &name.replace("acme", "a?b"),
            &name.replace("gcpkms", "awskms"),
            &format!("{name}/publicKey"),
        ] {
            assert_eq!(KeyVersion::parse(wrong), None, "{wrong}");
        }
    }
}
