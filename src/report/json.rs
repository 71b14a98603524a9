//! The report: the whole run as JSON. Its schema is in docs/report.md.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Listener, write_page};
use crate::gate::outcome::{Event, FailedStep, Outcome, StepResult, Verdict};
use sys::error::Failure;
use sys::private;
use workflow_commands::Masker;

/// The version of the report's schema. It changes only if something is removed or renamed.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes the report when the run has ended.
pub struct Json {
    file: PathBuf,
    masker: Masker,
    /// Whether a failed run also gets a page.
    page: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// The first step that did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailedStep>,
}

/// The report of a run. Each step that did not pass contains the reason.
fn report(outcome: &Outcome) -> serde_json::Result<Value> {
    let failure = outcome.steps.iter().find_map(StepResult::failed_step);
    let mut report = serde_json::to_value(Report { schema: SCHEMA_VERSION, outcome, failure })?;
    for (index, step) in outcome.steps.iter().enumerate() {
        if let Some(failed) = step.failed_step() {
            report["steps"][index]["failure"] = serde_json::to_value(failed)?;
        }
    }
    Ok(report)
}

/// Writes the report of a run that failed before its plan was executed.
pub(super) fn failed(
    file: &Path,
    masker: &Masker,
    failure: &Failure,
    logs: &Path,
    began: Timestamp,
) -> std::io::Result<()> {
    let early = json!({
        "schema": SCHEMA_VERSION,
        "result": super::outputs::verdict(failure.exit),
        "failure": failure,
        "steps": [],
        "started": began.to_string(),
        "logs": logs.display().to_string(),
    });
    write(file, masker, &early)
}

fn write(file: &Path, masker: &Masker, report: &impl Serialize) -> std::io::Result<()> {
    private::create(file)?.write_all(&text(report, masker)?)
}

impl Json {
    /// Writes the report to `file`.
    pub fn new(file: PathBuf, masker: Masker) -> Self {
        Self { file, masker, page: false }
    }

    /// Also writes a page, `report.html`, if the run failed.
    #[must_use]
    pub fn with_page(self) -> Self {
        Self { page: true, ..self }
    }
}

impl Listener for Json {
    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::Ended(outcome) = event {
            // If the report cannot be written, the gate still has its log, outputs and summary.
            let _unwritten = report(outcome).map(|report| write(&self.file, &self.masker, &report));
            let page_wanted = self.page && outcome.result == Verdict::Failure;
            if let (true, Some(logs)) = (page_wanted, self.file.parent()) {
                let _unwritten = page(&self.file, logs);
            }
        }
    }
}

/// Writes the page of a report. Like the report, it contains only masked texts.
fn page(report: &Path, logs: &Path) -> std::io::Result<()> {
    let report = serde_json::from_slice(&std::fs::read(report)?)?;
    write_page(&report, logs, &mut BufWriter::new(private::create(&logs.join("report.html"))?))
}

fn text(report: &impl Serialize, masker: &Masker) -> serde_json::Result<Vec<u8>> {
    let mut report = serde_json::to_value(report)?;
    clean(&mut report, masker);
    serde_json::to_vec_pretty(&report)
}

/// Masks each text separately, so that the result is valid JSON.
fn clean(value: &mut Value, masker: &Masker) {
    match value {
        Value::String(text) => *text = masker.clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, masker)),
        Value::Object(fields) => fields.values_mut().for_each(|field| clean(field, masker)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use workflow_commands::Secret;

    #[derive(Serialize)]
    struct Told {
        words: [&'static str; 2],
        seconds: f64,
    }

    #[test]
    fn secrets_are_masked_and_the_rest_is_the_same_without_any() {
        let text = Told { words: ["a \"word\"", "s3cret-one"], seconds: 0.1 };
        let text = |secrets: &[Secret]| {
            String::from_utf8(super::text(&text, &Masker::new(secrets)).unwrap()).unwrap()
        };
        let plain = text(&[]);
        assert_eq!(text(&[Secret::new("in none of it")]), plain);
        assert_eq!(text(&[Secret::new("s3cret-one")]), plain.replace("s3cret-one", "***"));
    }
}
