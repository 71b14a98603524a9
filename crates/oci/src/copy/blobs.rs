//! Copies one blob to the destination, in the cheapest way that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::run::Job;
use super::{Arrival, CopyProgress};
use crate::error::{Again, OciError, Trouble};
use crate::manifest::Descriptor;
use crate::reference::Repository;
use crate::source::Source;
use crate::upload::{Mount, Place};

/// After this many failed tries, a blob is copied without asking for a mount.
const MOUNT_TRIES: u32 = 2;

/// Up to this size in bytes, copying a blob again is cheaper than another request.
const SMALL: u64 = 64 * 1024;

/// Whether mounts are worth a request. Within one registry, a mount saves copying the bytes. Between two registries,
/// a blob is "mounted" from the destination itself: a single answer says that the blob exists (201), or opens the
/// session to upload it (202).
#[derive(Debug)]
pub(super) struct Mounts {
    from: Option<Repository>,
    hope: AtomicU8,
}

/// Mount at once: one request per blob.
const EAGER: u8 = 2;
/// A mount has become an upload before: first ask whether the blob exists.
const DOUBTFUL: u8 = 1;
/// Mounts were refused: do not ask again.
const HOPELESS: u8 = 0;

impl Mounts {
    pub(super) fn new(from: Option<Repository>) -> Self {
        let hope = if from.is_some() { EAGER } else { HOPELESS };
        Self { from, hope: AtomicU8::new(hope) }
    }

    fn from(&self, least: u8) -> Option<&Repository> {
        if self.hope.load(Ordering::Relaxed) < least { None } else { self.from.as_ref() }
    }

    fn lower(&self, to: u8) {
        self.hope.fetch_min(to, Ordering::Relaxed);
    }
}

impl Job {
    /// Copies a blob to the destination. `None` if it may stay elsewhere and the source does not have it.
    pub(super) async fn copy_blob(self: &Arc<Self>, blob: &Descriptor) -> Result<Option<Arrival>, OciError> {
        if self.options.dry_run {
            return self.foresee(blob).await.map(Some);
        }
        let what = format!("copy of blob {} to {}", blob.digest, self.destination.repository);
        let mut tries = 0;
        let attempt = || {
            tries += 1;
            let attempt = self.try_blob(blob, tries);
            async {
                let ended = attempt.await;
                match &ended {
                    Ok(_) => self.limit.well(),
                    Err(Trouble { again: Again::After(_), .. }) => self.limit.badly(),
                    Err(_) => {}
                }
                ended
            }
        };
        let how = match self.destination.client.patiently(&what, attempt).await {
            Ok(how) => how,
            Err(error) if error.is_not_found() && !blob.urls.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        };
        self.options.listener.on_event(CopyProgress::Done {
            digest: blob.digest.clone(),
            size: blob.size,
            how,
        });
        Ok(Some(how))
    }

    /// What a copy would do with a blob.
    async fn foresee(&self, blob: &Descriptor) -> Result<Arrival, OciError> {
        let there = match self.destination.find_blob(blob).await {
            Err(error) if error.leaves_open() => false,
            there => there?,
        };
        Ok(match (there, self.together) {
            (true, _) => Arrival::Skipped,
            (false, true) => Arrival::Mounted,
            (false, false) => Arrival::Moved,
        })
    }

    async fn try_blob(self: &Arc<Self>, blob: &Descriptor, tries: u32) -> Result<Arrival, Trouble> {
        if !self.together {
            return self.upload_blob(blob, self.own_place(blob, tries)).await;
        }
        let mut session = None;
        let mut asked = tries > MOUNT_TRIES;
        if !asked && let Some(from) = self.mounts.from(EAGER) {
            asked = true;
            match self.mount(blob, from).await? {
                Mount::Done => return Ok(Arrival::Mounted),
                Mount::Session(url) => session = Some(url),
                Mount::Refused => {}
            }
        }
        if self.destination.seems_to_have(blob, tries).await? {
            if let Some(session) = session {
                self.destination.abandon(session).await;
            }
            return Ok(Arrival::Skipped);
        }
        if !asked && let Some(from) = self.mounts.from(DOUBTFUL) {
            match self.mount(blob, from).await? {
                Mount::Done => return Ok(Arrival::Mounted),
                Mount::Session(url) => session = Some(url),
                Mount::Refused => {}
            }
        }
        self.upload_blob(blob, async {
            match session {
                Some(session) => Ok(Place::Session(session)),
                None => self.destination.open_upload().await.map(Place::Session),
            }
        })
        .await
    }

    /// The upload session for a blob from another registry.
    async fn own_place(&self, blob: &Descriptor, tries: u32) -> Result<Place, Trouble> {
        let mut session = None;
        if tries == 1
            && let Some(own) = self.mounts.from(EAGER)
        {
            session = match self.destination.mount(blob, own).await? {
                Mount::Done => return Ok(Place::Needless),
                Mount::Session(url) => Some(url),
                Mount::Refused => {
                    self.mounts.lower(HOPELESS);
                    None
                }
            };
        }
        // Not every registry searches the repository itself for the blob.
        if (session.is_none() || blob.size > SMALL) && self.destination.seems_to_have(blob, tries).await? {
            if let Some(session) = session {
                self.mounts.lower(DOUBTFUL);
                self.destination.abandon(session).await;
            }
            return Ok(Place::Needless);
        }
        match session {
            Some(session) => Ok(Place::Session(session)),
            None => self.destination.open_upload().await.map(Place::Session),
        }
    }

    async fn upload_blob(
        self: &Arc<Self>,
        blob: &Descriptor,
        place: impl Future<Output = Result<Place, Trouble>>,
    ) -> Result<Arrival, Trouble> {
        let job = Arc::clone(self);
        let (digest, size) = (blob.digest.clone(), blob.size);
        let meter = move |done| {
            job.options.listener.on_event(CopyProgress::Moving { digest: digest.clone(), size, done });
        };
        let source = Source::Remote { route: self.source.clone(), meter: Some(Arc::new(meter)) };
        // If some blobs exist, others probably do too, so do not request their bytes in advance.
        let moved = if blob.size > SMALL && self.has_skipped() {
            match place.await? {
                Place::Needless => false,
                place @ Place::Session(_) => {
                    Box::pin(self.destination.upload(blob, &source, async { Ok(place) })).await?
                }
            }
        } else {
            Box::pin(self.destination.upload(blob, &source, place)).await?
        };
        Ok(if moved { Arrival::Moved } else { Arrival::Skipped })
    }

    async fn mount(&self, blob: &Descriptor, from: &Repository) -> Result<Mount, Trouble> {
        let mount = self.destination.mount(blob, from).await?;
        match mount {
            Mount::Done => {}
            Mount::Session(_) => self.mounts.lower(DOUBTFUL),
            Mount::Refused => self.mounts.lower(HOPELESS),
        }
        Ok(mount)
    }
}
