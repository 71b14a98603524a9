//! What refers to an image: found at the source, brought along before the tag is written.

use std::collections::HashSet;
use std::sync::Arc;

use super::run::{Job, Walk};
use super::{Attached, AttachedState, OnExisting};
use crate::oci::digest::Digest;
use crate::oci::error::OciError;
use crate::oci::reference::Which;

/// The tags under which cosign keeps what it made (github.com/sigstore/cosign, `specs/`).
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// Something at the source that refers to a manifest of the image.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    subject: Digest,
    digest: Digest,
    what: String,
    tag: Option<String>,
}

impl Job {
    /// What refers to a manifest, at the source.
    pub(super) async fn find_attached(&self, subject: &Digest) -> Result<Vec<Attachment>, OciError> {
        let tags = COSIGN.map(|kind| Which::Tag(format!("{}.{kind}", subject.referrers_tag())));
        let [signature, attestation, sbom] = &tags;
        let (referrers, signature, attestation, sbom) = tokio::try_join!(
            self.source.referrers(subject),
            self.source.resolve(signature),
            self.source.resolve(attestation),
            self.source.resolve(sbom),
        )?;
        let referrers = referrers.into_iter().map(|referrer| Attachment {
            subject: subject.clone(),
            digest: referrer.digest,
            what: referrer.artifact_type.unwrap_or(referrer.media_type),
            tag: None,
        });
        let tagged = tags.iter().zip([signature, attestation, sbom]).filter_map(|(tag, found)| {
            let tag = tag.to_string();
            let digest = found?.digest;
            Some(Attachment { subject: subject.clone(), digest, what: tag.clone(), tag: Some(tag) })
        });
        Ok(referrers.chain(tagged).collect())
    }

    /// Copies attachments, and what refers to them in turn (an SBOM may be signed). One after
    /// the other: those of one subject share its list of referrers.
    pub(super) async fn copy_attached(
        self: &Arc<Self>,
        mut left: Vec<Attachment>,
    ) -> Result<Vec<Attached>, OciError> {
        let mut seen = HashSet::new();
        let mut done = Vec::new();
        while let Some(Attachment { subject, digest, what, tag }) = left.pop() {
            if !seen.insert((digest.clone(), tag.clone())) {
                continue;
            }
            let which = tag.map_or_else(|| Which::Digest(digest.clone()), Which::Tag);
            let there = self.destination.resolve(&which).await?.map(|found| found.digest);
            let state = match there {
                Some(there) if there == digest => AttachedState::Present,
                Some(_) if self.options.on_existing == OnExisting::Fail => AttachedState::Kept,
                _ => AttachedState::Copied,
            };
            let root = self.source.manifest(&Which::Digest(digest.clone())).await?;
            let whole = state == AttachedState::Copied;
            let graph = self.walk(root, Walk { whole, attached: true }).await?;
            if whole {
                self.push_children(&graph).await?;
                self.push(&graph.root, &which).await?;
            }
            left.extend(graph.attached);
            done.push(Attached { subject, digest, what, state });
        }
        Ok(done)
    }
}
