//! Scans in progress: they begin beside a target, and a later wave waits for them.

use std::time::Instant;

use tokio::task::JoinHandle;

use super::{Execution, Message, Progress, PullRequest};
use crate::domain::environment::{Key, Origin, Value};
use crate::domain::scan::{REPORT, Scan, ScanKind};
use crate::edges::git;
use crate::edges::github::COMMENT_LIMIT;
use crate::edges::scanners::{ScannerSources, Scanners};
use crate::gate::outcome::Event;
use crate::gate::plan::{Job, Plan, ScanJob, Step};
use crate::gate::scan::{ScanRun, Scanned};
use crate::inputs::Command;
use crate::report::scan_text;
use sys::error::{Exit, Failure, FileError};
use sys::private;
use sys::retry::{Policy, Retrying};
use workflow_commands::{Annotation, Level};

/// How many findings an error lists.
const LISTED: usize = 10;
/// How many findings are annotated. GitHub keeps only a few, and targets need some too.
const ANNOTATED: usize = 7;

/// The beginning of the line in a comment that names its run.
const RUN: &str = "<!-- run ";

/// The end of a comment that was too long.
const CUT: &str = "\n*The report in the artifacts of the run has the rest.*";

/// A scan in progress. It ends when this is dropped.
pub(super) struct Begun {
    kind: ScanKind,
    pub(super) clock: Instant,
    work: JoinHandle<Result<Scanned, Failure>>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Execution<'_> {
    /// Begins the scans that run beside the steps of a wave.
    pub(super) fn begin_scans(&self, wave: &[Step], progress: &mut Progress) {
        let jobs = progress.plan.steps.iter().filter_map(|step| step.begins_with(wave));
        let jobs: Vec<_> = jobs.cloned().collect();
        for job in jobs {
            // A failure is reported by the step that waits for the scan.
            if let Ok(begun) = self.begin_scan(&job, progress) {
                progress.scans_begun.push(begun);
            }
        }
    }

    /// When a scan began, if it has begun.
    pub(super) fn scan_clock(job: &Job, progress: &Progress) -> Option<Instant> {
        let Job::Scan(job) = job else { return None };
        progress.scans_begun.iter().find(|begun| begun.kind == job.kind()).map(|begun| begun.clock)
    }

    fn begin_scan(&self, job: &ScanJob, progress: &Progress) -> Result<Begun, Failure> {
        let (run_context, edges) = (self.run_context, self.edges);
        let paths = &run_context.paths;
        let scratch = paths.private()?;
        let sources = ScannerSources {
            base_url: job.options.base_url.clone(),
            cache: run_context.scanner_cache.clone(),
            retrying: Retrying { policy: Policy::default(), watcher: edges.watcher.clone() },
        };
        let env = &run_context.env;
        let at = scratch.path().to_owned();
        let (server, repository) = (env.get("GITHUB_SERVER_URL"), env.get("GITHUB_REPOSITORY"));
        let page = server.zip(repository).map(|(server, repository)| format!("{server}/{repository}/blob"));
        let root = git::toplevel(&paths.directory).unwrap_or(&paths.workspace).to_owned();
        let run = ScanRun {
            scanners: Scanners::new(job.options.clone(), sources, env, at, progress.now()),
            job: job.clone(),
            recorded: progress.images(),
            client: edges.oci.clone(),
            ledger: edges.ledger.clone(),
            rule: self.rule(progress),
            git: edges.git.clone(),
            root,
            directory: paths.directory.clone(),
            reports: paths.logs.join(format!("{}-scan", job.kind().singular())),
            scratch,
            page,
            now: progress.now(),
        };
        Ok(Begun { kind: job.kind(), clock: Instant::now(), work: tokio::spawn(Box::pin(run.scan())) })
    }

    /// Waits for a scan, judges the findings and reports them.
    pub(super) async fn scan(&self, job: &ScanJob, progress: &mut Progress) -> Message {
        let position = progress.scans_begun.iter().position(|begun| begun.kind == job.kind());
        let mut begun = match position {
            Some(position) => progress.scans_begun.remove(position),
            None => self.begin_scan(job, progress)?,
        };
        let scanned = (&mut begun.work).await.map_err(|error| {
            let what = format!("the scan ended unexpectedly: {error}");
            Failure::new(Exit::Failed, what, "run it again; if it fails again, report a defect of p2p")
        })?;
        let scan = scanned?.judge()?;
        let reports = std::path::Path::new(&scan.directory).join(scan.file(REPORT));
        let text = self.masker.clean(&scan_text(&scan));
        private::write(&reports, text.as_bytes()).map_err(FileError::at("write", &reports))?;
        self.tell(&scan);
        if job.is_whole() {
            self.comment(&scan, &text, &progress.plan).await;
        }
        let message = format!("risk {}", scan.risk());
        let (failures, blocking) = (scan.failures.clone(), scan.blocking());
        progress.scans.push(scan);
        if let Some(failure) = Failure::together(failures, "parts of the scan failed") {
            return Err(failure);
        }
        if !blocking.is_empty() {
            return Err(blocked(job, blocking));
        }
        Ok(Some(message))
    }

    /// Updates the comment on the pull request. If that fails, a notice says so.
    async fn comment(&self, scan: &Scan, text: &str, plan: &Plan) {
        let Some(PullRequest { number, github }) = &self.edges.pull_request else { return };
        let values = &plan.environment;
        let given =
            |value: &&Value| plan.command != Command::Scan || matches!(value.origin, Origin::Input(_));
        let app = values.get(Key::AppName).filter(given).or(values.get(Key::TenantName));
        let app = app.map_or("local", |app| app.text.as_str());
        let environment = values.environment.as_ref().map_or("local", |name| name.text.as_str());
        // coreeng/p2p marks its comments in this form.
        let marker = format!("<!-- Sticky Pull Request Comment{} -->", scan.comment_header(app, environment));
        // Runs of several pushes may overlap. The newest one is right.
        let run = self.run_context.env.get("GITHUB_RUN_ID").and_then(|run| run.parse::<u64>().ok());
        let first = format!("{RUN}{} -->\n", run.unwrap_or_default());
        let of = |text: &str| text.strip_prefix(RUN)?.split_once(" -->")?.0.parse::<u64>().ok();
        let room = COMMENT_LIMIT - marker.chars().count() - first.len() - CUT.len() - 2;
        let text = first + &shortened(text, room);
        let newest = |before: Option<&str>| before.and_then(of) <= run;
        let written = github.keep_comment(*number, &marker, |before| newest(before).then(|| text.clone()));
        if let Err(why) = written.await {
            self.notice(&why);
        }
    }

    fn tell(&self, scan: &Scan) {
        self.reporter.emit(&Event::Scanned(scan));
        for notice in scan.notices() {
            self.notice(notice);
        }
        for found in scan.vulnerabilities().filter(|found| found.line.is_some()).take(ANNOTATED) {
            let level = if found.blocking { Level::Error } else { Level::Warning };
            self.reporter.emit(&Event::Annotated(&Annotation {
                title: Some(found.id.clone()),
                file: Some(found.source.clone()),
                line: found.line.and_then(|line| u32::try_from(line).ok()),
                ..Annotation::new(level, found.sentence())
            }));
        }
    }
}

/// The first lines of a text that is too long.
fn shortened(text: &str, limit: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit) else { return text.to_owned() };
    let (whole, _) = text.split_at(end).0.rsplit_once('\n').unwrap_or_default();
    format!("{whole}\n{CUT}")
}

/// The failure for findings that prevent the promotion of an image.
fn blocked(job: &ScanJob, mut findings: Vec<String>) -> Failure {
    let all = findings.len();
    findings.truncate(LISTED);
    if all > findings.len() {
        findings.push(format!("{} more in the reports", all - findings.len()));
    }
    let count = if all == 1 { "1 finding is".to_owned() } else { format!("{all} findings are") };
    let severity = job.options.blocking_severity;
    let what = format!("{count} at or above `scan-blocking-severity`, which is {severity}");
    let help = "update what has a fix and revoke secrets, or add an entry with a reason to .p2p-security-ignore.yaml";
    Failure { causes: findings, ..Failure::new(Exit::Failed, what, help) }
}
