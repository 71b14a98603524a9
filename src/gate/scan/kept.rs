//! The results that a scan keeps beside an image, so that no later scan repeats it: a referrer of each platform with
//! its findings and its SBOM. Anyone who can push can write such a referrer, and even the build could, so only
//! referrers in a signed record that counts are used.

use std::collections::HashSet;

use bytes::Bytes;
use oci::{Content, Digest, EMPTY, Manifest, OciError, Repository, TagOrDigest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sys::error::Failure;

use super::Scanned;
use crate::domain::image::Tested;
use crate::domain::scan::{LeakedSecret, ScanFindings};
use crate::edges::scanners::read_trivy;
use crate::gate::record::{Kept, Record, Rule};

/// The artifact type of the referrer.
pub(super) const RESULTS: &str = "application/vnd.coreeng.p2p.scan+json";
/// The largest results, in bytes.
const LARGEST: u64 = 256 << 20;
/// The most results of earlier scans that p2p looks at for an image.
const MOST: usize = 50;
/// The format of the results. A change of it, or of what p2p makes of the scanners' output, takes the next number.
const FORMAT: u32 = 1;

/// The findings in one platform of an image.
#[derive(Serialize, Deserialize)]
pub(super) struct Results {
    /// The scanners with their versions, and the relevant options.
    by: Value,
    /// When the database was made.
    database: String,
    /// Trivy's report, without the configuration of the image.
    pub(super) report: Value,
    pub(super) secrets: Vec<LeakedSecret>,
    /// The SBOM. Null if Trivy wrote none.
    pub(super) sbom: Value,
}

/// What is known before a scan of an image.
pub(super) struct Known {
    /// The digests of the results in records that count.
    digests: Vec<String>,
    by: Value,
    database: String,
}

/// Findings that need no scan.
pub(super) struct Before {
    pub(super) results: Results,
    pub(super) findings: ScanFindings,
    /// The digest of the referrer, if the findings are those of the earlier scan.
    pub(super) kept: Option<String>,
}

impl Scanned {
    /// What signed records that count say about earlier scans of an image.
    pub(super) async fn known(&self, image: &Tested, at: &Repository) -> Option<Known> {
        if !self.run.job.attach || self.run.rule.signed.is_none() {
            return None;
        }
        // Without records, the image is scanned.
        let kept = self.run.ledger.read(at, &image.digest).await.unwrap_or_default();
        let rule = Rule { image: Some(image.name.clone()), ..self.run.rule.clone() };
        let mut records = Kept::records(&kept);
        records.sort_by_key(|record| record.as_ref().ok().and_then(Record::time));
        let mut digests: Vec<_> = rule.scans(&records).flat_map(|scan| &scan.results).cloned().collect();
        digests.reverse();
        let mut seen = HashSet::new();
        digests.retain(|digest| seen.insert(digest.clone()));
        digests.truncate(MOST);
        if digests.is_empty() {
            return None;
        }
        self.run.scanners.ready(self.run.now).await.ok()?;
        let (by, database) = self.by().await;
        Some(Known { digests, by, database })
    }

    /// The findings of an earlier scan of a platform by the same scanners. With a newer database, p2p looks up the
    /// packages of the SBOM. If a provider may answer differently about a secret, the platform is scanned again.
    pub(super) async fn before(&self, at: &Repository, platform: &Digest, known: &Known) -> Option<Before> {
        let mut older = None;
        for digest in &known.digests {
            let Some(results) = self.results(at, platform, digest).await else { continue };
            if results.by != known.by {
                continue;
            }
            if results.secrets.iter().any(|secret| secret.status != "unverified") {
                return None;
            }
            if results.database == known.database {
                let findings = read_trivy(results.report.to_string().as_bytes(), true).ok()?;
                return Some(Before { results, findings, kept: Some(digest.clone()) });
            }
            older = older.or(Some(results).filter(|results| !results.sbom.is_null()));
        }
        let mut results = older?;
        let packages = results.sbom.to_string().into_bytes();
        let report = self.run.scanners.packages(&packages, self.run.now).await.ok()?;
        let findings = read_trivy(&report, true).ok()?;
        results.report = serde_json::from_slice(&report).ok()?;
        Some(Before { results, findings, kept: None })
    }

    /// The results with this digest, if they are about this platform.
    async fn results(&self, at: &Repository, platform: &Digest, digest: &str) -> Option<Results> {
        let client = &self.run.client;
        let manifest = client.manifest(at, &TagOrDigest::Digest(digest.parse().ok()?)).await.ok()?;
        let contents = manifest.contents().ok()?;
        if contents.subject?.digest != *platform {
            return None;
        }
        let bytes = client.blob_bytes(at, contents.blobs.get(1)?, LARGEST).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The scanners with the relevant options, and the time of the database.
    async fn by(&self) -> (Value, String) {
        let (scanners, database) = self.run.scanners.ran().await;
        let options = &self.run.job.options;
        let by = json!({"format": FORMAT, "scanners": scanners, "ignoreUnfixed": options.ignore_unfixed, "verifySecrets": options.verify_secrets});
        (by, database.map(|database| database.updated).unwrap_or_default())
    }

    /// Stores the results of a platform. Returns the digest of the referrer.
    pub(super) async fn keep_results(
        &self,
        at: (&Repository, &Digest),
        report: &[u8],
        secrets: &[LeakedSecret],
        sbom: Value,
    ) -> Result<String, Failure> {
        let (by, database) = self.by().await;
        let report: Value =
            serde_json::from_slice(report).map_err(|error| OciError::Setup(error.to_string()))?;
        let results = json!(Results { by, database, report, secrets: secrets.to_vec(), sbom });
        Ok(self.attach(at, RESULTS, results.to_string()).await?.to_string())
    }

    /// Attaches a file to a platform of an image.
    pub(super) async fn attach(
        &self,
        (at, platform): (&Repository, &Digest),
        kind: &str,
        file: String,
    ) -> Result<Digest, Failure> {
        let client = &self.run.client;
        let subject = client.manifest(at, &TagOrDigest::Digest(platform.clone())).await?.descriptor();
        let annotations = json!({"org.opencontainers.image.created": self.run.now.to_string()});
        let manifest = Manifest::referrer(kind, (kind, file.as_bytes()), &subject, &annotations);
        client.push_blob(at, &Content::Bytes(Bytes::from_static(EMPTY))).await?;
        client.push_blob(at, &Content::Bytes(file.into())).await?;
        client.push_manifest(at, &manifest, &TagOrDigest::Digest(manifest.digest.clone())).await?;
        Ok(manifest.digest)
    }
}
