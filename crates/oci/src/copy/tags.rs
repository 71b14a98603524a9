//! The tags of a copy: their state before it, and how they are written without replacing another image.

use futures_util::future::{join, join_all, try_join_all};

use super::OnExisting;
use super::run::Job;
use crate::digest::Digest;
use crate::error::OciError;
use crate::manifest::Manifest;
use crate::reference::{Reference, TagOrDigest};

/// The digest of a destination tag before the copy. A registry may refuse to show it.
pub(super) type Held = Result<Option<Digest>, OciError>;

/// A tag to write.
pub(super) struct Goal<'a> {
    tag: &'a Reference,
    /// Whether the registry did not show the tag. It may not exist, because some registries answer 401 or 403 for
    /// missing tags.
    unknown: bool,
}

impl Job {
    /// Reads the tags and the image's manifest, at the same time.
    pub(super) async fn look(
        &self,
        which: &TagOrDigest,
        tags: &[Reference],
    ) -> (Vec<Held>, Result<Manifest, OciError>) {
        let held = join_all(tags.iter().map(|tag| async move {
            Ok(self.destination.resolve(&tag.which()).await?.map(|descriptor| descriptor.digest))
        }));
        join(held, self.source.manifest(which)).await
    }

    /// The tags to write.
    pub(super) fn goals<'a>(
        &self,
        tags: &'a [Reference],
        held: Vec<Held>,
        digest: &Digest,
    ) -> Result<Vec<Goal<'a>>, OciError> {
        let fail = self.options.on_existing == OnExisting::Fail;
        let mut goals = Vec::new();
        for (tag, held) in tags.iter().zip(held) {
            match held {
                Ok(Some(holds)) if holds == *digest => {}
                Ok(Some(holds)) if fail => return Err(taken(tag, holds, digest)),
                Ok(_) => goals.push(Goal { tag, unknown: false }),
                Err(error) if error.is_denied() || (!fail && error.leaves_open()) => {
                    goals.push(Goal { tag, unknown: true });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(goals)
    }

    /// Writes the tags and reads them back. A tag that may be in use is read again first: the image exists by its
    /// digest then, and shows whether the registry refuses us or the tag is missing.
    pub(super) async fn write_tags(&self, root: &Manifest, goals: &[Goal<'_>]) -> Result<(), OciError> {
        let cautious = self.options.on_existing == OnExisting::Fail && !self.options.dry_run;
        if cautious && goals.iter().any(|goal| goal.unknown) {
            self.push(root, &TagOrDigest::Digest(root.digest.clone())).await?;
        }
        for Goal { tag, unknown } in goals {
            let held = if cautious && *unknown {
                self.destination.resolve_beside(&tag.which(), &root.digest).await?
            } else {
                None
            };
            match held {
                Some(held) if held.digest != root.digest => {
                    return Err(taken(tag, held.digest, &root.digest));
                }
                Some(_) => {}
                None => self.push(root, &tag.which()).await?,
            }
        }
        if !self.options.dry_run {
            try_join_all(goals.iter().map(|goal| self.check_tag(goal.tag, &root.digest))).await?;
        }
        Ok(())
    }

    async fn check_tag(&self, tag: &Reference, digest: &Digest) -> Result<(), OciError> {
        let found = self.destination.read_back(&tag.which()).await?;
        if found.as_ref() == Some(digest) {
            return Ok(());
        }
        // The header may be wrong. The tag itself decides.
        if found.is_some()
            && self.destination.manifest(&tag.which()).await.is_ok_and(|there| there.digest == *digest)
        {
            return Ok(());
        }
        Err(OciError::Moved { reference: Box::new(tag.clone()), expected: digest.clone(), found })
    }
}

fn taken(tag: &Reference, holds: Digest, wanted: &Digest) -> OciError {
    OciError::Taken { reference: Box::new(tag.clone()), holds, wanted: wanted.clone() }
}
