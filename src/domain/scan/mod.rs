//! Findings of scanners, the entries that ignore them, and the policy. docs/design/scans.md explains the parts.
//! Pure: no files, no programs, no clock.

mod documents;
mod findings;
mod ignore;
mod options;
mod outcome;
mod sarif;
mod severity;
mod split;

pub use findings::{Ignored, LeakedSecret, License, ScanFindings, Vulnerability};
pub use ignore::{FILE_NAME, IgnoreFile};
pub use options::ScanOptions;
pub use outcome::{Database, FINDINGS, REPORT, Scan, ScanGroup, ScanKind, ScannedImage, Totals};
pub use severity::Severity;
pub use split::IgnoreRules;
