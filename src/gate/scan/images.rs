//! Scans images, each platform by its digest.

use serde_json::Value;

use super::platforms::ImagePlatform;
use super::{ScanRun, Scanned, archive, files, or_notice};
use crate::domain::image::Tested;
use crate::domain::scan::{LeakedSecret, ScanGroup, ScannedImage};
use crate::edges::scanners::TrivyReport;
use oci::Reference;
use sys::error::{Exit, Failure};

/// The media type of an SBOM.
const CYCLONE_DX: &str = "application/vnd.cyclonedx+json";

/// What is known about a platform.
pub(super) struct Look {
    pub(super) reported: Result<TrivyReport, Failure>,
    pub(super) searched: Result<Vec<LeakedSecret>, Failure>,
    /// The SBOM, if an earlier scan made one.
    pub(super) sbom: Option<Value>,
    /// The digest of the referrer, if the findings are those of an earlier scan.
    pub(super) kept: Option<String>,
}

impl Scanned {
    /// Scans an image that the user names. For a tag, the digest that it names now.
    pub(super) async fn reference(&mut self, reference: &Reference) {
        let found = self.run.client.resolve(&reference.repository, &reference.which()).await;
        let found = found.map_err(Failure::from).and_then(|found| {
            let help = "correct its name, or log in to the registry";
            let what = || format!("{reference} is not in the registry");
            found.ok_or_else(|| Failure::new(Exit::Failed, what(), help))
        });
        if let Some(found) = self.keep(found, "an image was not scanned") {
            let name = reference.repository.name().rsplit('/').next().unwrap_or_default().to_owned();
            self.image(&Tested { name, reference: Some(reference.clone()), digest: found.digest }).await;
        }
    }

    /// Scans all platforms of an image.
    pub(super) async fn image(&mut self, image: &Tested) {
        let what = format!("the image {} was not scanned", image.name);
        let reference = image.reference.as_ref().ok_or_else(|| {
            Failure::usage("nothing says where it is", "give the output `images` of the job that built it")
        });
        let Some(reference) = self.keep(reference, &what) else { return };
        let at = &reference.repository;
        let platforms = self.run.platforms(image, at).await;
        let Some(platforms) = self.keep(platforms, &what) else { return };
        let known = self.run.known(image, at).await;
        let mut group =
            ScanGroup { image: image.name.clone(), reference: reference.to_string(), ..ScanGroup::default() };
        for platform in platforms {
            self.platform(&mut group, &platform, &known).await;
            group.platforms.push(platform.name);
        }
        self.scan.groups.push(group);
    }

    /// Adds the findings in a platform to those of its image, and keeps them for later scans. `known` are the results
    /// of earlier scans.
    async fn platform(&mut self, group: &mut ScanGroup, platform: &ImagePlatform, known: &[String]) {
        let run = &self.run;
        let look = match run.before(platform, known).await {
            Some(before) => {
                let why = match before.kept {
                    Some(_) => "not scanned again, because the same scanners scanned it with this database",
                    None => "not pulled again, because its packages and secrets are known",
                };
                group.notices.push(format!("{platform}: {why}"));
                before
            }
            None => run.pull_and_scan(platform).await,
        };
        let Look { reported, searched, sbom, mut kept } = look;
        let file = platform.file();
        let (trivy, trufflehog) = (format!("trivy/{file}.json"), format!("trufflehog-image/{file}.jsonl"));
        if let Ok(report) = &reported {
            let lost = format!("the SBOM of {platform} is not in the reports or not attached");
            let sbom = match sbom {
                Some(known) => Some(known),
                None => or_notice(run.scanners.sbom(report).await, group, &lost),
            };
            if let Some(sbom) = &sbom {
                or_notice(run.store_sbom(platform, sbom).await, group, &lost);
            }
            if let Ok(secrets) = &searched {
                if kept.is_none() && run.job.attach {
                    let lost = format!("the findings in {platform} were not kept");
                    kept = or_notice(run.keep_results(platform, report, secrets, sbom).await, group, &lost);
                }
                self.scan.images.push(ScannedImage {
                    name: group.image.clone(),
                    reference: group.reference.clone(),
                    platform: platform.name.clone(),
                    digest: platform.manifest.digest.to_string(),
                    vulnerability_report: trivy.clone(),
                    secret_report: trufflehog.clone(),
                    kept,
                });
            }
        }
        let what = platform.to_string();
        self.add(group, &what, (Some(reported), Some(searched)), [&trivy, &trufflehog]);
    }
}

impl ScanRun {
    /// Pulls a platform once, and runs both scanners on it at the same time.
    async fn pull_and_scan(&self, platform: &ImagePlatform) -> Look {
        let ImagePlatform { repository, manifest, contents, .. } = platform;
        let limit = self.job.options.time_limit;
        // The scanners show this name.
        let archive = self.scratch.path().join("images").join(format!("{repository}@{}", manifest.digest));
        let pull = archive::pull(&self.client, repository, contents, &archive);
        let pulled = tokio::time::timeout(limit, pull).await.unwrap_or_else(|_| {
            let what = format!("the pull of the image took longer than {} s", limit.as_secs());
            Err(Failure::new(Exit::TimedOut, what, "give it more time by the input `timeout`"))
        });
        let (reported, searched) = match pulled {
            Ok(()) => tokio::join!(self.scanners.image(&archive), self.scanners.image_secrets(&archive)),
            Err(failure) => (Err(failure.clone()), Err(failure)),
        };
        let _gone = std::fs::remove_file(&archive);
        Look { reported, searched, sbom: None, kept: None }
    }

    /// Writes the SBOM of a platform, and attaches it to the platform's manifest unless it has one.
    async fn store_sbom(&self, platform: &ImagePlatform, sbom: &Value) -> Result<(), Failure> {
        files::write(&self.reports, &format!("sbom/{}.cdx.json", platform.file()), sbom)?;
        if self.job.attach {
            let there = self.client.referrers(&platform.repository, &platform.manifest.digest).await?;
            if !there.iter().any(|listed| listed.artifact_type.as_deref() == Some(CYCLONE_DX)) {
                self.attach(platform, CYCLONE_DX, sbom.to_string()).await?;
            }
        }
        Ok(())
    }
}
