//! The results that a scan keeps beside an image, so that no later scan repeats it: a referrer of each platform with
//! its findings and its SBOM. Anyone who can push can write such a referrer, and even the build could, so only
//! referrers in a signed record that counts are used.

use std::collections::HashSet;

use bytes::Bytes;
use oci::{Content, EMPTY, Manifest, Repository, TagOrDigest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sys::error::Failure;

use super::ScanRun;
use super::images::Look;
use super::platforms::ImagePlatform;
use crate::domain::image::Tested;
use crate::domain::scan::LeakedSecret;
use crate::edges::scanners::TrivyReport;
use crate::gate::record::{Kept, Record, Rule};

/// The artifact type of the referrer.
const RESULTS: &str = "application/vnd.coreeng.p2p.scan+json";
/// The largest results, in bytes.
const LARGEST: u64 = 256 << 20;
/// The most results of earlier scans that p2p looks at for an image.
const MOST: usize = 50;
/// The format of the results. A change of it, or of what p2p makes of the scanners' output, takes the next number.
const FORMAT: u32 = 1;

/// The findings in one platform of an image.
#[derive(Serialize, Deserialize)]
struct Results {
    /// The scanners with their versions, and the relevant options.
    by: Value,
    /// When the database was made.
    database: String,
    /// Trivy's report, without the configuration of the image.
    report: Value,
    secrets: Vec<LeakedSecret>,
    /// The SBOM, if Trivy wrote one.
    sbom: Option<Value>,
}

impl ScanRun {
    /// The digests of the results that signed records that count name, the newest first.
    pub(super) async fn known(&self, image: &Tested, at: &Repository) -> Vec<String> {
        if !self.job.attach || self.rule.signed.is_none() {
            return Vec::new();
        }
        // Without records, the image is scanned.
        let kept = self.ledger.read(at, &image.digest).await.unwrap_or_default();
        let rule = Rule { image: Some(image.name.clone()), ..self.rule.clone() };
        let mut records = Kept::records(&kept);
        records.sort_by_key(|record| record.as_ref().ok().and_then(Record::time));
        let mut digests: Vec<_> = rule.scans(&records).flat_map(|scan| &scan.results).cloned().collect();
        digests.reverse();
        let mut seen = HashSet::new();
        digests.retain(|digest| seen.insert(digest.clone()));
        digests.truncate(MOST);
        digests
    }

    /// The findings of an earlier scan of a platform by the same scanners. With a newer database, p2p looks up the
    /// packages of the SBOM. If a provider may answer differently about a secret, the platform is scanned again.
    pub(super) async fn before(&self, platform: &ImagePlatform, known: &[String]) -> Option<Look> {
        if known.is_empty() {
            return None;
        }
        self.scanners.ready().await.ok()?;
        let (by, database) = self.by().await;
        let mut older = None;
        for digest in known {
            let Some(results) = self.results(platform, digest).await else { continue };
            if results.by != by {
                continue;
            }
            if results.secrets.iter().any(|secret| secret.status != "unverified") {
                return None;
            }
            if results.database == database {
                let reported = Ok(TrivyReport::new(results.report, true).ok()?);
                let kept = Some(digest.clone());
                return Some(Look { reported, searched: Ok(results.secrets), sbom: results.sbom, kept });
            }
            older = older.or(Some(results).filter(|results| results.sbom.is_some()));
        }
        let Results { secrets, sbom, .. } = older?;
        let reported = Ok(self.scanners.packages(sbom.as_ref()?).await.ok()?);
        Some(Look { reported, searched: Ok(secrets), sbom, kept: None })
    }

    /// The results with this digest, if they are about this platform.
    async fn results(&self, platform: &ImagePlatform, digest: &str) -> Option<Results> {
        let at = &platform.repository;
        let manifest = self.client.manifest(at, &TagOrDigest::Digest(digest.parse().ok()?)).await.ok()?;
        let contents = manifest.contents().ok()?;
        if contents.subject?.digest != platform.manifest.digest {
            return None;
        }
        let bytes = self.client.blob_bytes(at, contents.blobs.get(1)?, LARGEST).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The scanners with the relevant options, and the time of the database.
    async fn by(&self) -> (Value, String) {
        let (scanners, database) = self.scanners.ran().await;
        let options = &self.job.options;
        let by = json!({
            "format": FORMAT,
            "scanners": scanners,
            "ignoreUnfixed": options.ignore_unfixed,
            "verifySecrets": options.verify_secrets,
        });
        (by, database.map(|database| database.updated).unwrap_or_default())
    }

    /// Stores the results of a platform. Returns the digest of the referrer.
    pub(super) async fn keep_results(
        &self,
        platform: &ImagePlatform,
        report: &TrivyReport,
        secrets: &[LeakedSecret],
        sbom: Option<Value>,
    ) -> Result<String, Failure> {
        let (by, database) = self.by().await;
        let (report, secrets) = (report.document.clone(), secrets.to_vec());
        let results = json!(Results { by, database, report, secrets, sbom });
        self.attach(platform, RESULTS, results.to_string()).await
    }

    /// Attaches a file to a platform of an image. Returns the digest of the referrer.
    pub(super) async fn attach(
        &self,
        platform: &ImagePlatform,
        kind: &str,
        file: String,
    ) -> Result<String, Failure> {
        let (client, at, subject) = (&self.client, &platform.repository, platform.manifest.descriptor());
        let annotations = json!({"org.opencontainers.image.created": self.now.to_string()});
        let manifest = Manifest::referrer(kind, (kind, file.as_bytes()), &subject, &annotations);
        client.push_blob(at, &Content::Bytes(Bytes::from_static(EMPTY))).await?;
        client.push_blob(at, &Content::Bytes(file.into())).await?;
        client.push_manifest(at, &manifest, &TagOrDigest::Digest(manifest.digest.clone())).await?;
        Ok(manifest.digest.to_string())
    }
}
