//! The content of a record. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::scan::{Scan, ScanKind, Severity};
use attestation::Workload;
use oci::Reference;
use serde::{Deserialize, Serialize};

/// What an unsigned record says about itself. Everything that shows such a record should say so too.
pub const UNSIGNED: &str = "not signed: whoever may push to the registry may write one";

/// What a signed record says instead.
pub(super) const SIGNED: &str = "signed: the bundle says by whom";

/// What a record says if it should have been signed.
const PENDING: &str = "not signed, because it could not be signed when the gate ran";

/// What one gate found out about one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`UNSIGNED`], or that it is signed.
    pub trust: String,
    /// The run that signed it, from the certificate, or for which the owner of a key vouches. `None` without a
    /// signature.
    #[serde(skip)]
    pub signer: Option<Workload>,
    /// The name of the gate. `None` if somebody withdrew the image by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    pub result: Judgement,
    /// Why the image did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the gate judged (RFC 3339).
    pub judged: String,
    /// The version. It is also the image's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the image was judged: `<registry>/<path>/<name>:<version>`.
    pub image: Reference,
    #[serde(flatten)]
    pub by: By,
    /// The make targets of the gate, in order. Empty if other jobs ran them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Ran>,
    /// The scans that the gate waited for and that accepted the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<RecordedScan>,
    /// What the decision was based on.
    #[serde(flatten)]
    pub basis: Basis,
    /// Whether other jobs ran the gate and passed on the digests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
}

/// What a gate's decision was based on, as SHA-256 digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Basis {
    /// The plan that the run executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The Makefile before any target ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub makefile: Option<String>,
}

/// Who judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct By {
    /// The repository on GitHub, `owner/name`. `None` on a laptop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The id of the repository on GitHub. The name may later belong to another repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<String>,
    /// The full id of the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// `GITHUB_REF`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The event that started the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The file and the ref of the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The URL of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The attempt of the run, starting at 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The person who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The environment that the gate ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Judgement {
    Passed,
    Failed,
    Yanked,
}

/// A make target that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    pub name: String,
    /// `passed`, `failed`, `skipped`, `nothing`, `timed-out`.
    pub result: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// A scan that accepted the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedScan {
    /// `source` or `images`.
    pub kind: String,
    /// The scanners with their versions.
    pub scanners: Vec<String>,
    /// When the vulnerability database was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The lowest severity that would have stopped the image.
    pub blocking_severity: String,
    /// The number of vulnerabilities of each severity.
    pub vulnerabilities: BTreeMap<String, usize>,
    /// The number of secrets.
    pub secrets: usize,
    /// The number of findings that ignore files cover.
    pub ignored: usize,
    /// The digests of the referrers that keep what was found in each platform, for later scans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<String>,
}

impl RecordedScan {
    /// The scans of a run that concern the source or the image `name`.
    pub fn of(scans: &[Scan], name: &str) -> Vec<Self> {
        let about = |scan: &&Scan| scan.failures.is_empty() && scan.is_about(name);
        let scans = scans.iter().filter(about).map(|scan| {
            let scan = scan.only(name);
            let totals = scan.totals();
            let counts = Severity::ALL.iter().zip(scan.by_severity()).filter(|(_, count)| *count > 0);
            Self {
                kind: scan.kind.word().to_owned(),
                scanners: scan.scanners.clone(),
                database: scan.database.as_ref().map(|database| database.updated.clone()),
                blocking_severity: scan.threshold.word().to_owned(),
                vulnerabilities: counts.map(|(of, count)| (of.word().to_owned(), count)).collect(),
                secrets: totals.secret_total,
                ignored: totals.ignored,
                results: scan
                    .images
                    .iter()
                    .filter(|of| of.name == name)
                    .filter_map(|of| of.kept.clone())
                    .collect(),
            }
        });
        scans.collect()
    }
}

impl RecordedScan {
    /// Whether it is a scan of the image, not of the source.
    pub fn is_of_image(&self) -> bool {
        self.kind == ScanKind::Images.word()
    }
}

impl fmt::Display for RecordedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found: Vec<_> =
            self.vulnerabilities.iter().map(|(of, count)| format!("{count} {of}, ")).collect();
        write!(f, "{} by {}: ", self.kind, self.scanners.join(" and "))?;
        write!(f, "{}{} secrets, {} ignored", found.concat(), self.secrets, self.ignored)
    }
}

impl Record {
    /// When the gate judged. `None` if the text is not a valid time.
    pub fn time(&self) -> Option<jiff::Timestamp> {
        self.judged.parse().ok()
    }

    /// The record in the form for a record that cannot be signed.
    #[must_use]
    pub fn pending(self) -> Self {
        Self { trust: PENDING.to_owned(), signer: None, ..self }
    }

    /// Whether the record says that it waits for a signature.
    pub fn is_pending(&self) -> bool {
        self.signer.is_none() && self.trust == PENDING
    }

    /// Why the record does not count if it must be signed.
    pub(super) fn unsigned(&self) -> &'static str {
        if self.is_pending() { "waits for a signature, which `p2p sign` adds" } else { "is not signed" }
    }

    /// Whether `other` has the same content, from another run of the same gate with the same result.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let same = |one: &Self| {
            let by = By { run: None, attempt: None, actor: None, workflow: None, ..one.by.clone() };
            let results: Vec<_> = one.scans.iter().map(|scan| scan.results.clone()).collect();
            let how = (one.handed_over, results);
            (one.stage.clone(), one.result, one.reason.clone(), one.version.clone(), how, by)
        };
        same(self) == same(other)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Yanked => "YANKED",
        })
    }
}
