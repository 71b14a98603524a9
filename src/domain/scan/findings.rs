//! What scanners find, as all of them say it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::severity::{Risk, Severity};
use crate::inputs::BlockingSeverity;

/// How long the part of a secret's hash is that names the secret, in hexadecimal digits.
const ID: usize = 16;

/// A known vulnerability of a package, or a finding of a team's own scanner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Vulnerability {
    /// What identifies it: `CVE-2024-12345`, or the rule of a team's own scanner.
    pub id: String,
    /// The package, or the scanner.
    pub package: String,
    /// The installed version, `-` where there is none.
    pub installed: String,
    /// The version that fixes it, `-` where there is none.
    pub fixed: String,
    /// How grave it is.
    pub severity: Severity,
    /// Where to read about it; may be empty.
    pub url: String,
    /// The file, or the part of an image, that it is in.
    pub source: String,
    /// The line of that file, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether it blocks.
    pub blocking: bool,
    /// Whether the pull request brings it; none where nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<bool>,
}

/// A restricted or forbidden licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct License {
    /// The package.
    pub package: String,
    /// The licence.
    pub license: String,
    /// What kind of licence it is.
    pub classification: String,
    /// How grave that is.
    pub severity: Severity,
    /// The file that names it.
    pub source: String,
    /// Licences never block.
    pub blocking: bool,
}

/// A secret that somebody committed or put into an image. The secret itself is not here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeakedSecret {
    /// A hash of the secret: [`LeakedSecret::id_of`].
    pub id: String,
    /// What kind of secret it is: `AWS`.
    pub detector: String,
    /// `verified` where it works, `unverified`, or `unknown` where that could not be found out.
    pub status: String,
    /// The file, in the repository or in the image.
    pub file: Option<String>,
    /// The line of that file.
    pub line: Option<u64>,
    /// The commit that added it.
    pub commit: Option<String>,
    /// The layer of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Where to look at it.
    pub url: Option<String>,
    /// Whether it blocks.
    #[serde(default)]
    pub blocking: bool,
}

impl LeakedSecret {
    /// The id of a secret: it follows from the secret, so that an ignore file can name it, and does not show it.
    pub fn id_of(secret: &str) -> String {
        use std::fmt::Write as _;
        let mut id = String::from("p2psec_");
        for byte in Sha256::digest(secret.as_bytes()).iter().take(ID / 2) {
            let _infallible = write!(id, "{byte:02x}");
        }
        id
    }

    /// A verified secret is critical; of another nobody knows whether it is one.
    fn risk(&self) -> Risk {
        if self.status == "verified" { Risk::Critical } else { Risk::Unclassified }
    }
}

/// Everything that was found in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanFindings {
    /// Vulnerabilities.
    pub vulnerabilities: Vec<Vulnerability>,
    /// Restricted and forbidden licences.
    pub licenses: Vec<License>,
    /// Secrets.
    pub secrets: Vec<LeakedSecret>,
}

impl ScanFindings {
    /// Adds those of another scanner.
    pub fn add(&mut self, other: Self) {
        self.vulnerabilities.extend(other.vulnerabilities);
        self.licenses.extend(other.licenses);
        self.secrets.extend(other.secrets);
    }

    /// Marks the vulnerabilities that are not among `before`. Versions and lines do not matter.
    pub fn compare(&mut self, before: &Self) {
        let key = |found: &Vulnerability| (found.id.clone(), found.package.clone(), found.source.clone());
        let before: BTreeSet<_> = before.vulnerabilities.iter().map(key).collect();
        for found in &mut self.vulnerabilities {
            found.new = Some(!before.contains(&key(found)));
        }
    }

    /// Marks what blocks, removes repetitions, and puts what matters most first.
    pub(super) fn arrange(&mut self, threshold: BlockingSeverity) {
        for found in &mut self.vulnerabilities {
            found.blocking = found.severity.blocks(threshold);
        }
        for found in &mut self.secrets {
            found.blocking = found.risk() == Risk::Critical && Severity::Critical.blocks(threshold);
        }
        // By what a finding is first, so that equal ones are neighbours.
        self.vulnerabilities.sort_unstable();
        self.vulnerabilities.dedup();
        self.vulnerabilities.sort_by(|a, b| {
            let key = |found: &Vulnerability| (Reverse(found.blocking), found.severity);
            key(a).cmp(&key(b)).then_with(|| (&a.package, &a.id).cmp(&(&b.package, &b.id)))
        });
        self.licenses.sort_by(|a, b| (a.severity, a).cmp(&(b.severity, b)));
        self.licenses.dedup();
        self.secrets.sort_unstable();
        self.secrets.dedup();
        self.secrets.sort_by(|a, b| {
            let key = |found: &LeakedSecret| (Reverse(found.blocking), found.risk());
            key(a).cmp(&key(b)).then_with(|| (&a.detector, &a.file).cmp(&(&b.detector, &b.file)))
        });
    }

    /// The greatest risk of these findings. Licences are no part of it.
    pub(super) fn risk(&self) -> Risk {
        let vulnerabilities = self.vulnerabilities.iter().map(|found| Risk::of(found.severity));
        vulnerabilities.chain(self.secrets.iter().map(LeakedSecret::risk)).min().unwrap_or(Risk::Ok)
    }
}
