//! The step `images`: which images the build pushed, and their digests.

use std::time::Duration;

use super::site::Private;
use super::{Execution, Progress, Said};
use crate::environment::runtime;
use crate::error::{Exit, Failure};
use crate::make;
use crate::oci::{Reference, Repository, Which};
use crate::outcome::{Event, Image};
use crate::plan::{Job, Names, Target};

/// The longest that `p2p-images` may take.
const NAMING: Duration = Duration::from_mins(2);

impl Execution<'_> {
    /// Finds each image's digest in the registry and keeps it: that is what is promoted.
    pub(super) async fn record(&self, repository: &str, progress: &mut Progress) -> Said {
        let version = progress.plan.version.version.clone();
        let required = progress.plan.images.required;
        for name in self.image_names(progress).await? {
            let repository = parse(&format!("{repository}/{name}"))?;
            let reference = repository.tag(&version)?.to_string();
            match self.edges.oci.resolve(&repository, &Which::Tag(version.clone())).await {
                Ok(Some(found)) => {
                    let image = Image { name, reference, digest: found.digest.to_string() };
                    self.reporter.tell(&Event::Recorded(&image));
                    progress.images.push(image);
                }
                Ok(None) if required => return Err(not_pushed(&reference)),
                Ok(None) => self.warn(
                    progress,
                    &format!("the image {reference} is not in the registry after the build; set `image-names` if it has another name"),
                ),
                Err(error) if required => return Err(error.into()),
                Err(error) => {
                    self.warn(progress, &format!("the image {reference} could not be looked up: {error}"));
                }
            }
        }
        let images = progress.images.len();
        Ok(Some(format!("{images} image{} recorded", if images == 1 { "" } else { "s" })))
    }

    /// The names of the images, asked of the Makefile where the plan says so.
    async fn image_names(&self, progress: &Progress) -> Result<Vec<String>, Failure> {
        let target = match &progress.plan.images.names {
            Names::Names(names) => return Ok(names.clone()),
            Names::PrintedBy(target) => *target,
        };
        // It gets what the build got: names may depend on any of it.
        let build = progress.plan.steps.iter().find_map(|step| match &step.job {
            Job::Target(target) => Some(target),
            Job::Promote(promotion) => promotion.by.as_ref(),
            _ => None,
        });
        let site = self.site;
        let mut env = site.env.clone();
        let mut _private = None;
        if let Some(build) = build {
            let asking = Target { target: target.to_owned(), ..build.clone() };
            let private = Private::make(site, &asking)?;
            env = build.variables.over(&site.env);
            for (name, value) in private.variables() {
                env.set(name, value);
            }
            _private = Some(private);
        }
        env.set(runtime::PWD, &site.paths.directory);
        env.set(runtime::P2P_BIN, &site.binary);
        let mut names = make::images(&site.paths.directory, &env, NAMING).await?;
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    /// The images to promote: those recorded in this run, else those an earlier job recorded, else
    /// what is in the registry now.
    pub(super) async fn tested(&self, source: &str, progress: &mut Progress) -> Result<Vec<Image>, Failure> {
        if !progress.images.is_empty() {
            return Ok(progress.images.clone());
        }
        if !progress.plan.images.recorded.is_empty() {
            return Ok(progress.plan.images.recorded.clone());
        }
        self.warn(
            progress,
            "no digests were recorded in this run or given by the input `images`; what the tags name now is promoted",
        );
        progress.plan.images.required = true;
        self.record(source, progress).await?;
        Ok(progress.images.clone())
    }
}

/// A repository, from the registry and the names that were given.
pub(super) fn parse(text: &str) -> Result<Repository, Failure> {
    let reference: Reference = text.parse()?;
    Ok(reference.repository)
}

fn not_pushed(reference: &str) -> Failure {
    Failure {
        what: format!("the image {reference} is not in the registry after the build"),
        causes: Vec::new(),
        help: Some(
            "`p2p-build` must push it under just this name; `image-names` or the target `p2p-images` says what \
             the images are called"
                .to_owned(),
        ),
        exit: Exit::Failed,
    }
}
