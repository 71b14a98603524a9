//! The referrers of an image: found at the source, and copied before the tag is written.

use std::collections::HashSet;
use std::sync::Arc;

use super::run::{Job, Walk};
use super::{Attached, AttachedState, OnExisting};
use crate::digest::Digest;
use crate::error::OciError;
use crate::reference::TagOrDigest;

/// The endings of the tags in which cosign stores signatures (github.com/sigstore/cosign, `specs/`).
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// A referrer at the source.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    subject: Digest,
    digest: Digest,
    what: String,
    tag: Option<String>,
}

impl Job {
    /// Finds the referrers of a manifest at the source. A referrer that cannot be read is noted, and is no failure.
    pub(super) async fn find_attached(&self, subject: &Digest) -> Result<Vec<Attachment>, OciError> {
        let tags = COSIGN.map(|kind| TagOrDigest::Tag(format!("{}.{kind}", subject.referrers_tag())));
        let [signature, attestation, sbom] = &tags;
        let (referrers, signature, attestation, sbom) = tokio::try_join!(
            self.source.referrers(subject),
            self.signed(subject, signature),
            self.signed(subject, attestation),
            self.signed(subject, sbom),
        )?;
        if let Some(error) = referrers.unread {
            self.leave(&format!("the referrers of {subject}"), &error);
        }
        let referrers = referrers.listed.into_iter().filter_map(|referrer| {
            let what = referrer.artifact_type.unwrap_or(referrer.media_type);
            let comes = !self.options.except.contains(&what);
            comes.then(|| Attachment { subject: subject.clone(), digest: referrer.digest, what, tag: None })
        });
        let tagged = tags.iter().zip([signature, attestation, sbom]).filter_map(|(tag, found)| {
            let tag = tag.to_string();
            let digest = found?;
            Some(Attachment { subject: subject.clone(), digest, what: tag.clone(), tag: Some(tag) })
        });
        Ok(referrers.chain(tagged).collect())
    }

    /// The manifest under one of cosign's tags. The subject was read with the same rights, so a refused tag does not
    /// exist.
    async fn signed(&self, subject: &Digest, tag: &TagOrDigest) -> Result<Option<Digest>, OciError> {
        match self.source.resolve(tag).await {
            Ok(found) => Ok(found.map(|found| found.digest)),
            Err(error) if error.is_denied() => Ok(None),
            Err(error) if error.leaves_open() => {
                self.leave(&format!("the tag {tag} about {subject}"), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes a referrer that is not copied because it cannot be read.
    fn leave(&self, what: &str, why: &OciError) {
        let mut unread = self.unread.lock();
        unread.push(format!("{what}: {why}"));
    }

    /// Copies referrers, and their own referrers (an SBOM may be signed). Copies them in sequence, because the
    /// referrers of one subject share a list. `image` is at the destination already.
    pub(super) async fn copy_attached(
        self: &Arc<Self>,
        mut left: Vec<Attachment>,
        image: &Digest,
    ) -> Result<Vec<Attached>, OciError> {
        let mut seen = HashSet::new();
        let mut done = Vec::new();
        while let Some(Attachment { subject, digest, what, tag }) = left.pop() {
            if !seen.insert((digest.clone(), tag.clone())) {
                continue;
            }
            let which = tag.map_or_else(|| TagOrDigest::Digest(digest.clone()), TagOrDigest::Tag);
            let state = match self.held(&which, image).await? {
                Some(there) if there == digest => AttachedState::Present,
                Some(_) if self.options.on_existing == OnExisting::Fail => AttachedState::Kept,
                _ => AttachedState::Copied,
            };
            let whole = state == AttachedState::Copied;
            let read = async {
                let root = self.source.manifest(&TagOrDigest::Digest(digest.clone())).await?;
                self.walk(root, Walk { whole, attached: true }).await
            };
            let graph = match read.await {
                // A list of referrers may contain deleted ones.
                Err(error) if error.is_unreadable_at(&self.source.repository) => {
                    self.leave(&format!("{what} {digest} about {subject}"), &error);
                    continue;
                }
                graph => graph?,
            };
            if whole {
                self.push_children(&graph).await?;
                self.push(&graph.root, &which).await?;
            }
            left.extend(graph.attached);
            done.push(Attached { subject, digest, what, state });
        }
        Ok(done)
    }

    /// What the destination has under the name of a referrer. Only a tag can be in use; for all others, the answer
    /// only saves work.
    async fn held(&self, which: &TagOrDigest, image: &Digest) -> Result<Option<Digest>, OciError> {
        let fail = self.options.on_existing == OnExisting::Fail && !self.options.dry_run;
        let found = match which {
            TagOrDigest::Tag(_) if fail => self.destination.resolve_beside(which, image).await,
            _ => match self.destination.resolve(which).await {
                Err(error) if error.leaves_open() => Ok(None),
                found => found,
            },
        };
        Ok(found?.map(|found| found.digest))
    }
}
