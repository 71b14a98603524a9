//! Copies an image, whole and unchanged: the options of a copy, and its report.
//! `run` walks the image, `blobs` brings one blob over, `attached` what refers to the image, `tags` writes the
//! tags, `concurrency_limit` decides how much is under way at once.

mod attached;
mod blobs;
mod concurrency_limit;
mod run;
mod tags;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// What to do where a destination tag names something else already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExisting {
    /// Stop with an error that shows both digests, before anything is written.
    #[default]
    Fail,
    /// Let the tag name the new image.
    Overwrite,
}

/// How a copy is made.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// What happens to tags in use.
    pub on_existing: OnExisting,
    /// Whether signatures, SBOMs and attestations come along: referrers, and cosign's tags.
    pub include_referrers: bool,
    /// Artifact types of referrers that stay behind all the same.
    pub except: Vec<String>,
    /// How many blobs and manifests are under way at once to begin with, at least one. Twice as
    /// many while all goes well, fewer when a registry complains.
    pub concurrency: usize,
    /// Only read, and report what a copy would do.
    pub dry_run: bool,
    /// Listens to the progress.
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

/// Something happened in a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyProgress {
    /// More blobs are part of the image: so many in all, so far.
    Found {
        /// Blobs.
        blobs: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Bytes of a blob came. After a failed try the count begins anew.
    Moving {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The bytes that have come.
        done: u64,
    },
    /// A blob is at the destination.
    Done {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// How it came there.
        how: Arrival,
    },
}

/// How a blob came to the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Its bytes were moved.
    Moved,
    /// The registry took it over from another of its repositories.
    Mounted,
    /// It was there.
    Skipped,
}

/// Listens to the progress of a copy. It is called often and from many tasks, so it should be quick.
#[derive(Clone)]
pub struct CopyListener(Arc<dyn Fn(CopyProgress) + Send + Sync>);

impl CopyListener {
    /// Calls `on_event` for each event.
    pub fn new(on_event: impl Fn(CopyProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(on_event))
    }

    /// Passes an event on.
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
    /// Blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, size: u64) {
        self.blobs += 1;
        self.bytes += size;
    }
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopyReport {
    /// The digest at the source and, read back, at the destination.
    pub digest: Digest,
    /// Every destination tag had this digest before; nothing of the image was written.
    pub unchanged: bool,
    /// Manifests and indexes that were written.
    pub manifests: u64,
    /// Blobs whose bytes were moved.
    pub moved: Tally,
    /// Blobs that the registry took over by itself.
    pub mounted: Tally,
    /// Blobs that were at the destination.
    pub skipped: Tally,
    /// Foreign layers, which stay where they are.
    pub foreign: Tally,
    /// What refers to the image.
    pub attached: Vec<Attached>,
    /// What may refer to it too, but could not be read at the source and was left behind; with the reason.
    #[serde(default)]
    pub unread: Vec<String>,
}

/// Something that refers to the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attached {
    /// The manifest that it is about.
    pub subject: Digest,
    /// Its own digest.
    pub digest: Digest,
    /// Its artifact type, or cosign's tag.
    pub what: String,
    /// Its final state.
    pub state: AttachedState,
}

/// What became of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachedState {
    /// It was copied.
    Copied,
    /// It was there.
    Present,
    /// The destination has another one under this tag, and keeps it: tags in use do not move.
    Kept,
}
