//! Copies an image, complete and unchanged: the options and the report. `run` walks the image, `blobs` copies one
//! blob, `attached` copies referrers, `tags` writes the tags, `concurrency_limit` limits parallel requests.

mod attached;
mod blobs;
mod concurrency_limit;
mod run;
mod tags;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// What happens if a destination tag names another image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExisting {
    /// It is an error that shows both digests, before anything is written.
    #[default]
    Fail,
    /// The tag moves to the new image.
    Overwrite,
}

/// The options of a copy.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    pub on_existing: OnExisting,
    /// Whether signatures, SBOMs and attestations are copied: referrers, and cosign's tags.
    pub include_referrers: bool,
    /// Artifact types of referrers that are not copied.
    pub except: Vec<String>,
    /// How many blobs and manifests are copied in parallel at first, at least one. The number doubles while all
    /// succeed, and falls when a registry complains.
    pub concurrency: usize,
    /// Whether to read only, and report what a copy would do.
    pub dry_run: bool,
    /// Gets the progress.
    pub listener: CopyListener,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            on_existing: OnExisting::default(),
            include_referrers: false,
            except: Vec::new(),
            concurrency: 32,
            dry_run: false,
            listener: CopyListener::default(),
        }
    }
}

/// The progress of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyProgress {
    /// More blobs belong to the image. The numbers are totals so far.
    Found { blobs: u64, bytes: u64 },
    /// Bytes of a blob have arrived. After a failed try, the count starts again.
    Moving { digest: Digest, size: u64, done: u64 },
    /// A blob is at the destination.
    Done {
        digest: Digest,
        size: u64,
        /// How it got there.
        how: Arrival,
    },
}

/// How a blob got to the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Its bytes were copied.
    Moved,
    /// The registry mounted it from another of its repositories.
    Mounted,
    /// It existed already.
    Skipped,
}

/// A listener for the progress of a copy. It is called often and from many tasks, so it should be fast.
#[derive(Clone)]
pub struct CopyListener(Arc<dyn Fn(CopyProgress) + Send + Sync>);

impl CopyListener {
    pub fn new(on_event: impl Fn(CopyProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(on_event))
    }

    pub fn on_event(&self, progress: CopyProgress) {
        (self.0)(progress);
    }
}

impl Default for CopyListener {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for CopyListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// A number of blobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub blobs: u64,
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, size: u64) {
        self.blobs += 1;
        self.bytes += size;
    }
}

/// The report of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopyReport {
    /// The digest at the source, which was also read back at the destination.
    pub digest: Digest,
    /// Whether every destination tag had this digest before, so that nothing of the image was written.
    pub unchanged: bool,
    /// The number of written manifests and indexes.
    pub manifests: u64,
    /// The copied blobs.
    pub moved: Tally,
    /// The mounted blobs.
    pub mounted: Tally,
    /// The blobs that existed at the destination.
    pub skipped: Tally,
    /// Foreign layers, which are not copied.
    pub foreign: Tally,
    /// The referrers of the image.
    pub attached: Vec<Attached>,
    /// Possible referrers that could not be read at the source and were not copied, each with the reason.
    #[serde(default)]
    pub unread: Vec<String>,
}

/// A referrer of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attached {
    /// The manifest that it refers to.
    pub subject: Digest,
    pub digest: Digest,
    /// Its artifact type, or cosign's tag.
    pub what: String,
    pub state: AttachedState,
}

/// What happened to a referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachedState {
    /// It was copied.
    Copied,
    /// It existed already.
    Present,
    /// The destination has another one under this tag, and keeps it: tags in use do not move.
    Kept,
}
