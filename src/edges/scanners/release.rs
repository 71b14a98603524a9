//! The exact versions and hashes of the scanners that p2p fetches. They are part of the released commit.

use oci::Digest;
use sys::error::{Exit, Failure};

/// The list.
const RELEASES: &str = include_str!("releases.txt");

/// A scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanner {
    /// Finds vulnerable dependencies and restricted licences, also in images.
    Trivy,
    /// Finds secrets.
    Trufflehog,
}

impl Scanner {
    /// The name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Trivy => "trivy",
            Self::Trufflehog => "trufflehog",
        }
    }

    /// Its repository on GitHub.
    pub(super) fn repository(self) -> &'static str {
        match self {
            Self::Trivy => "aquasecurity/trivy",
            Self::Trufflehog => "trufflesecurity/trufflehog",
        }
    }
}

/// A released archive with a scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version, without a `v`.
    pub version: String,
    pub file: String,
    /// The SHA-256 digest of the archive.
    pub digest: Digest,
}

impl Release {
    /// The release of a scanner for a machine such as `linux-x86_64`, from a list like `releases.txt`.
    ///
    /// # Errors
    /// If the list has none.
    pub fn of(scanner: Scanner, list: &str, platform: &str) -> Result<Self, Failure> {
        let line = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|words| {
            let [name, version, of, file, hash] = words.as_slice() else { return None };
            let digest = format!("sha256:{hash}").parse().ok()?;
            (*name == scanner.program() && *of == platform).then(|| Self {
                version: (*version).to_owned(),
                file: (*file).to_owned(),
                digest,
            })
        });
        line.ok_or_else(|| {
            let name = scanner.program();
            let help = format!("install {name}, and name it by the key `{name}-path` of the environment");
            let what = format!("p2p knows no release of {name} for {platform}");
            Failure::new(Exit::Unavailable, what, help)
        })
    }

    /// The release for this machine.
    pub(super) fn here(scanner: Scanner) -> Result<Self, Failure> {
        use std::env::consts::{ARCH, OS};
        Self::of(scanner, RELEASES, &format!("{OS}-{ARCH}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn each_platform_of_p2p_has_both_scanners_with_a_hash_of_their_own() {
        let mut hashes = std::collections::BTreeSet::new();
        for scanner in [Scanner::Trivy, Scanner::Trufflehog] {
            for platform in ["linux-x86_64", "linux-aarch64", "macos-x86_64", "macos-aarch64"] {
                let Release { version, file, digest } = Release::of(scanner, RELEASES, platform).unwrap();
                assert!(file.starts_with(&format!("{}_{version}_", scanner.program())), "{file}");
                assert!(hashes.insert(digest.as_str().to_owned()), "{file}");
            }
        }
        assert!(Release::of(Scanner::Trivy, RELEASES, "plan9-x86_64").is_err());
    }
}
