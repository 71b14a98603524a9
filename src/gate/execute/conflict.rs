//! The tag at a promotion's destination: whether it is free, and what happens if it names another image.

use super::record::ended_by;
use super::{Execution, Message, Progress, removal};
use crate::gate::plan::{Action, Job, Names, Plan, Promotion};
use crate::gate::record::{Finding, Kept, Rule};
use crate::inputs::{Command, OnExisting, Records};
use oci::{Digest, Repository, TagOrDigest};
use sys::error::{Exit, Failure};

/// The image that the tag at the destination names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum There {
    /// None, or one that the promotion replaces.
    Free,
    /// The image that is being promoted.
    Same,
    /// Another image of the same commit. It stays.
    Kept(Digest),
}

/// The reason why an image at the destination may not stay.
struct Stranger {
    why: String,
    /// Whether a record gives this reason. Otherwise there is no record.
    known: bool,
}

impl Execution<'_> {
    /// Decides what to do about the tag at the destination, for the image `wanted`.
    pub(super) async fn destination(
        &self,
        promotion: &Promotion,
        name: &str,
        wanted: &Digest,
        progress: &Progress,
    ) -> Result<There, Failure> {
        let version = &progress.plan.version.version;
        let destination = promotion.destination.image(name).repository()?;
        let found = self.edges.oci.resolve(&destination, &TagOrDigest::Tag(version.clone())).await?;
        let Some(holds) = found.map(|found| found.digest) else { return Ok(There::Free) };
        if holds == *wanted {
            return Ok(There::Same);
        }
        match promotion.on_existing {
            OnExisting::Overwrite => Ok(There::Free),
            OnExisting::Fail => {
                let why = "`on-existing` is `fail`".to_owned();
                Err(taken(&destination, version, (&holds, Some(wanted)), why))
            }
            OnExisting::Keep => match self.kept(promotion, &destination, &holds, progress).await? {
                Ok(()) => Ok(There::Kept(holds)),
                Err(Stranger { why, .. }) => Err(taken(&destination, version, (&holds, Some(wanted)), why)),
            },
        }
    }

    /// Whether an image at the destination may stay, because it was promoted from the commit of this run. Otherwise
    /// returns the reason.
    async fn kept(
        &self,
        promotion: &Promotion,
        destination: &Repository,
        holds: &Digest,
        progress: &Progress,
    ) -> Result<Result<(), Stranger>, Failure> {
        if promotion.record == Records::Off {
            let why = "`promotion-record` is `off`, so nothing says which commit it is of".to_owned();
            return Ok(Err(Stranger { why, known: false }));
        }
        let kept = self.edges.ledger.read(destination, holds).await?;
        let (stage, messages) = (ended_by(promotion).word(), Kept::records(&kept));
        let rule = self.rule(progress);
        Ok(match rule.judge(&messages, stage) {
            Finding::Passed => Ok(()),
            // Its own gate may still pass it.
            Finding::Rejected(why) => Err(Stranger { why, known: false }),
            Finding::Missing(why) => {
                let of_any = Rule { commit: None, ..rule };
                let known = of_any.judge(&messages, stage) == Finding::Passed;
                let why = format!("no record says that it passed {stage} on this commit: {why}");
                Err(Stranger { why, known })
            }
        })
    }

    /// Before the build, finds what would prevent the promotion. The names and the version are known by then, but
    /// the digest of the build is not. The digest of an earlier build at the source is the best guess.
    pub(super) async fn conflicts(&self, progress: &Progress) -> Message {
        let Some((promotion, names)) = ahead(&progress.plan) else { return Ok(None) };
        let version = &progress.plan.version.version;
        let tag = TagOrDigest::Tag(version.clone());
        let mut messages = Vec::new();
        for name in names {
            let destination = promotion.destination.image(name).repository()?;
            let Some(holds) = self.edges.oci.resolve(&destination, &tag).await? else { continue };
            let holds = holds.digest;
            let source = promotion.source.image(name).repository()?;
            let before = self.edges.oci.resolve(&source, &tag).await?.map(|found| found.digest);
            let same = before.as_ref() == Some(&holds);
            // A later gate promotes the image that exists; only a build may produce another.
            if same
                && (progress.plan.command != Command::FastFeedback
                    || promotion.on_existing == OnExisting::Fail)
            {
                continue;
            }
            let kept = match promotion.on_existing {
                OnExisting::Keep => self.kept(promotion, &destination, &holds, progress).await?,
                _ => Err(Stranger { why: "`on-existing` is `fail`".to_owned(), known: true }),
            };
            match kept {
                Ok(()) => messages.push(format!(
                    "{destination}:{version} was promoted from this commit before and stays {holds}, whatever the build \
                     gives"
                )),
                // The build may produce the same image again.
                Err(Stranger { known: false, .. }) if same => {}
                Err(Stranger { why, .. }) => {
                    return Err(taken(&destination, version, (&holds, before.as_ref()), why));
                }
            }
        }
        Ok(Some(messages.join("; ")).filter(|messages| !messages.is_empty()))
    }
}

/// The promotion that the gate will make if it may not move tags, with the known names of its images.
fn ahead(plan: &Plan) -> Option<(&Promotion, &[String])> {
    let promotion = plan.steps.iter().find_map(|step| match &step.job {
        Job::Promote(promotion) if step.action == Action::Run => Some(promotion),
        _ => None,
    })?;
    match &plan.images.names {
        // A run that only promotes makes this check itself.
        _ if plan.command == Command::Promote || promotion.on_existing == OnExisting::Overwrite => None,
        Names::Names(names) => Some((promotion, names)),
        Names::PrintedBy(_) => None,
    }
}

/// The error for a tag that names another image.
fn taken(
    destination: &Repository,
    version: &str,
    (holds, wanted): (&Digest, Option<&Digest>),
    why: String,
) -> Failure {
    let help = format!(
        "a version that was promoted stays what it is: give this commit another version, or remove the image there with \
         `{}`, or set `on-existing: overwrite`",
        removal::command(destination, holds)
    );
    let wanted = wanted.filter(|wanted| *wanted != holds);
    let digests = wanted.map(|wanted| format!("{wanted} should be promoted, but the tag names {holds}"));
    Failure {
        what: format!("{destination}:{version} already is {holds}"),
        causes: digests.into_iter().chain([why]).collect(),
        help: Some(help),
        exit: Exit::Failed,
    }
}
