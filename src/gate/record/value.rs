//! Pure: what a record says.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::scan::{Scan, ScanKind, Severity};
use attestation::Workload;
use oci::Reference;
use serde::{Deserialize, Serialize};

/// What every record says about itself, and what everything that shows one should say too.
pub const UNSIGNED: &str = "not signed: whoever may push to the registry may write one";

/// What a signed record says instead.
pub(super) const SIGNED: &str = "signed: the certificate of the bundle says by whom";

/// What a record says that could not be signed.
const PENDING: &str = "not signed, because it could not be signed when the gate ran";

/// What one gate found out about one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`UNSIGNED`], or whether it is signed.
    pub trust: String,
    /// The run that signed it, by the certificate; none where it is not signed.
    #[serde(skip)]
    pub signer: Option<Workload>,
    /// The name of the gate; none if somebody withdrew the image by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What the gate found.
    pub result: Judgement,
    /// Why, where the image did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, RFC 3339.
    pub judged: String,
    /// The version, which is the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the image was judged: `<registry>/<path>/<name>:<version>`.
    pub image: Reference,
    /// Who judged.
    #[serde(flatten)]
    pub by: By,
    /// The make targets of the gate, in order. Empty where other jobs ran them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Ran>,
    /// The scans that the gate waited for and that let the image pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<RecordedScan>,
    /// What decided.
    #[serde(flatten)]
    pub basis: Basis,
    /// Whether other jobs ran the gate and handed the digests over to the run that promoted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
}

/// What a gate decided by, as SHA-256 digests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Basis {
    /// The plan, as the run carried it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The Makefile, before any target ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub makefile: Option<String>,
}

/// Who judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct By {
    /// The repository on GitHub, `owner/name`. None on a laptop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The number that GitHub gave the repository: a name can be given to another repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<String>,
    /// The commit, in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// `GITHUB_REF`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The event that started the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The workflow's file and ref.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The address of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The attempt of the run, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The person who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The environment that the gate ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// The result of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Judgement {
    /// The gate passed.
    Passed,
    /// The gate failed.
    Failed,
    /// Somebody withdrew the image.
    Yanked,
}

/// A make target that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// `passed`, `failed`, `skipped`, `nothing`, `timed-out`.
    pub result: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// A scan that let the image pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedScan {
    /// `source` or `images`.
    pub kind: String,
    /// Each scanner with its version.
    pub scanners: Vec<String>,
    /// When the database of vulnerabilities was made, RFC 3339.
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
}

impl RecordedScan {
    /// The scans of a run, as far as they are about the source or the image `name`.
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
            }
        });
        scans.collect()
    }
}

impl RecordedScan {
    /// Whether it is about the image itself, and not about the source.
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
    /// When the gate judged; none where the record's text is no time.
    pub fn time(&self) -> Option<jiff::Timestamp> {
        self.judged.parse().ok()
    }

    /// The record as it is stored if it cannot be signed.
    #[must_use]
    pub fn pending(self) -> Self {
        Self { trust: PENDING.to_owned(), signer: None, ..self }
    }

    /// Whether it waits for a signature, as it says itself.
    pub fn is_pending(&self) -> bool {
        self.signer.is_none() && self.trust == PENDING
    }

    /// What is wrong with it where it must be signed and is not.
    pub(super) fn unsigned(&self) -> &'static str {
        if self.is_pending() { "waits for a signature, which `p2p sign` adds" } else { "is not signed" }
    }

    /// Whether this record says nothing that `other` has not said: another run of the same gate with
    /// the same result.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let same = |one: &Self| {
            let by = By { run: None, attempt: None, actor: None, workflow: None, ..one.by.clone() };
            let how = (one.handed_over, one.scans.is_empty());
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
