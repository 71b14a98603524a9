//! Scans images, each platform by its digest.

use serde_json::Value;

use super::platforms::{ImagePlatform, no_image, platforms};
use super::{ScanRun, Scanned, archive, files};
use crate::domain::image::Tested;
use crate::domain::scan::{LeakedSecret, ScanGroup, ScannedImage};
use crate::edges::scanners::TrivyReport;
use oci::{Digest, Reference, Repository, TagOrDigest};
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
        let platforms = platforms(&self.run.client, at, &image.digest).await;
        let Some(platforms) = self.keep(platforms, &what) else { return };
        let known = self.run.known(image, at).await;
        let mut group =
            ScanGroup { image: image.name.clone(), reference: reference.to_string(), ..ScanGroup::default() };
        for platform in platforms {
            let look = match self.run.before(at, &platform.digest, &known).await {
                Some(before) => {
                    let why = match before.kept {
                        Some(_) => {
                            "not scanned again, because the same scanners scanned it with this database"
                        }
                        None => "not pulled again, because its packages and secrets are known",
                    };
                    group.notices.push(format!("{} ({}): {why}", image.name, platform.name));
                    before
                }
                None => self.run.pull_and_scan((at, &platform.digest)).await,
            };
            self.platform(&mut group, at, &platform, look).await;
            group.platforms.push(platform.name);
        }
        self.scan.groups.push(group);
    }

    /// Adds the findings in a platform to those of its image, and keeps them for later scans.
    async fn platform(
        &mut self,
        group: &mut ScanGroup,
        at: &Repository,
        platform: &ImagePlatform,
        look: Look,
    ) {
        let ImagePlatform { name, digest } = platform;
        let what = format!("{} ({name})", group.image);
        let file = plain(&format!("{}-{name}-{}", group.image, digest.hex().get(..12).unwrap_or_default()));
        let (trivy, trufflehog) = (format!("trivy/{file}.json"), format!("trufflehog-image/{file}.jsonl"));
        let Look { reported, searched, sbom, mut kept } = look;
        if let Ok(report) = &reported {
            let (sbom, lost) = self.run.sbom(report, &file, (at, digest), sbom).await;
            let lost = lost.map(|failure| failure.sentence());
            group.notices.extend(
                lost.map(|why| format!("the SBOM of {what} is not in the reports or not attached: {why}")),
            );
            if let Ok(secrets) = &searched {
                if kept.is_none() && self.run.job.attach {
                    let new = self.run.keep_results((at, digest), report, secrets, sbom).await;
                    let lost =
                        |why: &Failure| format!("the findings in {what} were not kept: {}", why.sentence());
                    kept = new.map_err(|failure| group.notices.push(lost(&failure))).ok();
                }
                self.scan.images.push(ScannedImage {
                    name: group.image.clone(),
                    reference: group.reference.clone(),
                    platform: name.clone(),
                    digest: digest.to_string(),
                    vulnerability_report: trivy.clone(),
                    secret_report: trufflehog.clone(),
                    kept,
                });
            }
        }
        self.add(group, &what, (Some(reported), Some(searched)), [&trivy, &trufflehog]);
    }
}

impl ScanRun {
    /// Pulls a platform once, and runs both scanners on it at the same time.
    async fn pull_and_scan(&self, (repository, digest): (&Repository, &Digest)) -> Look {
        let (client, limit) = (&self.client, self.job.options.time_limit);
        // The scanners show this name.
        let archive = self.scratch.path().join("images").join(format!("{repository}@{digest}"));
        let pull = async {
            let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
            let contents = manifest.contents().map_err(|reason| no_image(repository, digest, &reason))?;
            archive::pull(client, repository, &contents, &archive).await
        };
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

    /// Writes the SBOM of a platform, and attaches it to the platform's manifest unless it has one. `known` is the
    /// SBOM of an earlier scan. Returns the SBOM and what failed.
    async fn sbom(
        &self,
        report: &TrivyReport,
        file: &str,
        (at, platform): (&Repository, &Digest),
        known: Option<Value>,
    ) -> (Option<Value>, Option<Failure>) {
        let sbom = match known {
            Some(known) => known,
            None => match self.scanners.sbom(report).await {
                Ok(sbom) => sbom,
                Err(failure) => return (None, Some(failure)),
            },
        };
        let stored = async {
            files::write(&self.reports, &format!("sbom/{file}.cdx.json"), &sbom)?;
            if self.job.attach {
                let there = self.client.referrers(at, platform).await?;
                if !there.iter().any(|listed| listed.artifact_type.as_deref() == Some(CYCLONE_DX)) {
                    self.attach((at, platform), CYCLONE_DX, sbom.to_string()).await?;
                }
            }
            Ok::<_, Failure>(())
        };
        let lost = stored.await.err();
        (Some(sbom), lost)
    }
}

/// Turns a name into a valid file name.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}
