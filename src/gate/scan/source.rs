//! Scans the source: dependencies and licences, and secrets in commits.

use super::{ScanRun, Scanned, files, or_notice};
use crate::domain::scan::{ScanFindings, ScanGroup};
use crate::edges::git::Worktree;
use crate::edges::scanners::{Commits, TrivyReport, read_secret_lines};
use crate::inputs::History;
use sys::error::{Exit, Failure, FileError};
use sys::private::{self, Links};

/// The reports of the scanners, below the scan's directory.
const FILES: [&str; 2] = ["trivy/trivy-fs.json", "trufflehog/findings.ndjson"];
/// Trivy's report about the base of a pull request.
const BASE: &str = "trivy/trivy-fs-base.json";
/// The largest report of an earlier job, in bytes.
const LONGEST: u64 = 1 << 30;

impl Scanned {
    /// Runs both scanners at the same time.
    pub(super) async fn source(&mut self, secrets: bool, dependencies: bool) {
        let run = &self.run;
        let (mut range, mut group) = (String::new(), ScanGroup::default());
        let search = async {
            let commits = run.commits().await?;
            range = commits.to_string();
            let mut found = run.scanners.history(&run.root, &commits).await?;
            for secret in &mut found {
                secret.link(run.page.as_deref());
            }
            Ok(found)
        };
        let look_up = async {
            let mut report = run.scanners.dependencies(&run.root).await?;
            if let Some(base) = run.job.base.as_ref().filter(|_| run.job.compare) {
                let compared = run.compare(&mut report.findings, base).await;
                or_notice(
                    compared,
                    &mut group,
                    &format!("dependencies were not compared with the base {base}"),
                );
            }
            Ok(report)
        };
        let found = tokio::join!(async { if dependencies { Some(look_up.await) } else { None } }, async {
            if secrets { Some(search.await) } else { None }
        });
        self.scan.range = range;
        self.add(&mut group, "the source", found, FILES);
        self.scan.groups.push(group);
    }

    /// Reads the findings of earlier jobs from the reports in a directory.
    pub(super) fn reports(&mut self, directory: &str) {
        let (named, directory) = (directory, self.run.directory.join(directory));
        if !directory.is_dir() {
            self.scan.failures.push(Failure::usage(
                format!("`{named}` is not a directory"),
                "name the directory that earlier jobs left their reports in, with `trivy` and `trufflehog` inside",
            ));
            return;
        }
        let read = |name: &str| {
            let file = directory.join(name);
            private::read(&file, Links::Refuse, LONGEST)
                .map_err(|error| Failure::from(FileError::at("read", &file)(error)))
        };
        let report = |name: &str| TrivyReport::parse(&read(name)?, false);
        let reported = report(FILES[0]).map(|mut found| {
            // Only pull requests have this report.
            if let Ok(before) = report(BASE) {
                found.findings.compare(&before.findings);
            }
            found
        });
        let searched = read(FILES[1]).and_then(|lines| read_secret_lines(&lines));
        let mut group = ScanGroup::default();
        self.add(&mut group, "the source", (Some(reported), Some(searched)), FILES);
        "earlier jobs".clone_into(&mut self.scan.range);
        self.scan.groups.push(group);
    }
}

impl ScanRun {
    /// Marks the vulnerabilities that the commit `base` does not have.
    async fn compare(&self, findings: &mut ScanFindings, base: &str) -> Result<(), Failure> {
        let Self { git, root, scratch, scanners, .. } = self;
        // For GitHub's merge commit of a pull request, the first parent is the base.
        let known = match git.peel(root, base).await? {
            None if git.peel(root, "HEAD^2").await?.is_some() => git.peel(root, "HEAD^1").await?,
            known => known,
        };
        let commit = known.ok_or_else(|| too_shallow(&format!("the commit {base}")))?;
        let to = scratch.path().join("base");
        let tree = Worktree { from: root, url: None, token: None, tag: "base", commit: &commit, to: &to };
        git.worktree(tree).await?;
        let report = scanners.dependencies(&to).await?;
        findings.compare(&report.findings);
        files::write(&self.reports, BASE, &report.document)
    }

    /// The commits to search: all, those of the event, or the last one.
    async fn commits(&self) -> Result<Commits, Failure> {
        let (git, root) = (&self.git, &self.root);
        let shallow = git.is_shallow(root).await?;
        if self.job.options.history == History::Full {
            return if shallow { Err(too_shallow("the whole history")) } else { Ok(Commits::All) };
        }
        if let Some(base) = &self.job.base {
            if git.peel(root, base).await?.is_some() {
                return Ok(Commits::Since(base.clone()));
            }
            // After a forced push, the commits before it cannot be fetched.
            if shallow {
                return Err(too_shallow(&format!("the commit {base}, which the event begins after,")));
            }
        }
        let parent = git.peel(root, "HEAD^").await?;
        Ok(parent.map_or(Commits::Last, |parent| Commits::Since(parent.as_str().to_owned())))
    }
}

fn too_shallow(what: &str) -> Failure {
    let what = format!("this checkout lacks {what} and cannot be searched for secrets completely");
    Failure::new(Exit::Failed, what, "give the step that checks out `fetch-depth: 0`")
}
