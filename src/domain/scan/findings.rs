//! The findings of scanners in a common form.

use std::collections::BTreeSet;

use oci::Digest;
use serde::{Deserialize, Serialize};

use super::severity::Severity;
use workflow_commands::percent;

/// The length of a secret's id, in hexadecimal digits of its hash.
const ID: usize = 16;

/// Why the team ignores a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ignored {
    pub reason: String,
    /// The last day on which it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A known vulnerability of a package, or a finding of a team's own scanner.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Vulnerability {
    /// Its id: `CVE-2024-12345`, or the rule of a team's own scanner.
    pub id: String,
    /// The package, or the scanner.
    pub package: String,
    /// The installed version, or `-`.
    pub installed: String,
    /// The version with the fix, or `-`.
    pub fixed: String,
    pub severity: Severity,
    /// The page about it. May be empty.
    pub url: String,
    /// The file, or the part of an image.
    pub source: String,
    /// The line in the file, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whether it blocks.
    pub blocking: bool,
    /// Whether it is new in the pull request. `None` if nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<bool>,
    #[serde(rename = "ignore", skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
}

/// A restricted or forbidden licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct License {
    /// The package.
    pub package: String,
    /// The licence.
    pub license: String,
    /// The class of the licence.
    pub classification: String,
    pub severity: Severity,
    /// The file that names it.
    pub source: String,
    /// Licences never block.
    pub blocking: bool,
}

/// A secret in a commit or an image, without the secret itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeakedSecret {
    /// The hash of the secret: [`LeakedSecret::id_of`].
    pub id: String,
    /// The kind of secret: `AWS`.
    pub detector: String,
    /// `verified` if it works, `unverified`, or `unknown` if that could not be checked.
    pub status: String,
    /// The file, in the repository or in the image.
    pub file: Option<String>,
    /// The line of that file.
    pub line: Option<u64>,
    /// The commit that added it.
    pub commit: Option<String>,
    /// The layer of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The URL of the place.
    pub url: Option<String>,
    #[serde(skip_deserializing)]
    pub blocking: bool,
    #[serde(rename = "ignore", skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
}

impl LeakedSecret {
    /// The id of a secret. It derives from the secret, so that an ignore file can name it, but does not reveal it.
    pub fn id_of(secret: &str) -> String {
        let hash = Digest::of(secret);
        format!("p2psec_{}", hash.hex().get(..ID).unwrap_or_default())
    }

    /// Names the page of its place. `page` is the URL for files of the repository: `https://github.com/acme/shop/blob`.
    pub fn link(&mut self, page: Option<&str>) {
        let line = self.line.map_or_else(String::new, |line| format!("#L{line}"));
        let place = page.zip(self.commit.as_ref()).zip(self.file.as_ref());
        let url = |file: &String| percent(file, b"/-_.~");
        self.url = place.map(|((page, commit), file)| format!("{page}/{commit}/{}{line}", url(file)));
    }

    /// A verified secret is critical. Others may not be secrets at all.
    pub fn severity(&self) -> Severity {
        if self.status == "verified" { Severity::Critical } else { Severity::Unknown }
    }
}

/// All findings in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanFindings {
    pub vulnerabilities: Vec<Vulnerability>,
    /// Restricted and forbidden licences.
    pub licenses: Vec<License>,
    pub secrets: Vec<LeakedSecret>,
}

impl ScanFindings {
    /// Marks the vulnerabilities that are not in `before`. Versions and lines do not matter.
    pub fn compare(&mut self, before: &Self) {
        let key = |found: &Vulnerability| (found.id.clone(), found.package.clone(), found.source.clone());
        let before: BTreeSet<_> = before.vulnerabilities.iter().map(key).collect();
        for found in &mut self.vulnerabilities {
            found.new = Some(!before.contains(&key(found)));
        }
    }

    /// Removes duplicates, and sorts by importance.
    pub(super) fn arrange(&mut self) {
        // Sorted by content first, so that duplicates are adjacent.
        self.vulnerabilities.sort_unstable();
        self.vulnerabilities.dedup();
        self.vulnerabilities
            .sort_by(|a, b| (a.severity, &a.package, &a.id).cmp(&(b.severity, &b.package, &b.id)));
        self.licenses.sort_by(|a, b| (a.severity, a).cmp(&(b.severity, b)));
        self.licenses.dedup();
        self.secrets.sort_unstable();
        self.secrets.dedup();
        self.secrets
            .sort_by(|a, b| (a.severity(), &a.detector, &a.file).cmp(&(b.severity(), &b.detector, &b.file)));
    }
}
