//! The copy of the workspace for nft, while functional runs in the workspace itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::run_context::{RunContext, inside};
use crate::edges::workspace::{
    ArtifactGlobs, Copied as Counted, Snapshot, WorkspaceCopyOptions, WorkspaceError, bring_back,
    copy_workspace,
};
use crate::report::size;
use sys::process::Stop;
use sys::removals::Temporary;

/// A copy of the workspace. When it is dropped, it is removed in the background.
pub(super) struct Copied {
    root: PathBuf,
    _directory: Temporary,
    counted: Counted,
    globs: Arc<ArtifactGlobs>,
    snapshot: Arc<Snapshot>,
}

impl Copied {
    /// Copies the workspace, or returns the reason why it cannot. On a signal, the copying ends in the background.
    pub(super) async fn make(
        run_context: &RunContext,
        globs: &[String],
        mut stop: Stop,
    ) -> Result<Self, String> {
        let from = run_context.paths.workspace.clone();
        let holds = run_context.paths.large().map_err(|failure| failure.what)?;
        let root = holds.path().join("nft-workspace");
        let directory = run_context.paths.directory.clone();
        let globs =
            ArtifactGlobs::parse(globs.iter().map(String::as_str)).map_err(|error| error.to_string())?;
        let stopped = Arc::new(AtomicBool::new(false));
        let options = WorkspaceCopyOptions {
            limit_bytes: run_context.copy_limit,
            whole: directory.clone(),
            stop: Arc::clone(&stopped),
        };
        // Before p2p exits, it removes what an interrupted copy has left.
        let under_way = run_context.paths.removals().begin();
        let copying = tokio::task::spawn_blocking(move || {
            let made = make(&from, &root, &options, &globs, &directory);
            let made = made.map(|(counted, snapshot)| {
                let (globs, snapshot) = (Arc::new(globs), Arc::new(snapshot));
                Self { root, _directory: holds, counted, globs, snapshot }
            });
            (made, under_way)
        });
        let copied = tokio::select! {
            copied = copying => copied,
            _ = stop.wait() => {
                stopped.store(true, Ordering::Relaxed);
                return Err(WorkspaceError::Stopped.to_string());
            }
        };
        match copied {
            Ok((Ok(copied), _)) => Ok(copied),
            Ok((Err(WorkspaceError::TooLarge { bytes, limit }), _)) => {
                Err(format!("the workspace holds {}, over the `copy-limit` of {}", size(bytes), size(limit)))
            }
            Ok((Err(error), _)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// The line about the copy in the log.
    pub(super) fn message(&self, name: &str) -> String {
        let how = if self.counted.cloned { ", cloned by the file system" } else { "" };
        let (files, bytes) = (self.counted.files, size(self.counted.bytes));
        format!("{name} runs in a copy of the workspace ({files} files, {bytes}{how})")
    }

    /// Copies the files of the globs back to the workspace. Returns warnings. Blocks, and does not delay the removal
    /// of the copy.
    pub(super) fn bring_back(&self, run_context: &RunContext) -> impl FnOnce() -> Vec<String> + Send + use<> {
        let copy = inside(&self.root, &run_context.paths);
        let aside = run_context.paths.logs.join("nft-artifacts");
        let into = run_context.paths.directory.clone();
        let (globs, snapshot) = (Arc::clone(&self.globs), Arc::clone(&self.snapshot));
        move || match bring_back(&globs, &copy, &into, &snapshot, &aside) {
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

fn make(
    from: &Path,
    to: &Path,
    options: &WorkspaceCopyOptions,
    globs: &ArtifactGlobs,
    directory: &Path,
) -> Result<(Counted, Snapshot), WorkspaceError> {
    // The snapshot comes first, so that later changes count as changes.
    let snapshot = Snapshot::take(globs, directory)?;
    Ok((copy_workspace(from, to, options)?, snapshot))
}
