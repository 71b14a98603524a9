//! The JSON files for dashboards. Their names and fields are those of coreeng/p2p.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::findings::{LeakedSecret, Vulnerability};
use super::outcome::{Scan, ScanGroup, ScanKind, ScannedImage};
use super::split::Ignored;

impl Scan {
    /// The findings: `source-security-findings.json` or `image-security-findings.json`.
    pub fn document(&self) -> Json {
        let vulnerabilities = self.groups.iter().flat_map(|group| match self.kind {
            ScanKind::Source => {
                group.judged.active.vulnerabilities.iter().map(|found| json!(found)).collect()
            }
            ScanKind::Images => vulnerability_rows(group),
        });
        let secrets = self
            .groups
            .iter()
            .flat_map(|group| group.judged.active.secrets.iter().map(|found| self.secret(group, found)));
        let mut document = json!({"vulnerabilities": vulnerabilities.collect::<Vec<_>>(), "secrets": secrets.collect::<Vec<_>>()});
        if self.kind == ScanKind::Source {
            let licenses = self.groups.iter().flat_map(|group| &group.judged.active.licenses);
            document["licenses"] = json!(licenses.collect::<Vec<_>>());
        }
        if self.has_rules {
            document["ignored"] = self.ignored();
        }
        document
    }

    fn ignored(&self) -> Json {
        let vulnerabilities = self.groups.iter().flat_map(|group| {
            group.judged.vulnerabilities.iter().map(|ignored| {
                let found = &ignored.finding;
                let row = match self.kind {
                    ScanKind::Source => json!(found),
                    ScanKind::Images => vulnerability_row(group, found, &found.package),
                };
                with_reason(row, group, ignored)
            })
        });
        let secrets = self.groups.iter().flat_map(|group| {
            let rows = group.judged.secrets.iter();
            rows.map(|ignored| with_reason(self.secret(group, &ignored.finding), group, ignored))
        });
        json!({"vulnerabilities": vulnerabilities.collect::<Vec<_>>(), "secrets": secrets.collect::<Vec<_>>()})
    }

    fn secret(&self, group: &ScanGroup, found: &LeakedSecret) -> Json {
        match self.kind {
            ScanKind::Source => json!(found),
            ScanKind::Images => secret_row(group, found),
        }
    }
}

fn with_reason<T>(mut row: Json, group: &ScanGroup, ignored: &Ignored<T>) -> Json {
    row["ignore"] = json!({ "reason": ignored.reason });
    if let Some(day) = ignored.expires {
        row["ignore"]["expires"] = json!(day.to_string());
    }
    if !group.image.is_empty() {
        row["fullRef"] = json!(group.reference);
    }
    row
}

/// One row for all packages with the same vulnerability, version and fix.
fn vulnerability_rows(group: &ScanGroup) -> Vec<Json> {
    let mut rows: BTreeMap<_, (usize, &Vulnerability, Vec<&str>)> = BTreeMap::new();
    for (position, found) in group.judged.active.vulnerabilities.iter().enumerate() {
        let key = (found.severity, &found.installed, &found.fixed, &found.id, &found.source);
        let (_, _, packages) = rows.entry(key).or_insert((position, found, Vec::new()));
        if !packages.contains(&found.package.as_str()) {
            packages.push(&found.package);
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|(position, ..)| *position);
    rows.into_iter()
        .map(|(_, found, packages)| vulnerability_row(group, found, &packages.join(", ")))
        .collect()
}

fn vulnerability_row(group: &ScanGroup, found: &Vulnerability, package: &str) -> Json {
    json!({
        "severity": found.severity,
        "installed": found.installed,
        "fixed": found.fixed,
        "cve": found.id,
        "cveUrl": found.url,
        "source": found.source,
        "isBlocking": found.blocking,
        "shortName": group.image,
        "package": package,
        "id": found.id,
        "image": group.image,
    })
}

fn secret_row(group: &ScanGroup, found: &LeakedSecret) -> Json {
    json!({
        "id": found.id,
        "detector": found.detector,
        "status": found.status,
        "layer": found.layer.as_deref().unwrap_or("-"),
        "path": found.file.as_deref().unwrap_or("-"),
        "isBlocking": found.blocking,
        "blocking": found.blocking,
        "shortName": group.image,
        "image": group.image,
    })
}

/// The `manifest.json` of image reports.
pub fn manifest(stage: &str, images: &[ScannedImage]) -> Json {
    let mut images: Vec<_> = images.iter().collect();
    images.sort_by_key(|image| (&image.reference, &image.platform, &image.digest));
    let reports: Vec<_> = images
        .into_iter()
        .map(|image| {
            json!({
                "imageRef": image.reference,
                "platform": image.platform,
                "digest": image.digest,
                "vulnerabilityReport": image.files[0],
                "secretReport": image.files[1],
            })
        })
        .collect();
    json!({"schemaVersion": 1, "stage": stage, "reports": reports})
}
