//! One blob from the source to the destination, in the cheapest way that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::run::Job;
use super::{How, Progress};
use crate::oci::error::{OciError, Trouble};
use crate::oci::manifest::Descriptor;
use crate::oci::reference::Repository;
use crate::oci::upload::{Mount, Source};

/// After so many failed tries a blob is moved without asking for a mount.
const MOUNT_TRIES: u32 = 2;

/// What is to be expected of mounting blobs between two repositories of one registry.
#[derive(Debug)]
pub(super) struct Mounts {
    from: Option<Repository>,
    hope: AtomicU8,
}

/// Mount at once: one request a blob.
const EAGER: u8 = 2;
/// A mount became an upload before: ask first whether the blob is there.
const DOUBTFUL: u8 = 1;
/// Refused: do not ask again.
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
    /// Brings a blob to the destination. `None` when it is one that may stay elsewhere, and the
    /// source does not have it.
    pub(super) async fn copy_blob(self: &Arc<Self>, blob: &Descriptor) -> Result<Option<How>, OciError> {
        let what = format!("copy of blob {} to {}", blob.digest, self.destination.repository);
        let mut tries = 0;
        let attempt = || {
            tries += 1;
            self.try_blob(blob, tries <= MOUNT_TRIES)
        };
        let how = match self.destination.client.patiently(&what, attempt).await {
            Ok(how) => how,
            Err(error) if error.is_not_found() && !blob.urls.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        };
        self.options.listener.tell(Progress::Done { digest: blob.digest.clone(), size: blob.size, how });
        Ok(Some(how))
    }

    async fn try_blob(self: &Arc<Self>, blob: &Descriptor, mount: bool) -> Result<How, Trouble> {
        let mut session = None;
        let mut asked = !mount;
        if !asked && let Some(from) = self.mounts.from(EAGER) {
            asked = true;
            match self.mount(blob, from).await? {
                Mount::Done => return Ok(How::Mounted),
                Mount::Session(url) => session = Some(url),
                Mount::Refused => {}
            }
        }
        if self.destination.has_blob(blob).await? {
            if let Some(session) = session {
                self.destination.abandon(session).await;
            }
            return Ok(How::Skipped);
        }
        if !asked && let Some(from) = self.mounts.from(DOUBTFUL) {
            match self.mount(blob, from).await? {
                Mount::Done => return Ok(How::Mounted),
                Mount::Session(url) => session = Some(url),
                Mount::Refused => {}
            }
        }
        let job = Arc::clone(self);
        let (digest, size) = (blob.digest.clone(), blob.size);
        let meter = move |done| {
            job.options.listener.tell(Progress::Moving { digest: digest.clone(), size, done });
        };
        let source = Source::Remote { route: self.source.clone(), meter: Some(Arc::new(meter)) };
        self.destination.upload(blob, &source, session).await?;
        Ok(How::Moved)
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
