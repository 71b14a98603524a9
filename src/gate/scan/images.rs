//! Scans images, each platform by its digest.

use serde_json::Value;

use super::kept::Before;
use super::{Part, Reported, Scanned, Searched, archive, files, sentence};
use crate::domain::image::Tested;
use crate::domain::scan::ScannedImage;
use crate::edges::scanners::{ScannerError, read_trivy, read_trufflehog, without_configuration};
use oci::{Client, Digest, Manifest, Reference, Repository, TagOrDigest};
use sys::error::{Exit, Failure};

/// The largest configuration of an image, in bytes.
const CONFIGURATION: u64 = 16 << 20;

/// The media types of an image's configuration.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The media type of an SBOM.
const CYCLONE_DX: &str = "application/vnd.cyclonedx+json";

/// A platform of an image.
struct Platform {
    name: String,
    digest: Digest,
}

/// The platform in an index or a configuration: `linux/arm/v7`. `None` for something that is not an image, such as
/// an attestation.
fn machine(value: &Value) -> Option<String> {
    let word = |name: &str| value[name].as_str().filter(|word| !word.is_empty() && *word != "unknown");
    let (os, architecture) = (word("os")?, word("architecture")?);
    Some(
        word("variant").map_or_else(
            || format!("{os}/{architecture}"),
            |variant| format!("{os}/{architecture}/{variant}"),
        ),
    )
}

impl Scanned {
    /// Scans an image that the user names. For a tag, the digest that it names now.
    pub(super) async fn reference(&mut self, reference: &Reference) {
        let found = self.run.client.resolve(&reference.repository, &reference.which()).await;
        let found = found.map_err(Failure::from).and_then(|found| {
            found.ok_or_else(|| Failure {
                what: format!("{reference} is not in the registry"),
                causes: Vec::new(),
                help: Some("correct its name, or log in to the registry".to_owned()),
                exit: Exit::Failed,
            })
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
        let platforms = platforms(&self.run.client, &reference.repository, &image.digest).await;
        let Some(platforms) = self.keep(platforms, &what) else { return };
        let known = self.known(image, &reference.repository).await;
        let mut part =
            Part { image: image.name.clone(), reference: reference.to_string(), ..Part::default() };
        for platform in platforms {
            part.platforms.push(platform.name.clone());
            let before = match &known {
                Some(known) => self.before(&reference.repository, &platform.digest, known).await,
                None => None,
            };
            self.platform(&mut part, reference, &platform, before).await;
        }
        self.parts.push(part);
    }

    async fn platform(
        &mut self,
        part: &mut Part,
        reference: &Reference,
        platform: &Platform,
        before: Option<Before>,
    ) {
        let Platform { name, digest } = platform;
        let of = format!("of {} ({name})", part.image);
        let at = (&reference.repository, digest);
        let file = plain(&format!("{}-{name}-{}", part.image, digest.hex().get(..12).unwrap_or_default()));
        let names = [format!("trivy/{file}.json"), format!("trufflehog-image/{file}.jsonl")];
        let (reported, searched, known, mut kept) = self.look(part, name, at, before).await;
        self.complete = true;
        if let Ok((_, report)) = &reported {
            let (sbom, lost) = self.sbom(report, &file, at, known).await;
            part.notices.extend(lost.map(|failure| {
                format!("the SBOM {of} is not in the reports or not attached: {}", sentence(&failure))
            }));
            if let Ok(secrets) = &searched {
                if kept.is_none() && self.run.job.attach {
                    let new = self.keep_results(at, report, secrets, sbom).await;
                    let lost = |failure| format!("the findings {of} were not kept: {}", sentence(&failure));
                    kept = new.map_err(|failure| part.notices.push(lost(failure))).ok();
                }
                self.images.push(ScannedImage {
                    name: part.image.clone(),
                    reference: reference.to_string(),
                    platform: name.clone(),
                    digest: digest.to_string(),
                    files: names.clone(),
                    kept,
                });
            }
        }
        let what = [
            format!("packages {of} were not scanned"),
            format!("the layers {of} were not searched for secrets"),
        ];
        let [files, what] = [&names, &what].map(|texts| [texts[0].as_str(), texts[1].as_str()]);
        self.add(part, (Some(reported), Some(searched)), files, what);
    }

    /// The findings of an earlier scan of a platform, or else of a new scan, with the SBOM and the digest of the
    /// kept results, if they are known.
    async fn look(
        &self,
        part: &mut Part,
        name: &str,
        at: (&Repository, &Digest),
        before: Option<Before>,
    ) -> (Reported, Searched, Value, Option<String>) {
        let Some(Before { results, findings, kept }) = before else {
            let (reported, searched) = self.pull_and_scan(at).await;
            return (reported, searched, Value::Null, None);
        };
        let why = match &kept {
            Some(_) => "not scanned again, because the same scanners scanned it with this database",
            None => "not pulled again, because its packages and secrets are known",
        };
        part.notices.push(format!("{} ({name}): {why}", part.image));
        let report = results.report.to_string().into_bytes();
        (Ok((findings, report)), Ok(results.secrets), results.sbom, kept)
    }

    /// Pulls a platform once, and runs both scanners on it at the same time.
    async fn pull_and_scan(&self, (repository, digest): (&Repository, &Digest)) -> (Reported, Searched) {
        let (client, scanners) = (&self.run.client, &self.run.scanners);
        // The scanners show this name.
        let archive = self.run.scratch.path().join("images").join(format!("{repository}@{digest}"));
        let pulled = async {
            let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
            let contents = manifest.contents().map_err(|reason| no_image(repository, digest, &reason))?;
            archive::pull(client, repository, &contents, &archive).await
        };
        let limit = self.run.job.time_limit;
        let pulled = tokio::time::timeout(limit, pulled).await.unwrap_or_else(|_| {
            let reason = format!("it took longer than {} s", limit.as_secs());
            Err(ScannerError::Failed { scanner: "the pull of the image", reason, timed_out: true }.into())
        });
        if let Err(failure) = pulled {
            let _gone = std::fs::remove_file(&archive);
            return (Err(failure.clone()), Err(failure));
        }
        let (reported, searched) =
            tokio::join!(scanners.image(&archive, self.run.now), scanners.image_secrets(&archive));
        let _gone = std::fs::remove_file(&archive);
        let reported =
            reported.and_then(|report| Ok((read_trivy(&report, true)?, without_configuration(&report)?)));
        let searched = searched.and_then(|found| read_trufflehog(&found, None));
        (reported.map_err(Failure::from), searched.map_err(Failure::from))
    }

    /// Writes the SBOM of a platform, and attaches it to the platform's manifest unless it has one. `known` is the
    /// SBOM of an earlier scan. Returns the SBOM and what failed.
    async fn sbom(
        &self,
        report: &[u8],
        file: &str,
        (at, platform): (&Repository, &Digest),
        known: Value,
    ) -> (Value, Option<Failure>) {
        let sbom = match known {
            Value::Null => self.run.scanners.sbom(report).await,
            known => Ok(known),
        };
        let sbom = match sbom {
            Ok(sbom) => sbom,
            Err(error) => return (Value::Null, Some(error.into())),
        };
        let stored = async {
            files::write(&self.run.reports, &format!("sbom/{file}.cdx.json"), &sbom)?;
            if self.run.job.attach {
                let there = self.run.client.referrers(at, platform).await?;
                if !there.iter().any(|listed| listed.artifact_type.as_deref() == Some(CYCLONE_DX)) {
                    self.attach((at, platform), CYCLONE_DX, sbom.to_string()).await?;
                }
            }
            Ok(())
        };
        let lost: Result<(), Failure> = stored.await;
        (sbom, lost.err())
    }
}

fn no_image(repository: &Repository, digest: &Digest, problem: &str) -> Failure {
    Failure {
        what: format!("{repository}@{digest} is not an image that can be scanned: {problem}"),
        causes: Vec::new(),
        help: Some("scan an image; leave artifacts of other kinds out of `image-names`".to_owned()),
        exit: Exit::Failed,
    }
}

/// The platforms of an image: those in its index, or its own. What is not an image, such as an attestation, does not
/// count.
async fn platforms(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<Platform>, Failure> {
    let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
    let wrong = |problem: String| no_image(repository, digest, &problem);
    let contents = manifest.contents().map_err(&wrong)?;
    if !contents.index {
        let name = own_platform(client, repository, &manifest).await?;
        let name = name.ok_or_else(|| wrong("it is not an image".to_owned()))?;
        return Ok(vec![Platform { name, digest: digest.clone() }]);
    }
    let index: Value = serde_json::from_slice(&manifest.bytes).map_err(|error| wrong(error.to_string()))?;
    let mut platforms = Vec::new();
    for entry in index["manifests"].as_array().into_iter().flatten() {
        // BuildKit's attestations have the platform `unknown/unknown`.
        if entry["platform"]["os"] == "unknown" {
            continue;
        }
        let digest = entry["digest"].as_str().unwrap_or_default();
        let digest: Digest = digest.parse().map_err(|error| wrong(format!("{error}")))?;
        let mut name = machine(&entry["platform"]);
        if name.is_none() {
            let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
            name = own_platform(client, repository, &manifest).await?;
        }
        platforms.extend(name.map(|name| Platform { name, digest }));
    }
    if platforms.is_empty() {
        return Err(wrong("its index contains no image".to_owned()));
    }
    Ok(platforms)
}

/// The platform in the configuration of an image. `None` if the manifest is not one of an image.
async fn own_platform(
    client: &Client,
    repository: &Repository,
    manifest: &Manifest,
) -> Result<Option<String>, Failure> {
    let wrong = |problem: &str| no_image(repository, &manifest.digest, problem);
    let contents = manifest.contents().map_err(|problem| wrong(&problem))?;
    if contents.index {
        return Err(wrong("it is an index in an index"));
    }
    // The configuration comes first.
    let Some(configuration) =
        contents.blobs.first().filter(|blob| IMAGES.contains(&blob.media_type.as_str()))
    else {
        return Ok(None);
    };
    let bytes = client.blob_bytes(repository, configuration, CONFIGURATION).await?;
    let name = serde_json::from_slice(&bytes).ok().and_then(|configuration| machine(&configuration));
    name.map(Some).ok_or_else(|| wrong("its configuration names no platform"))
}

/// Turns a name into a valid file name.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}
