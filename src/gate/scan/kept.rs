//! The results that a scan keeps beside an image, so that no later scan repeats it: a referrer of each platform with
//! its findings and its SBOM. Anyone who can push can write such a referrer, so only referrers in a record that
//! itself counts are used.

use bytes::Bytes;
use oci::{Content, Digest, EMPTY, Manifest, Repository, TagOrDigest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sys::error::Failure;

use super::Scanned;
use crate::domain::image::Tested;
use crate::domain::scan::LeakedSecret;
use crate::gate::record::{Kept, Rule};

/// The artifact type of the referrer.
pub(super) const RESULTS: &str = "application/vnd.coreeng.p2p.scan+json";
/// The largest results, in bytes.
const LARGEST: u64 = 256 << 20;

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

impl Scanned {
    /// The digests of the results in records of an image that count.
    pub(super) async fn trusted(&self, image: &Tested, at: &Repository) -> Vec<String> {
        if !self.run.job.attach {
            return Vec::new();
        }
        // Without records, the image is scanned.
        let kept = self.run.ledger.read(at, &image.digest).await.unwrap_or_default();
        let rule = Rule { image: Some(image.name.clone()), ..self.run.rule.clone() };
        let records = Kept::records(&kept);
        rule.scans(&records).flat_map(|scan| scan.results.clone()).collect()
    }

    /// The results of an earlier scan of a platform by the same scanners, with the digest of the referrer. If only
    /// the database is newer, p2p looks up the packages of the SBOM in it, and there is no digest yet. Secrets are
    /// reused only if no provider was asked about them, or none knew them.
    pub(super) async fn before(
        &self,
        at: &Repository,
        platform: &Digest,
        trusted: &[String],
    ) -> Option<(Results, Option<String>)> {
        let mut known = Vec::new();
        for digest in trusted {
            known.extend(self.results(at, platform, digest).await.map(|results| (digest.clone(), results)));
        }
        if known.is_empty() {
            return None;
        }
        self.run.scanners.ready(self.run.now).await.ok()?;
        let (by, database) = self.by().await;
        known.retain(|(_, results)| results.by == by);
        let same = known.iter().position(|(_, results)| results.database == database);
        let (digest, mut results) = known.into_iter().nth(same.unwrap_or_default())?;
        if same.is_some() {
            return Some((results, Some(digest)));
        }
        if results.sbom.is_null() || results.secrets.iter().any(|secret| secret.status != "unverified") {
            return None;
        }
        let packages = results.sbom.to_string().into_bytes();
        let report = self.run.scanners.packages(&packages, self.run.now).await.ok()?;
        results.report = serde_json::from_slice(&report).ok()?;
        Some((results, None))
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
        let by = json!({"scanners": scanners, "ignoreUnfixed": options.ignore_unfixed, "verifySecrets": options.verify_secrets});
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
        let report: Value = serde_json::from_slice(report).unwrap_or_default();
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
