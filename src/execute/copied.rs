//! The copy of the workspace in which nft runs while functional runs in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::site::{Site, inside};
use crate::process::Stop;
use crate::report::size;
use crate::workspace::{
    ArtifactGlobs, Copied as Counted, CopyOptions, Snapshot, WorkspaceError, bring_back, copy_workspace,
    remove_tree,
};

/// A copy that was made; removed when dropped.
pub(super) struct Copied {
    root: PathBuf,
    counted: Counted,
    globs: ArtifactGlobs,
    snapshot: Snapshot,
}

impl Copied {
    /// Copies the workspace; where it cannot be, says why.
    pub(super) async fn make(site: &Site, globs: &[String], mut stop: Stop) -> Result<Self, String> {
        let from = site.paths.workspace.clone();
        let scratch = site.paths.scratch().map_err(|failure| failure.what)?;
        let root = scratch.join("nft-workspace");
        let directory = site.paths.directory.clone();
        let globs =
            ArtifactGlobs::parse(globs.iter().map(String::as_str)).map_err(|error| error.to_string())?;
        let stopped = Arc::new(AtomicBool::new(false));
        let options = CopyOptions {
            limit_bytes: site.copy_limit,
            whole: directory.clone(),
            stop: Arc::clone(&stopped),
        };
        let to = root.clone();
        let mut copying = tokio::task::spawn_blocking(move || {
            let made = make(&from, &to, &options, &globs, &directory);
            made.map(|(counted, snapshot)| (counted, snapshot, globs))
        });
        let copied = tokio::select! {
            copied = &mut copying => copied,
            _ = stop.wait() => {
                stopped.store(true, Ordering::Relaxed);
                copying.await
            }
        };
        match copied {
            Ok(Ok((counted, snapshot, globs))) => Ok(Self { root, counted, globs, snapshot }),
            Ok(Err(WorkspaceError::TooLarge { bytes, limit })) => {
                Err(format!("the workspace holds {}, over the `copy-limit` of {}", size(bytes), size(limit)))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The root of the copy.
    pub(super) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// What the log says of it.
    pub(super) fn said(&self, name: &str) -> String {
        let how = if self.counted.cloned { ", cloned by the file system" } else { "" };
        let (files, bytes) = (self.counted.files, size(self.counted.bytes));
        format!("{name} runs in a copy of the workspace ({files} files, {bytes}{how})")
    }

    /// Brings the files back that the globs name. Gives what is to be warned of.
    pub(super) fn bring_back(&self, site: &Site) -> Vec<String> {
        let copy = inside(&self.root, &site.paths);
        let aside = site.paths.logs.join("nft-artifacts");
        match bring_back(&self.globs, &copy, &site.paths.directory, &self.snapshot, &aside) {
            Ok(brought) => brought
                .conflicts
                .iter()
                .map(|conflict| {
                    format!(
                        "both functional and nft wrote {}; nft's is kept at {}",
                        conflict.path.display(),
                        conflict.other.display()
                    )
                })
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // The job's temporary directory goes with the job in any case.
        let _gone = remove_tree(&self.root);
    }
}

fn make(
    from: &Path,
    to: &Path,
    options: &CopyOptions,
    globs: &ArtifactGlobs,
    directory: &Path,
) -> Result<(Counted, Snapshot), WorkspaceError> {
    // Taken first: what changes in between counts as changed.
    let snapshot = Snapshot::take(globs, directory)?;
    Ok((copy_workspace(from, to, options)?, snapshot))
}
