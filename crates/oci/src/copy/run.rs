//! The copy itself: walks the image and copies blobs as they are found. Then writes children before parents and the
//! tag last, and reads it back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{join, try_join_all};
use tokio::task::JoinSet;

use super::attached::Attachment;
use super::blobs::Mounts;
use super::concurrency_limit::ConcurrencyLimit;
use super::tags::Held;
use super::{Arrival, CopyOptions, CopyProgress, CopyReport, Tally};
use crate::client::Client;
use crate::digest::Digest;
use crate::error::OciError;
use crate::manifest::{Contents, Descriptor, Manifest};
use crate::reference::{Reference, Repository, TagOrDigest};
use crate::route::Route;
use sys::sync::Mutex;

/// Deeper than any legitimate image.
const DEEPEST: usize = 16;

impl Client {
    /// Copies an image byte for byte: indexes with all platforms, manifests and blobs. Blobs come first, then
    /// children before their parents, and the tags last. Each tag is read back. An interrupted copy leaves no tag,
    /// and its blobs need not be copied again.
    ///
    /// Blobs are mounted within one registry, and streamed between two, never held in memory. Without tags, the
    /// image is written under its digest only. If every tag has the digest already, no other request is sent.
    ///
    /// Dropping the future stops the copy.
    ///
    /// A tag of the source is resolved when its manifest is read, in the same request. The report contains the
    /// digest.
    ///
    /// # Errors
    /// The first failure. By default, a destination tag with another digest is one.
    pub async fn copy(
        &self,
        source: &Reference,
        destination: &Repository,
        tags: &[String],
        options: &CopyOptions,
    ) -> Result<CopyReport, OciError> {
        let (source, which) = (&source.repository, &source.which());
        let tags = tags.iter().map(|tag| destination.tag(tag)).collect::<Result<Vec<Reference>, _>>()?;
        let together = source.registry() == destination.registry();
        let job = Job::new(self, source, destination, options, together).await?;
        let (held, root) = job.look(which, &tags).await;
        let denied = root.as_ref().is_err_and(OciError::is_denied)
            || held.iter().any(|held| held.as_ref().is_err_and(OciError::is_denied));
        if together && denied {
            // A token for both repositories may require more rights than we have.
            let job = Job::new(self, source, destination, options, false).await?;
            let (held, root) = job.look(which, &tags).await;
            return Box::pin(job.run(which, &tags, held, root)).await;
        }
        Box::pin(job.run(which, &tags, held, root)).await
    }
}

/// A copy in progress.
pub(super) struct Job {
    pub(super) source: Route,
    pub(super) destination: Route,
    pub(super) options: CopyOptions,
    pub(super) mounts: Mounts,
    /// Whether source and destination are in one registry, and a token may be for both.
    pub(super) together: bool,
    pub(super) limit: Arc<ConcurrencyLimit>,
    counts: Mutex<Counts>,
    manifests: AtomicU64,
    /// The blobs that have been handled. Image and referrers may share some.
    seen: Mutex<HashSet<Digest>>,
    /// The referrers that could not be read.
    pub(super) unread: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
struct Counts {
    found: Tally,
    moved: Tally,
    mounted: Tally,
    skipped: Tally,
    foreign: Tally,
}

/// How to walk an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Whether to copy blobs, and to find missing manifests.
    pub(super) whole: bool,
    /// Whether to find the referrers of manifests.
    pub(super) attached: bool,
}

/// An image after the walk.
pub(super) struct Graph {
    pub(super) root: Manifest,
    /// The manifests below the root that the destination lacks, those without children first.
    levels: Vec<Vec<Manifest>>,
    pub(super) attached: Vec<Attachment>,
}

/// The result of a task of the walk.
enum Step {
    Manifest {
        manifest: Manifest,
        present: bool,
        depth: usize,
    },
    /// An entry of an index that is a blob.
    Blob(Descriptor),
    Copied {
        blob: Descriptor,
        how: Option<Arrival>,
    },
    Attached(Vec<Attachment>),
}

impl Job {
    async fn new(
        client: &Client,
        source: &Repository,
        destination: &Repository,
        options: &CopyOptions,
        together: bool,
    ) -> Result<Arc<Self>, OciError> {
        let mut from = Route::pull(client, source);
        let mut to = Route::push(client, destination);
        if together {
            // A mount needs rights to both repositories, and a single token saves a request.
            to.scope = to.scope.and(source, &["pull"]);
            if client.found(source).await?.credentials == client.found(destination).await?.credentials {
                from.scope = to.scope.clone();
            }
        }
        let mounts = Mounts::new(
            (source != destination).then(|| if together { source.clone() } else { destination.clone() }),
        );
        Ok(Arc::new(Self {
            source: from,
            destination: to,
            options: options.clone(),
            mounts,
            together,
            limit: Arc::new(ConcurrencyLimit::new(options.concurrency)),
            counts: Mutex::default(),
            manifests: AtomicU64::new(0),
            seen: Mutex::default(),
            unread: Mutex::default(),
        }))
    }

    async fn run(
        self: &Arc<Self>,
        which: &TagOrDigest,
        tags: &[Reference],
        held: Vec<Held>,
        root: Result<Manifest, OciError>,
    ) -> Result<CopyReport, OciError> {
        let (digest, root) = match (which, root) {
            (TagOrDigest::Digest(digest), root) => (digest.clone(), root),
            (TagOrDigest::Tag(_), root) => {
                let root = root?;
                (root.digest.clone(), Ok(root))
            }
        };
        let digest = &digest;
        let missing = self.goals(tags, held, digest)?;
        let unchanged = missing.is_empty() && !tags.is_empty();
        let include_referrers =
            self.options.include_referrers && self.source.repository != self.destination.repository;
        if unchanged && !include_referrers {
            return Ok(self.report(digest, true, Vec::new()));
        }
        let root = root?;
        // Within one repository, everything exists; only the tags are new.
        let whole = !unchanged && self.source.repository != self.destination.repository;
        let graph = self.walk(root, Walk { whole, attached: include_referrers }).await?;
        self.push_children(&graph).await?;
        let attached = if graph.attached.is_empty() {
            Vec::new()
        } else {
            if !unchanged {
                // The referrers need it. The tag still comes last.
                self.push(&graph.root, &TagOrDigest::Digest(digest.clone())).await?;
            }
            self.copy_attached(graph.attached.clone(), digest).await?
        };
        if tags.is_empty() {
            self.push(&graph.root, &TagOrDigest::Digest(digest.clone())).await?;
        }
        self.write_tags(&graph.root, &missing).await?;
        Ok(self.report(digest, unchanged, attached))
    }

    /// Walks an image from its root and copies its blobs. Returns the manifests that must still be written.
    pub(super) async fn walk(self: &Arc<Self>, root: Manifest, walk: Walk) -> Result<Graph, OciError> {
        let mut tasks: JoinSet<Result<Step, OciError>> = JoinSet::new();
        let mut seen = HashSet::from([root.digest.clone()]);
        let mut nodes: HashMap<Digest, (Manifest, Vec<Digest>)> = HashMap::new();
        let mut attached = Vec::new();
        let mut queue = vec![Step::Manifest { manifest: root.clone(), present: false, depth: 0 }];
        loop {
            let step = match queue.pop() {
                Some(step) => step,
                None => match tasks.join_next().await {
                    // A task without a result has panicked: pass the panic on.
                    Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Some(Err(_)) => continue,
                    Some(Ok(step)) => step?,
                    None => break,
                },
            };
            match step {
                Step::Manifest { manifest, present, depth } => {
                    let contents = self.contents(&manifest, depth)?;
                    if walk.attached {
                        self.spawn_search(&mut tasks, manifest.digest.clone());
                    }
                    for child in &contents.manifests {
                        if seen.insert(child.digest.clone()) {
                            self.spawn_manifest(&mut tasks, child.clone(), depth + 1, walk);
                        }
                    }
                    if walk.whole {
                        self.blobs(&mut tasks, contents.blobs, present);
                    }
                    if walk.whole && !present {
                        let children = contents.manifests.into_iter().map(|child| child.digest).collect();
                        nodes.insert(manifest.digest.clone(), (manifest, children));
                    }
                }
                Step::Blob(blob) => {
                    if walk.whole {
                        self.blobs(&mut tasks, vec![blob], false);
                    }
                }
                Step::Copied { blob, how } => self.count(&blob, how),
                Step::Attached(found) => attached.extend(found),
            }
        }
        let levels = levels(&root.digest, nodes);
        Ok(Graph { root, levels, attached })
    }

    fn contents(&self, manifest: &Manifest, depth: usize) -> Result<Contents, OciError> {
        if depth > DEEPEST {
            let reason = format!("indexes are nested more than {DEEPEST} deep");
            return Err(self.source.unsupported(&manifest.digest, reason));
        }
        manifest.contents().map_err(|reason| self.source.unsupported(&manifest.digest, reason))
    }

    fn spawn_search(self: &Arc<Self>, tasks: &mut JoinSet<Result<Step, OciError>>, subject: Digest) {
        let job = Arc::clone(self);
        tasks.spawn(async move {
            let _pass = job.limit.enter().await;
            job.find_attached(&subject).await.map(Step::Attached)
        });
    }

    fn spawn_manifest(
        self: &Arc<Self>,
        tasks: &mut JoinSet<Result<Step, OciError>>,
        child: Descriptor,
        depth: usize,
        walk: Walk,
    ) {
        let job = Arc::clone(self);
        tasks.spawn(async move {
            let _pass = job.limit.enter().await;
            let which = TagOrDigest::Digest(child.digest.clone());
            // Some registries fail if a blob is read as a manifest, so it is requested as a blob.
            let mut unknown = false;
            if !child.is_manifest() {
                match job.source.find_blob(&child).await {
                    Err(error) if error.leaves_open() => unknown = true,
                    Ok(false) => {}
                    Ok(true) => return Ok(Step::Blob(child)),
                    Err(error) => return Err(error),
                }
            }
            let there = async { if walk.whole { job.destination.resolve(&which).await } else { Ok(None) } };
            let (there, read) = join(there, job.source.manifest(&which)).await;
            let manifest = match read {
                Err(error) if unknown && (error.is_not_found() || error.leaves_open()) => {
                    return Ok(Step::Blob(child));
                }
                read => read?,
            };
            let there = match there {
                Err(error) if error.leaves_open() => None,
                there => there?,
            };
            // An index may exist without its children. A manifest has its blobs.
            let index = manifest.contents().is_ok_and(|contents| contents.index);
            let present = there.is_some() && !index;
            Ok(Step::Manifest { manifest, present, depth })
        });
    }

    /// Copies new blobs, the largest first, because they take longest.
    fn blobs(
        self: &Arc<Self>,
        tasks: &mut JoinSet<Result<Step, OciError>>,
        mut blobs: Vec<Descriptor>,
        present: bool,
    ) {
        {
            // A manifest may list a blob twice.
            let mut seen = self.seen.lock();
            blobs.retain(|blob| seen.insert(blob.digest.clone()));
        }
        blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        for blob in blobs {
            if present || blob.is_foreign() {
                self.count(&blob, present.then_some(Arrival::Skipped));
                continue;
            }
            self.found(blob.size);
            let job = Arc::clone(self);
            tasks.spawn(async move {
                let _pass = job.limit.enter().await;
                let how = job.copy_blob(&blob).await?;
                Ok(Step::Copied { blob, how })
            });
        }
    }

    fn found(&self, size: u64) {
        let found = {
            let mut counts = self.counts.lock();
            counts.found.add(size);
            counts.found
        };
        self.options.listener.on_event(CopyProgress::Found { blobs: found.blobs, bytes: found.bytes });
    }

    /// Whether some blobs existed already.
    pub(super) fn has_skipped(&self) -> bool {
        self.counts.lock().skipped.blobs > 0
    }

    fn count(&self, blob: &Descriptor, how: Option<Arrival>) {
        let mut counts = self.counts.lock();
        match how {
            Some(Arrival::Moved) => counts.moved.add(blob.size),
            Some(Arrival::Mounted) => counts.mounted.add(blob.size),
            Some(Arrival::Skipped) => counts.skipped.add(blob.size),
            None => counts.foreign.add(blob.size),
        }
    }

    /// Writes everything but the root, children before parents.
    pub(super) async fn push_children(self: &Arc<Self>, graph: &Graph) -> Result<(), OciError> {
        for level in &graph.levels {
            try_join_all(level.iter().map(|manifest| async {
                let _pass = self.limit.enter().await;
                self.push(manifest, &TagOrDigest::Digest(manifest.digest.clone())).await
            }))
            .await?;
        }
        Ok(())
    }

    pub(super) async fn push(&self, manifest: &Manifest, which: &TagOrDigest) -> Result<(), OciError> {
        if !self.options.dry_run {
            self.destination.push_manifest(manifest, which).await?;
        }
        self.manifests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn report(&self, digest: &Digest, unchanged: bool, attached: Vec<super::Attached>) -> CopyReport {
        let counts = self.counts.lock();
        CopyReport {
            digest: digest.clone(),
            unchanged,
            manifests: self.manifests.load(Ordering::Relaxed),
            moved: counts.moved,
            mounted: counts.mounted,
            skipped: counts.skipped,
            foreign: counts.foreign,
            attached,
            unread: self.unread.lock().clone(),
        }
    }
}

/// Sorts manifests so that children come before their parents. The root is left out.
fn levels(root: &Digest, mut nodes: HashMap<Digest, (Manifest, Vec<Digest>)>) -> Vec<Vec<Manifest>> {
    nodes.remove(root);
    let mut levels = Vec::new();
    while !nodes.is_empty() {
        let (ready, rest): (HashMap<_, _>, HashMap<_, _>) = {
            let waiting: HashSet<Digest> = nodes.keys().cloned().collect();
            nodes
                .into_iter()
                .partition(|(_, (_, children))| !children.iter().any(|child| waiting.contains(child)))
        };
        // Digests cannot form a cycle.
        if ready.is_empty() {
            break;
        }
        levels.push(ready.into_values().map(|(manifest, _)| manifest).collect());
        nodes = rest;
    }
    levels
}
