//! The report: the whole run as JSON. Its schema is in docs/report.md.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::Listener;
use crate::outcome::{Event, Outcome};
use crate::output::Masker;

/// The version of the report's schema; it changes only when something is removed or renamed.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes the report when the run is over.
pub struct Json {
    file: PathBuf,
    masker: Masker,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl Json {
    /// A report in `file`.
    pub fn new(file: PathBuf, masker: Masker) -> Self {
        Self { file, masker }
    }

    fn write(&self, outcome: &Outcome) -> std::io::Result<()> {
        let mut report = serde_json::to_value(Report { schema: SCHEMA_VERSION, outcome })?;
        mask(&mut report, &self.masker);
        std::fs::write(&self.file, serde_json::to_vec_pretty(&report)?)
    }
}

impl Listener for Json {
    fn hear(&mut self, event: &Event<'_>) {
        if let Event::Ended(outcome) = event {
            // Without a report the gate still has its log, outputs and summary.
            let _unwritten = self.write(outcome);
        }
    }
}

/// Masks text by text, so that the JSON stays JSON whatever the secrets are.
fn mask(value: &mut Value, masker: &Masker) {
    match value {
        Value::String(text) => *text = masker.mask(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, masker)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mask(field, masker)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
