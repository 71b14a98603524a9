//! The step summary: verdict, steps, images, failures; inside a byte budget.
//!
//! A summary over 1 MiB is dropped whole by GitHub, so what is less important gives way first.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Listener, markdown, scan_text, time};
use crate::gate::outcome::{Event, Outcome, Status, StepResult, Verdict};
use crate::gate::plan::Plan;
use oci::{Digest, Reference};
use sys::error::Failure;
use sys::private;
use workflow_commands::{Masker, stripped};

/// GitHub's limit is 1,048,576 bytes a step; the rest is room for what a target's own
/// characters grow to.
const BUDGET: usize = 1_000_000;
/// How much of one failed step's tail is shown.
const TAIL: usize = 30_000;

/// Writes the summary when the run is over.
pub struct Summary {
    file: PathBuf,
    masker: Masker,
    of_targets: Vec<(String, String)>,
}

impl Summary {
    /// A summary appended to `file` (`GITHUB_STEP_SUMMARY`).
    pub fn new(file: PathBuf, masker: Masker) -> Self {
        Self { file, masker, of_targets: Vec::new() }
    }
}

impl Listener for Summary {
    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::Summarised(target, text) => {
                self.of_targets.push(((*target).to_owned(), (*text).to_owned()));
            }
            Event::Ended(outcome) => {
                let text = render(outcome, &self.of_targets);
                // Without a summary the gate still has its log, outputs and report.
                let _unwritten = append(&self.file, &self.masker, &text);
            }
            _ => {}
        }
    }
}

/// The summary of a run that failed before its plan was executed.
pub(super) fn failed(file: &Path, masker: &Masker, failure: &Failure) -> std::io::Result<()> {
    // Masked before it is cut: what ends inside a secret does not look like one.
    let text = masker.clean(&failure.to_string());
    let text = text.get(..text.floor_char_boundary(BUDGET)).unwrap_or_default();
    append(
        file,
        masker,
        &format!("## ❌ p2p failed before anything ran\n\n{}", markdown::block(text.lines())),
    )
}

fn append(file: &Path, masker: &Masker, text: &str) -> std::io::Result<()> {
    private::append(file)?.write_all(masker.mask(&stripped(text)).as_bytes())
}

/// The whole summary, at most [`BUDGET`] bytes.
fn render(outcome: &Outcome, of_targets: &[(String, String)]) -> String {
    let mut text = verdict(outcome);
    let mut left_out = 0_usize;
    let tables = [steps(outcome), images(outcome)].into_iter();
    let scans = outcome.scans.iter().map(scan_text);
    for part in causes(outcome)
        .chain(tables)
        .chain(failures(outcome))
        .chain(scans)
        .chain(notes(outcome))
        .chain(summaries(of_targets))
    {
        if text.len() + part.len() <= BUDGET {
            text.push_str(&part);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let _infallible = writeln!(text, "\n*{left_out} more left out: a summary holds at most 1 MiB.*");
    }
    text
}

fn verdict(outcome: &Outcome) -> String {
    let Plan { command, version, .. } = &outcome.plan;
    let (mark, word) = match outcome.result {
        Verdict::Success => ("✅", "passed"),
        Verdict::Failure => ("❌", "failed"),
        Verdict::Cancelled => ("🛑", "was interrupted"),
        Verdict::Skipped => ("⏭️", "was skipped"),
    };
    if version.version.is_empty() && outcome.result == Verdict::Success {
        return format!("## {mark} {command} had nothing to do\n\n{}.\n\n", markdown::cell(&version.because));
    }
    let mut text = format!(
        "## {mark} {command} {word}: {}\n\n{}, {}",
        markdown::cell(&version.version),
        outcome
            .plan
            .commit()
            .map_or_else(|| "No commit".to_owned(), |commit| format!("Commit {}", markdown::code(commit))),
        time(outcome.seconds)
    );
    if let Some(tag) = &version.tag {
        let how = match (outcome.tag_created, outcome.version_tag()) {
            (true, _) => "created",
            (false, Some(_)) => "existing",
            (false, None) => "not created",
        };
        let _infallible = write!(text, ", tag {} ({how})", markdown::code(tag));
    }
    text.push_str(".\n\n");
    if !outcome.half_deployed.is_empty() {
        let names: Vec<_> = outcome.half_deployed.iter().map(|name| markdown::code(name)).collect();
        let _infallible = writeln!(text, "**May be half-deployed:** {}.\n", names.join(", "));
    }
    text
}

/// Why each step failed, before everything else.
fn causes(outcome: &Outcome) -> impl Iterator<Item = String> {
    outcome.steps.iter().filter_map(|step| {
        let failed = step.failed_step()?;
        let mut text = format!("### {}: ", markdown::cell(failed.step));
        let Some(cause) = failed.cause else {
            let _infallible = writeln!(text, "{}\n", markdown::cell(failed.what));
            return Some(text);
        };
        let place =
            cause.place.as_ref().map(|place| markdown::code(&format!("{}:{}", place.file, place.line)));
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        let _infallible = writeln!(text, "{}{place}\n", markdown::cell(&cause.headline));
        if cause.lines.len() > 1 {
            let _infallible = writeln!(text, "{}", markdown::block(cause.lines.iter().map(String::as_str)));
        }
        if let Some(help) = failed.help {
            let _infallible = writeln!(text, "Help: {}.\n", markdown::cell(help));
        }
        Some(text)
    })
}

fn steps(outcome: &Outcome) -> String {
    let mut text = String::from("| step | result | time |\n|---|---|---:|\n");
    for step in &outcome.steps {
        let mark = match step.status {
            Status::Passed => "✅ passed",
            Status::Nothing => "➖ does nothing",
            Status::Skipped => "⏭️ skipped",
            Status::Failed => "❌ failed",
            Status::TimedOut => "⏱️ timed out",
            Status::Interrupted => "🛑 interrupted",
        };
        let reason =
            step.reason.as_ref().map_or(String::new(), |reason| format!(": {}", markdown::cell(reason)));
        let cluster = step.cluster.first().map(|line| format!("; cluster: {}", markdown::cell(line)));
        let reason = reason + &cluster.unwrap_or_default();
        let took = if step.status == Status::Skipped { String::new() } else { time(step.seconds) };
        let _infallible = writeln!(text, "| {} | {mark}{reason} | {took} |", markdown::cell(&step.name));
    }
    text.push('\n');
    text
}

fn images(outcome: &Outcome) -> String {
    if outcome.images.is_empty() && outcome.promoted.is_empty() {
        return String::new();
    }
    let mut text = String::from("| image | digest | promoted to |\n|---|---|---|\n");
    let mut row = |reference: &Reference, digest: &Digest, to: &str| {
        let to = if to.is_empty() { "—".to_owned() } else { markdown::code(to) };
        let _infallible = writeln!(
            text,
            "| {} | {} | {to} |",
            markdown::code(&reference.to_string()),
            markdown::code(digest.as_str())
        );
    };
    for image in &outcome.images {
        let to = outcome.promoted.iter().filter(|promoted| promoted.source == image.reference);
        let to: Vec<_> = to.map(|promoted| promoted.destination.to_string()).collect();
        row(&image.reference, &image.digest, &to.join(", "));
    }
    for promoted in &outcome.promoted {
        if !outcome.images.iter().any(|image| image.reference == promoted.source) {
            row(&promoted.source, &promoted.digest, &promoted.destination.to_string());
        }
    }
    text.push('\n');
    text
}

fn failures(outcome: &Outcome) -> Vec<String> {
    outcome.steps.iter().filter(|step| !step.status.passes()).map(failure).collect()
}

fn failure(step: &StepResult) -> String {
    let mut text = format!("### More about {}\n\n", markdown::cell(&step.name));
    if let Some(failure) = &step.failure {
        text.push_str(&markdown::block(failure.to_string().lines()));
    } else if let Some(reason) = &step.reason {
        let interrupted = if step.status == Status::Interrupted { "interrupted " } else { "" };
        let _infallible = writeln!(text, "{interrupted}{}", markdown::cell(reason));
    }
    if !step.tail.is_empty() {
        let mut room = TAIL;
        let shown = step
            .tail
            .iter()
            .rev()
            .take_while(|line| {
                let fits = line.len() < room;
                room = room.saturating_sub(line.len() + 1);
                fits
            })
            .count();
        let lines = step.tail[step.tail.len() - shown..].iter().map(String::as_str);
        text.push_str(&markdown::folded("The last lines", &markdown::block(lines)));
    }
    if !step.cluster.is_empty() {
        let lines = step.cluster.iter().map(String::as_str);
        let _infallible = writeln!(text, "\nWhat the cluster says:\n\n{}", markdown::block(lines));
    }
    if let Some(repeat) = &step.repeat {
        let _infallible = writeln!(text, "Repeat it: {}\n", markdown::code(repeat));
    }
    text
}

fn notes(outcome: &Outcome) -> Option<String> {
    if outcome.warnings.is_empty() {
        return None;
    }
    let lines: Vec<_> = outcome.warnings.iter().map(|text| format!("- {}", markdown::cell(text))).collect();
    Some(format!("### Warnings\n\n{}\n\n", lines.join("\n")))
}

fn summaries(of_targets: &[(String, String)]) -> impl Iterator<Item = String> {
    of_targets.iter().map(|(_, text)| format!("\n{}\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_early_failure_fits_into_a_summary_however_long_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("summary");
        let failure = Failure::usage("ä".repeat(2_000_000), "read it");
        failed(&file, &Masker::new(&[]), &failure).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains("error: äää") && text.len() < 1 << 20, "{} bytes", text.len());
    }
}
