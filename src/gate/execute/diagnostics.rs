//! Finds out why a target failed: from its output and, if it deploys, from the cluster.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Execution;
use super::target::{Beside, Ran};
use crate::domain::cause::{Cause, Finder};
use crate::gate::plan::{Step, Target};
use sys::error::Failure;
use sys::retry::{Policy, Retrying};
use workflow_commands::{neutralize, stripped};

/// Two attempts, so that diagnostics do not keep the user waiting.
const ATTEMPTS: u32 = 2;

/// How many bytes of a log are searched at once. A longer line is searched in parts.
const BLOCK: usize = 256 * 1024;

impl Execution<'_> {
    /// Runs a target. If it fails, finds out why.
    pub(super) async fn diagnosed(
        &self,
        step: &Step,
        target: &Target,
        beside: Beside<'_>,
        began: Timestamp,
    ) -> Result<Option<Ran>, Failure> {
        let reports = self.reports_before(self.directory(beside)).await;
        let Some(mut ran) = self.target(step, target, beside).await? else { return Ok(None) };
        ran.tests = self.results_of(&step.name, reports, &ran).await;
        if ran.failed() {
            let (cause, cluster) = tokio::join!(self.cause_of(&ran), self.cluster_of(target, began));
            (ran.cause, ran.cluster) = (cause, cluster);
        }
        Ok(Some(ran))
    }

    /// The cause of a failure, from the target's output or else from its test reports.
    async fn cause_of(&self, ran: &Ran) -> Option<Cause> {
        let log = ran.log_of_failure();
        let found = match log {
            Some(log) => {
                let workspace = ran.workspace(&self.run_context.paths.workspace);
                let files = Files { directory: ran.directory.clone(), workspace: workspace.to_owned() };
                let log = log.to_owned();
                self.blocking(move || search(&log, &files)).await.flatten()
            }
            None => None,
        };
        let last_lines = || {
            let lines: Vec<_> = ran.tail().iter().map(|line| stripped(line).into_owned()).collect();
            Cause::last_lines(lines.iter().map(String::as_str))
        };
        let of_test = || log.and_then(|_| ran.tests.as_ref()?.cause());
        let cause = found.or_else(of_test).or_else(last_lines)?;
        let clean = |text: String| neutralize(&self.masker.clean(&text)).into_owned();
        let (headline, lines) = (clean(cause.headline), cause.lines.into_iter().map(clean).collect());
        Some(Cause { headline, lines, ..cause })
    }

    /// The diagnostics of the namespace that a target deploys to.
    async fn cluster_of(&self, target: &Target, since: Timestamp) -> Vec<String> {
        let Some(namespace) = target.namespace.as_deref().filter(|_| target.deploys) else {
            return Vec::new();
        };
        let retrying =
            Retrying { policy: Policy { attempts: ATTEMPTS, ..Policy::default() }, ..Retrying::default() };
        // Without a cluster, targets have an empty kubeconfig.
        let Ok(api) = self.api(retrying) else { return Vec::new() };
        let mut stop = self.stop.clone();
        let lines = tokio::select! {
            lines = api.diagnostics(namespace, Some(since)) => lines,
            _ = stop.wait() => Vec::new(),
        };
        lines.into_iter().map(|line| neutralize(&self.masker.clean(&line)).into_owned()).collect()
    }
}

/// Where the files that a target names are.
pub(super) struct Files {
    /// Relative names start here.
    pub(super) directory: PathBuf,
    /// The root of the workspace or of its copy.
    pub(super) workspace: PathBuf,
}

impl Files {
    /// The path of a file in the repository, if it belongs there. The files of installed packages do not.
    pub(super) fn known(&self, file: &str) -> Option<String> {
        let path = self.directory.join(file).canonicalize().ok()?;
        let inside = path.strip_prefix(self.workspace.canonicalize().ok()?).ok()?;
        let brought = ["node_modules", "site-packages", ".git", "vendor", ".venv", "target"];
        let is_own = !inside.iter().any(|part| brought.iter().any(|name| part == *name));
        (is_own && path.is_file()).then(|| inside.to_str().map(str::to_owned)).flatten()
    }
}

/// Searches a log block by block for the cause of a failure.
fn search(log: &Path, files: &Files) -> Option<Cause> {
    let mut finder = Finder::new();
    // Without a log, the last lines of the output remain.
    read_lines(File::open(log).ok()?, |lines| finder.push(lines)).ok()?;
    finder.finish(|file| files.known(file))
}

/// Reads blocks of whole lines.
fn read_lines(mut file: impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut held = 0;
    loop {
        let read = file.read(&mut block[held..])?;
        held += read;
        let end = match memchr::memrchr(b'\n', &block[..held]) {
            Some(end) => end + 1,
            None if read == 0 || held == block.len() => held,
            None => continue,
        };
        take(&block[..end]);
        block.copy_within(end..held, 0);
        held -= end;
        if read == 0 {
            take(&block[..held]);
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn lines_stay_whole_and_nothing_is_lost() {
        let text = [&b"x".repeat(3 * BLOCK)[..], b"\n", &b"a line\n".repeat(BLOCK), b"no end"].concat();
        let mut seen = Vec::new();
        read_lines(&text[..], |lines| {
            assert!(lines.len() <= BLOCK);
            seen.extend_from_slice(lines);
        })
        .unwrap();
        assert!(seen == text);
    }

    #[test]
    fn only_files_of_the_repository_are_known() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for file in ["apps/shop/src/a.ts", "apps/shop/node_modules/b.js", "root.py"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        let files = Files { directory: root.join("apps/shop"), workspace: root.clone() };
        let absolute = root.join("apps/shop/src/a.ts").display().to_string();
        for file in ["src/a.ts", "./src/a.ts", &absolute] {
            assert_eq!(files.known(file).as_deref(), Some("apps/shop/src/a.ts"));
        }
        assert_eq!(files.known("../../root.py").as_deref(), Some("root.py"));
        for file in ["node_modules/b.js", "src", "missing.ts", "/etc/passwd", "../../../../etc/passwd", ""] {
            assert_eq!(files.known(file), None, "{file}");
        }
    }
}
