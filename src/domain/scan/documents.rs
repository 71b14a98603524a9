//! The JSON files for dashboards. Their names and fields are those of coreeng/p2p.

use serde_json::{Value as Json, json};

use super::findings::{Ignored, LeakedSecret, ScanFindings, Vulnerability};
use super::outcome::{Scan, ScanGroup, ScanKind};

impl Scan {
    /// The findings: `source-security-findings.json` or `image-security-findings.json`.
    pub fn document(&self) -> Json {
        let mut document = self.rows(|group| &group.active);
        if self.kind == ScanKind::Source {
            let licenses = self.groups.iter().flat_map(|group| &group.active.licenses);
            document["licenses"] = json!(licenses.collect::<Vec<_>>());
        }
        if self.has_rules {
            document["ignored"] = self.rows(|group| &group.ignored);
        }
        document
    }

    fn rows(&self, findings: fn(&ScanGroup) -> &ScanFindings) -> Json {
        let (mut vulnerabilities, mut secrets) = (Vec::new(), Vec::new());
        for group in &self.groups {
            let found = findings(group);
            match self.kind {
                ScanKind::Source => {
                    vulnerabilities.extend(found.vulnerabilities.iter().map(|found| json!(found)));
                    secrets.extend(found.secrets.iter().map(|found| json!(found)));
                }
                ScanKind::Images => {
                    vulnerabilities.extend(vulnerability_rows(group, &found.vulnerabilities));
                    secrets.extend(found.secrets.iter().map(|found| secret_row(group, found)));
                }
            }
        }
        json!({"vulnerabilities": vulnerabilities, "secrets": secrets})
    }

    /// The `manifest.json` of image reports.
    pub fn manifest(&self) -> Json {
        let mut images: Vec<_> = self.images.iter().collect();
        images.sort();
        json!({"schemaVersion": 1, "stage": self.range, "reports": images})
    }
}

/// One row for all packages with the same vulnerability, version and fix; one row each, if they are ignored. The
/// highest severity comes first, then the first package.
fn vulnerability_rows(group: &ScanGroup, findings: &[Vulnerability]) -> Vec<Json> {
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by(|a, b| alike(a).cmp(&alike(b)));
    let row = |same: &[&Vulnerability]| {
        let found = same.first()?;
        let mut packages: Vec<_> = same.iter().map(|found| found.package.as_str()).collect();
        packages.dedup();
        let row = json!({
            "severity": found.severity,
            "installed": found.installed,
            "fixed": found.fixed,
            "cve": found.id,
            "cveUrl": found.url,
            "source": found.source,
            "isBlocking": found.blocking,
            "shortName": group.image,
            "package": packages.join(", "),
            "id": found.id,
            "image": group.image,
        });
        Some(with_reason(row, group, found.ignored.as_ref()))
    };
    let mut rows: Vec<_> = findings.chunk_by(|a, b| alike(a) == alike(b)).collect();
    rows.sort_by_key(|same| same.first().map(|found| (found.severity, &found.package, &found.id)));
    rows.into_iter().filter_map(row).collect()
}

/// What is the same in all findings of a row.
fn alike(found: &Vulnerability) -> impl Ord {
    let ignored = found.ignored.as_ref().map(|ignored| (&found.package, ignored));
    (found.severity, &found.id, &found.source, &found.installed, &found.fixed, ignored)
}

fn secret_row(group: &ScanGroup, found: &LeakedSecret) -> Json {
    let row = json!({
        "id": found.id,
        "detector": found.detector,
        "status": found.status,
        "layer": found.layer.as_deref().unwrap_or("-"),
        "path": found.file.as_deref().unwrap_or("-"),
        "isBlocking": found.blocking,
        "blocking": found.blocking,
        "shortName": group.image,
        "image": group.image,
    });
    with_reason(row, group, found.ignored.as_ref())
}

/// Ignored findings of images also name the whole reference.
fn with_reason(mut row: Json, group: &ScanGroup, ignored: Option<&Ignored>) -> Json {
    if let Some(ignored) = ignored {
        row["ignore"] = json!(ignored);
        row["fullRef"] = json!(group.reference);
    }
    row
}
