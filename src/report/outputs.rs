//! The outputs of the action, and the artifact subjects.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Console, Listener};
use crate::domain::image::Image;
use crate::gate::outcome::{Event, Outcome, Verdict};
use oci::Digest;
use sys::error::Exit;
use sys::private;
use workflow_commands::{Level, file_command};

/// The most artifact subjects of a job.
const SUBJECTS: usize = 500;

/// Writes the outputs when the run has ended.
pub struct Outputs {
    console: Console,
    file: Option<PathBuf>,
    subjects: Option<PathBuf>,
    report: PathBuf,
}

impl Outputs {
    /// Writes outputs to `GITHUB_OUTPUT` and subjects to `GITHUB_ARTIFACTS`, if these files exist.
    pub fn new(console: Console, file: Option<PathBuf>, subjects: Option<PathBuf>, report: PathBuf) -> Self {
        Self { console, file, subjects, report }
    }

    fn write(&self, outcome: &Outcome) -> std::io::Result<()> {
        if let Some(file) = &self.file {
            let values = values(outcome, &self.report.display().to_string());
            let masker = self.console.masker();
            for (name, _) in values.iter().filter(|(_, value)| masker.mask(value) != *value) {
                self.console.annotate_text(Level::Warning, "p2p", &dropped(name));
            }
            write_outputs(file, &values)?;
        }
        if let Some(file) = &self.subjects {
            append(file, &subjects(outcome))?;
        }
        Ok(())
    }
}

impl Listener for Outputs {
    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::Ended(outcome) = event
            && let Err(error) = self.write(outcome)
        {
            self.console.annotate_text(Level::Error, "p2p", &format!("the outputs: {error}"));
        }
    }
}

/// The outputs of a plan that is a matrix.
pub(super) fn matrix(file: &Path, json: &str) -> std::io::Result<()> {
    write_outputs(file, &[("matrix", json.to_owned()), ("result", Verdict::Success.word().to_owned())])
}

/// The outputs of a run that failed before its plan was executed.
pub(super) fn failed(file: &Path, exit: Exit, report: Option<&Path>) -> std::io::Result<()> {
    let mut values = vec![("result", verdict(exit).word().to_owned())];
    if let Some((report, logs)) = report.and_then(|report| Some((report, report.parent()?))) {
        let paths = [("logs-path", logs), ("report-path", report)];
        values.extend(paths.map(|(name, path)| (name, path.display().to_string())));
    }
    write_outputs(file, &values)
}

fn write_outputs(file: &Path, values: &[(&str, String)]) -> std::io::Result<()> {
    let records = values.iter().map(|(name, value)| file_command::record(name, value));
    append(file, &records.collect::<Result<String, _>>().map_err(std::io::Error::other)?)
}

/// The verdict of a run that failed before its plan was executed.
pub(super) fn verdict(exit: Exit) -> Verdict {
    match exit {
        Exit::Interrupted(_) => Verdict::Cancelled,
        _ => Verdict::Failure,
    }
}

/// The outputs by name, in the order of action.yml.
fn values(outcome: &Outcome, report: &str) -> Vec<(&'static str, String)> {
    let version = &outcome.plan.version;
    let steps: Vec<_> = outcome
        .steps
        .iter()
        .map(|step| json!({"name": step.name, "status": step.status, "seconds": step.seconds}))
        .collect();
    let environment = outcome.plan.environment.environment.as_ref();
    vec![
        ("version", version.version.clone()),
        ("previous-version", version.previous.clone().unwrap_or_default()),
        ("version-tag", outcome.version_tag().unwrap_or_default().to_owned()),
        ("tag-created", outcome.tag_created.to_string()),
        ("environment", environment.map(|name| name.text.clone()).unwrap_or_default()),
        ("environments", environments(outcome)),
        ("images", json!(promotable(&outcome.images)).to_string()),
        ("digests", json!(digests(&outcome.images)).to_string()),
        ("promoted", json!(outcome.promoted).to_string()),
        ("scans", scans(outcome).to_string()),
        ("result", outcome.result.word().to_owned()),
        ("steps", json!(steps).to_string()),
        ("artifacts", outcome.artifacts.iter().map(|file| literal(file)).collect::<Vec<_>>().join("\n")),
        ("logs-path", outcome.logs.clone()),
        ("report-path", report.to_owned()),
    ]
}

/// The results of the scans, by `source` and `images`.
fn scans(outcome: &Outcome) -> serde_json::Value {
    let named = outcome.scans.iter().map(|scan| (scan.kind.word().to_owned(), json!(scan)));
    serde_json::Value::Object(named.collect())
}

/// A path as a glob that matches only this path. The upload of artifacts takes each line as a glob, without white
/// space at its end (`@actions/glob`).
fn literal(path: &str) -> String {
    let end = path.trim_end().len();
    let mut pattern = String::with_capacity(path.len());
    for (position, c) in path.char_indices() {
        match c {
            '\\' => pattern.push_str(r"\\"),
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            c if position >= end => pattern.extend(['[', c, ']']),
            c => pattern.push(c),
        }
    }
    pattern
}

/// The warning about an output that the runner will drop ("may contain secret").
fn dropped(name: &str) -> String {
    format!(
        "GitHub drops the output `{name}`, because it holds a masked value: keep names of registries, projects and apps, \
         and words like `true`, out of secrets. `digests` names no registry and no project"
    )
}

/// The images that a later job promotes. If several environments built an image with the same name, the first one's.
fn promotable(images: &[Image]) -> Vec<&Image> {
    let first = |image: &&Image| images.iter().find(|other| other.name == image.name) == Some(*image);
    images.iter().filter(first).collect()
}

/// The digests by image name, without registry and project, because these may be masked.
fn digests(images: &[Image]) -> BTreeMap<&str, &Digest> {
    promotable(images).into_iter().map(|image| (&*image.name, &image.digest)).collect()
}

/// The known values of environments from all plans.
fn environments(outcome: &Outcome) -> String {
    let mut known = outcome.plan.known.clone();
    for plan in &outcome.other_plans {
        let name = plan.environment.environment.as_ref().map(|name| name.text.as_str());
        if let Some((name, values)) = name.and_then(|name| plan.known.get_key_value(name)) {
            known.insert(name.clone(), values.clone());
        }
    }
    json!(known).to_string()
}

/// One line per image: `oci://<name>@<digest>`. A run that only promotes names the promoted images.
fn subjects(outcome: &Outcome) -> String {
    let built = outcome.images.iter().map(|image| (&image.reference, &image.digest));
    let promoted = outcome.promoted.iter().map(|promoted| (&promoted.destination, &promoted.digest));
    let promoted = promoted.take(if outcome.images.is_empty() { SUBJECTS } else { 0 });
    let mut lines = String::new();
    for (reference, digest) in built.chain(promoted).take(SUBJECTS) {
        lines = format!("{lines}oci://{}@{digest}\n", reference.repository);
    }
    lines
}

fn append(file: &Path, text: &str) -> std::io::Result<()> {
    private::append(file)?.write_all(text.as_bytes())
}
