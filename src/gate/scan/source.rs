//! The source: its dependencies and licences, and the secrets in its commits.

use super::files;
use super::{Part, ScanRun, Scanned, sentence};
use crate::domain::scan::{History, LeakedSecret, ScanFindings};
use crate::edges::git::Worktree;
use crate::edges::scanners::{read_trivy, read_trufflehog, secret_lines};
use sys::error::{Exit, Failure, FileError};
use sys::private::{self, Links};

/// The reports of the scanners, below the directory of the scan.
const TRIVY: &str = "trivy/trivy-fs.json";
const BASE: &str = "trivy/trivy-fs-base.json";
const TRUFFLEHOG: &str = "trufflehog/findings.ndjson";
/// The most bytes of a report of an earlier job.
const LONGEST: u64 = 1 << 30;

/// The commits to search for secrets.
struct Commits {
    since: Option<String>,
    depth: Option<u32>,
    /// In words.
    range: String,
}

impl Scanned {
    /// Runs both scanners at the same time. Dependencies are compared with those of the commit `before`.
    pub(super) async fn source(
        &mut self,
        secrets: bool,
        dependencies: bool,
        base: Option<&str>,
        before: Option<&str>,
    ) {
        let (scanners, root, now) = (&self.run.scanners, &self.run.root, self.run.now);
        let searched = async {
            if !secrets {
                return Ok(None);
            }
            let commits = self.commits(base).await?;
            let found = scanners.history(root, commits.since.as_deref(), commits.depth).await?;
            Ok::<_, Failure>(Some((read_trufflehog(&found, self.run.page.as_deref())?, commits.range)))
        };
        let looked_up = async {
            if !dependencies {
                return Ok(None);
            }
            let (report, database) = scanners.dependencies(root, now).await?;
            let mut findings = read_trivy(&report, false)?;
            files::write_bytes(&self.run.reports, TRIVY, &report)?;
            let notice = match before {
                Some(before) => self.compare(&mut findings, before).await.err().map(|failure| {
                    format!("dependencies were not compared with the base {before}: {}", sentence(&failure))
                }),
                None => None,
            };
            Ok::<_, Failure>(Some((findings, database, notice)))
        };
        let (searched, looked_up) = tokio::join!(searched, looked_up);
        let mut findings = ScanFindings::default();
        let mut notices = Vec::new();
        if let Some((found, database, notice)) =
            self.keep(looked_up, "dependencies and licences were not scanned").flatten()
        {
            findings.add(found);
            self.database = Some(database);
            notices.extend(notice);
        }
        self.complete = secrets && self.run.job.options.history == History::Full;
        if let Some((found, range)) = self.keep(searched, "commits were not searched for secrets").flatten() {
            let written = files::write_bytes(&self.run.reports, TRUFFLEHOG, &secret_lines(&found));
            self.keep(written, "the secrets that were found are not in the reports");
            findings.secrets = found;
            self.range = range;
        }
        self.parts.push(Part { findings, notices, ..Part::default() });
    }

    /// Marks what the commit `before` does not have.
    async fn compare(&self, findings: &mut ScanFindings, before: &str) -> Result<(), Failure> {
        let ScanRun { git, root, scratch, scanners, now, .. } = &self.run;
        // Of the merge commit that GitHub makes of a pull request, the first parent is the base.
        let known = match git.peel(root, before).await? {
            None if git.peel(root, "HEAD^2").await?.is_some() => git.peel(root, "HEAD^1").await?,
            known => known,
        };
        let commit = known.ok_or_else(|| too_shallow(&format!("the commit {before}")))?;
        let to = scratch.path().join("base");
        let tree = Worktree { from: root, url: None, token: None, tag: "base", commit: &commit, to: &to };
        git.worktree(tree).await?;
        let (report, _) = scanners.dependencies(&to, *now).await?;
        findings.compare(&read_trivy(&report, false)?);
        files::write_bytes(&self.run.reports, BASE, &report)
    }

    /// What earlier jobs found: the directory holds their reports.
    pub(super) fn reports(&mut self, directory: &str) {
        let directory = self.run.directory.join(directory);
        let read = |name: &str| {
            let file = directory.join(name);
            private::read(&file, Links::Refuse, LONGEST).map_err(FileError::at("read", &file))
        };
        let mut findings = ScanFindings::default();
        let looked_up =
            read(TRIVY).map_err(Failure::from).and_then(|report| Ok((read_trivy(&report, false)?, report)));
        let searched = read(TRUFFLEHOG).map_err(Failure::from).and_then(|lines| earlier(&lines));
        if let Some((mut found, report)) = self.keep(looked_up, "dependencies and licences were not scanned")
        {
            // Only pull requests are compared.
            if let Some(before) = read(BASE).ok().and_then(|report| read_trivy(&report, false).ok()) {
                found.compare(&before);
            }
            findings.add(found);
            let written = files::write_bytes(&self.run.reports, TRIVY, &report);
            self.keep(written, "the report of Trivy is not in the reports");
        }
        if let Some(found) = self.keep(searched, "commits were not searched for secrets") {
            let written = files::write_bytes(&self.run.reports, TRUFFLEHOG, &secret_lines(&found));
            self.keep(written, "the secrets that were found are not in the reports");
            findings.secrets = found;
        }
        "earlier jobs".clone_into(&mut self.range);
        self.parts.push(Part { findings, ..Part::default() });
    }

    /// Which commits are searched: all, those of the event, or the last one.
    async fn commits(&self, base: Option<&str>) -> Result<Commits, Failure> {
        let (git, root) = (&self.run.git, &self.run.root);
        let shallow = git.is_shallow(root).await?;
        if self.run.job.options.history == History::Full {
            return if shallow { Err(too_shallow("the whole history")) } else { Ok(all("all commits")) };
        }
        if let Some(base) = base {
            if git.peel(root, base).await?.is_some() {
                return Ok(since(base));
            }
            // After a forced push nobody can reach the commits before it.
            if shallow {
                return Err(too_shallow(&format!("the commit {base}, which the event begins after,")));
            }
        }
        if let Some(parent) = git.peel(root, "HEAD^").await? {
            return Ok(since(parent.as_str()));
        }
        Ok(Commits { since: None, depth: Some(1), range: "the commit alone".to_owned() })
    }
}

fn since(commit: &str) -> Commits {
    Commits { since: Some(commit.to_owned()), depth: None, range: format!("{commit}..HEAD") }
}

fn all(range: &str) -> Commits {
    Commits { since: None, depth: None, range: range.to_owned() }
}

fn too_shallow(what: &str) -> Failure {
    Failure {
        what: format!("this checkout lacks {what} and cannot be searched for secrets completely"),
        causes: Vec::new(),
        help: Some("give the step that checks out `fetch-depth: 0`".to_owned()),
        exit: Exit::Failed,
    }
}

/// The lines that [`secret_lines`] wrote.
fn earlier(lines: &[u8]) -> Result<Vec<LeakedSecret>, Failure> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).enumerate();
    let read = lines.map(|(number, line)| {
        serde_json::from_slice(line).map_err(|_| {
            Failure::usage(
                format!("line {} of {TRUFFLEHOG} is not a finding of `p2p scan secrets`", number + 1),
                "download the artifact of the job that searched for secrets into this directory",
            )
        })
    });
    read.collect()
}
