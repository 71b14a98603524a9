//! Scans the source: dependencies and licences, and secrets in commits.

use super::files;
use super::{Part, ScanRun, Scanned, sentence};
use crate::domain::scan::{History, ScanFindings};
use crate::edges::git::Worktree;
use crate::edges::scanners::{Commits, read_secret_lines, read_trivy, read_trufflehog};
use sys::error::{Exit, Failure, FileError};
use sys::private::{self, Links};

/// The reports of the scanners, below the scan's directory.
const TRIVY: &str = "trivy/trivy-fs.json";
const BASE: &str = "trivy/trivy-fs-base.json";
const TRUFFLEHOG: &str = "trufflehog/findings.ndjson";
/// What is missing if a scanner failed.
const WHAT: [&str; 2] =
    ["dependencies and licences were not scanned", "commits were not searched for secrets"];
/// The largest report of an earlier job, in bytes.
const LONGEST: u64 = 1 << 30;

impl Scanned {
    /// Runs both scanners at the same time. Dependencies are compared with those of the commit `before`.
    pub(super) async fn source(
        &mut self,
        secrets: bool,
        dependencies: bool,
        base: Option<&str>,
        before: Option<&str>,
    ) {
        let (scanners, root) = (&self.run.scanners, &self.run.root);
        let search = async {
            let (commits, range) = self.commits(base).await?;
            let found = scanners.history(root, &commits).await?;
            Ok::<_, Failure>((read_trufflehog(&found, self.run.page.as_deref())?, range))
        };
        let look_up = async {
            let report = scanners.dependencies(root, self.run.now).await?;
            let mut findings = read_trivy(&report, false)?;
            let compared = match before {
                Some(before) => self.compare(&mut findings, before).await.map_err(|failure| {
                    format!("dependencies were not compared with the base {before}: {}", sentence(&failure))
                }),
                None => Ok(()),
            };
            Ok::<_, Failure>((findings, report, compared))
        };
        let (searched, looked_up) =
            tokio::join!(async { if secrets { Some(search.await) } else { None } }, async {
                if dependencies { Some(look_up.await) } else { None }
            });
        let mut part = Part::default();
        let reported = looked_up.map(|looked_up| {
            let (findings, report, compared) = looked_up?;
            part.notices.extend(compared.err());
            Ok((findings, report))
        });
        let searched = searched.map(|searched| {
            let (found, range) = searched?;
            self.range = range;
            Ok(found)
        });
        self.complete = secrets && self.run.job.options.history == History::Full;
        self.add(&mut part, (reported, searched), [TRIVY, TRUFFLEHOG], WHAT);
        self.parts.push(part);
    }

    /// Marks the vulnerabilities that the commit `before` does not have.
    async fn compare(&self, findings: &mut ScanFindings, before: &str) -> Result<(), Failure> {
        let ScanRun { git, root, scratch, scanners, now, .. } = &self.run;
        // For GitHub's merge commit of a pull request, the first parent is the base.
        let known = match git.peel(root, before).await? {
            None if git.peel(root, "HEAD^2").await?.is_some() => git.peel(root, "HEAD^1").await?,
            known => known,
        };
        let commit = known.ok_or_else(|| too_shallow(&format!("the commit {before}")))?;
        let to = scratch.path().join("base");
        let tree = Worktree { from: root, url: None, token: None, tag: "base", commit: &commit, to: &to };
        git.worktree(tree).await?;
        let report = scanners.dependencies(&to, *now).await?;
        findings.compare(&read_trivy(&report, false)?);
        files::write_bytes(&self.run.reports, BASE, &report)
    }

    /// Reads the findings of earlier jobs from the reports in a directory.
    pub(super) fn reports(&mut self, directory: &str) {
        let (named, directory) = (directory, self.run.directory.join(directory));
        if !directory.is_dir() {
            self.failures.push(Failure::usage(
                format!("`{named}` is not a directory"),
                "name the directory that earlier jobs left their reports in, with `trivy` and `trufflehog` inside",
            ));
            return;
        }
        let read = |name: &str| {
            let file = directory.join(name);
            private::read(&file, Links::Refuse, LONGEST).map_err(FileError::at("read", &file))
        };
        let reported = read(TRIVY).map_err(Failure::from).and_then(|report| {
            let mut found = read_trivy(&report, false)?;
            // Only pull requests have this report.
            if let Some(before) = read(BASE).ok().and_then(|report| read_trivy(&report, false).ok()) {
                found.compare(&before);
            }
            Ok((found, report))
        });
        let searched =
            read(TRUFFLEHOG).map_err(Failure::from).and_then(|lines| Ok(read_secret_lines(&lines)?));
        let mut part = Part::default();
        self.add(&mut part, (Some(reported), Some(searched)), [TRIVY, TRUFFLEHOG], WHAT);
        "earlier jobs".clone_into(&mut self.range);
        self.parts.push(part);
    }

    /// The commits to search: all, those of the event, or the last one.
    async fn commits(&self, base: Option<&str>) -> Result<(Commits, String), Failure> {
        let (git, root) = (&self.run.git, &self.run.root);
        let shallow = git.is_shallow(root).await?;
        if self.run.job.options.history == History::Full {
            return if shallow {
                Err(too_shallow("the whole history"))
            } else {
                Ok((Commits::All, "all commits".to_owned()))
            };
        }
        if let Some(base) = base {
            if git.peel(root, base).await?.is_some() {
                return Ok(since(base));
            }
            // After a forced push, the commits before it cannot be fetched.
            if shallow {
                return Err(too_shallow(&format!("the commit {base}, which the event begins after,")));
            }
        }
        if let Some(parent) = git.peel(root, "HEAD^").await? {
            return Ok(since(parent.as_str()));
        }
        Ok((Commits::Last, "the commit alone".to_owned()))
    }
}

fn since(commit: &str) -> (Commits, String) {
    (Commits::Since(commit.to_owned()), format!("{commit}..HEAD"))
}

fn too_shallow(what: &str) -> Failure {
    Failure {
        what: format!("this checkout lacks {what} and cannot be searched for secrets completely"),
        causes: Vec::new(),
        help: Some("give the step that checks out `fetch-depth: 0`".to_owned()),
        exit: Exit::Failed,
    }
}
