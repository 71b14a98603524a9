//! Images: each platform by its digest.

use bytes::Bytes;
use serde_json::{Value, json};

use super::files;
use super::{Part, Scanned, sentence};
use crate::domain::image::Tested;
use crate::domain::scan::ScannedImage;
use crate::edges::scanners::{read_trivy, read_trufflehog, secret_lines, without_configuration};
use oci::{Client, Content, Digest, EMPTY, Manifest, Reference, Repository, TagOrDigest};
use sys::error::{Exit, Failure, FileError};

/// The most bytes of an image's configuration.
const CONFIGURATION: u64 = 16 << 20;

/// The type of an SBOM.
const CYCLONE_DX: &str = "application/vnd.cyclonedx+json";

/// A platform of an image.
struct Platform {
    name: String,
    digest: Digest,
}

/// What an image runs on, as an index or a configuration says: `linux/arm/v7`. None of what is no image, such as an
/// attestation.
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
    /// Scans an image that somebody names: of a tag the digest that it names now.
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
        let login = self.login(&reference.repository).await;
        let Some((platforms, login)) = self.keep(platforms.and_then(|found| Ok((found, login?))), &what)
        else {
            return;
        };
        let mut part =
            Part { image: image.name.clone(), reference: reference.to_string(), ..Part::default() };
        for platform in platforms {
            part.platforms.push(platform.name.clone());
            self.platform(&mut part, reference, &platform, &login).await;
        }
        self.parts.push(part);
    }

    async fn platform(
        &mut self,
        part: &mut Part,
        reference: &Reference,
        platform: &Platform,
        login: &std::path::Path,
    ) {
        let Platform { name, digest } = platform;
        let target = format!("{}@{digest}", reference.repository);
        let (scanners, now) = (&self.run.scanners, self.run.now);
        let (looked_up, searched) =
            tokio::join!(scanners.image(&target, login, now), scanners.image_secrets(&target, login));
        let looked_up = looked_up.and_then(|(report, database)| {
            Ok((read_trivy(&report, true)?, without_configuration(&report)?, database))
        });
        let searched = searched.and_then(|found| read_trufflehog(&found, None));
        let of = format!("of {} ({name})", part.image);
        let file = plain(&format!("{}-{name}-{}", part.image, digest.hex().get(..12).unwrap_or_default()));
        let names = [format!("trivy/{file}.json"), format!("trufflehog-image/{file}.jsonl")];
        let mut complete = true;
        match self.keep(looked_up, &format!("packages {of} were not scanned")) {
            Some((found, report, database)) => {
                part.findings.add(found);
                let written = files::write_bytes(&self.run.reports, &names[0], &report);
                if let Err(failure) = self.sbom(&report, &file, reference, digest).await {
                    let why = sentence(&failure);
                    part.notices.push(format!("the SBOM {of} is not in the reports or not attached: {why}"));
                }
                complete &= self.keep(written, "the report of Trivy is not in the reports").is_some();
                self.database = Some(database);
            }
            None => complete = false,
        }
        match self.keep(searched, &format!("the layers {of} were not searched for secrets")) {
            Some(found) => {
                let written = files::write_bytes(&self.run.reports, &names[1], &secret_lines(&found));
                complete &=
                    self.keep(written, "the secrets that were found are not in the reports").is_some();
                part.findings.secrets.extend(found);
            }
            None => complete = false,
        }
        self.complete = true;
        if complete {
            self.images.push(ScannedImage {
                name: part.image.clone(),
                reference: reference.to_string(),
                platform: name.clone(),
                digest: digest.to_string(),
                files: names,
            });
        }
    }

    /// Writes the SBOM of a platform, and attaches it to the platform's manifest unless one is attached.
    async fn sbom(
        &self,
        report: &[u8],
        file: &str,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<(), Failure> {
        let sbom = self.run.scanners.sbom(report).await?;
        files::write_bytes(&self.run.reports, &format!("sbom/{file}.cdx.json"), &sbom)?;
        let (client, repository) = (&self.run.client, &reference.repository);
        if !self.run.job.attach {
            return Ok(());
        }
        let there = client.referrers(repository, digest).await?;
        if there.iter().any(|listed| listed.artifact_type.as_deref() == Some(CYCLONE_DX)) {
            return Ok(());
        }
        let which = TagOrDigest::Digest(digest.clone());
        let subject = client.manifest(repository, &which).await?.descriptor();
        let annotations = json!({"org.opencontainers.image.created": self.run.now.to_string()});
        let manifest = Manifest::referrer(CYCLONE_DX, (CYCLONE_DX, &sbom), &subject, &annotations);
        client.push_blob(repository, &Content::Bytes(Bytes::from_static(EMPTY))).await?;
        client.push_blob(repository, &Content::Bytes(sbom.into())).await?;
        let which = TagOrDigest::Digest(manifest.digest.clone());
        Ok(client.push_manifest(repository, &manifest, &which).await?)
    }

    /// A directory with a Docker configuration that holds the login to one registry.
    async fn login(&self, repository: &Repository) -> Result<std::path::PathBuf, Failure> {
        let directory =
            self.run.scratch.path().join(format!("login-{}", Digest::of(repository.to_string()).hex()));
        std::fs::create_dir_all(&directory).map_err(FileError::at("create a directory in", &directory))?;
        let configuration = self.run.client.docker_configuration(repository).await?;
        files::write(&directory, "config.json", &configuration)?;
        Ok(directory)
    }
}

/// The platforms of an image: those of its index, or its own. Attestations and the like are none.
async fn platforms(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<Platform>, Failure> {
    let manifest = client.manifest(repository, &TagOrDigest::Digest(digest.clone())).await?;
    let wrong = |problem: String| Failure {
        what: format!("{repository}@{digest} is not an image that can be scanned: {problem}"),
        causes: Vec::new(),
        help: Some("scan an image; leave artifacts of other kinds out of `image-names`".to_owned()),
        exit: Exit::Failed,
    };
    let contents = manifest.contents().map_err(&wrong)?;
    if !contents.index {
        let name = own_platform(client, repository, &manifest).await?;
        let name = name.ok_or_else(|| wrong("its configuration names no platform".to_owned()))?;
        return Ok(vec![Platform { name, digest: digest.clone() }]);
    }
    let index: Value = serde_json::from_slice(&manifest.bytes).map_err(|error| wrong(error.to_string()))?;
    let entries = index["manifests"].as_array().into_iter().flatten();
    let platforms = entries.filter_map(|entry| {
        Some(Platform { name: machine(&entry["platform"])?, digest: entry["digest"].as_str()?.parse().ok()? })
    });
    let platforms: Vec<_> = platforms.collect();
    if platforms.is_empty() {
        return Err(wrong("its index names no platform".to_owned()));
    }
    Ok(platforms)
}

async fn own_platform(
    client: &Client,
    repository: &Repository,
    manifest: &Manifest,
) -> Result<Option<String>, Failure> {
    let contents = manifest.contents().unwrap_or_default();
    // The configuration comes first.
    let Some(configuration) = contents.blobs.first() else { return Ok(None) };
    let bytes = client.blob_bytes(repository, configuration, CONFIGURATION).await?;
    Ok(serde_json::from_slice(&bytes).ok().and_then(|configuration| machine(&configuration)))
}

/// A name that is one of a file.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}
