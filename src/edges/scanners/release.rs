//! Which scanners p2p fetches: exact versions and hashes, part of the released commit.

use oci::Digest;

use super::error::ScannerError;

/// The list.
const RELEASES: &str = include_str!("releases.txt");

/// A program that scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanner {
    /// Dependencies, licences and images.
    Trivy,
    /// Secrets.
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

    /// The repository on GitHub that it is released in.
    pub(super) fn repository(self) -> &'static str {
        match self {
            Self::Trivy => "aquasecurity/trivy",
            Self::Trufflehog => "trufflesecurity/trufflehog",
        }
    }
}

/// The file that holds a scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version, without `v`.
    pub version: String,
    /// The name of the archive.
    pub file: String,
    /// The SHA-256 of the archive.
    pub digest: Digest,
}

impl Release {
    /// The release of a scanner for a machine such as `linux-x64`, by a list like `releases.txt`.
    ///
    /// # Errors
    /// Where the list has none.
    pub fn of(scanner: Scanner, list: &str, platform: &str) -> Result<Self, ScannerError> {
        let line = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|words| {
            let [name, version, of, file, hash] = words.as_slice() else { return None };
            let digest = format!("sha256:{hash}").parse().ok()?;
            (*name == scanner.program() && *of == platform).then(|| Self {
                version: (*version).to_owned(),
                file: (*file).to_owned(),
                digest,
            })
        });
        line.ok_or_else(|| ScannerError::NoRelease {
            scanner: scanner.program(),
            platform: platform.to_owned(),
        })
    }

    /// The release for this machine.
    pub(super) fn here(scanner: Scanner) -> Result<Self, ScannerError> {
        let system = if cfg!(target_os = "macos") { "macos" } else { std::env::consts::OS };
        let machine = match std::env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => other,
        };
        Self::of(scanner, RELEASES, &format!("{system}-{machine}"))
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
            for platform in ["linux-x64", "linux-arm64", "macos-x64", "macos-arm64"] {
                let Release { version, file, digest } = Release::of(scanner, RELEASES, platform).unwrap();
                assert!(file.starts_with(&format!("{}_{version}_", scanner.program())), "{file}");
                assert!(hashes.insert(digest.as_str().to_owned()), "{file}");
            }
        }
        assert!(Release::of(Scanner::Trivy, RELEASES, "plan9-x64").is_err());
    }
}
