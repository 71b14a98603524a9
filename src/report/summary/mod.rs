//! The step summary: the verdict and the cause first, then steps, images and details, within a limit of bytes. A
//! comment on a pull request is its short form.
//!
//! GitHub drops a summary over 1 MiB completely, so the less important parts are left out first.

mod details;
mod tables;
mod timeline;
mod verdict;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Hidden, Listener, RunLinks, links, markdown, results, scan_text, time};
use crate::gate::outcome::{Event, Outcome};
use sys::error::Failure;
use sys::private;
use workflow_commands::{Masker, stripped};

/// GitHub's limit is 1,048,576 bytes per step. The rest is for a target's own characters, which may grow when
/// escaped.
const BUDGET: usize = 1_000_000;

/// Writes the summary when the run has ended.
pub struct Summary {
    file: PathBuf,
    masker: Masker,
    links: RunLinks,
    hidden: Hidden,
    of_targets: Vec<(String, String)>,
}

impl Summary {
    /// Appends the summary to `file` (`GITHUB_STEP_SUMMARY`). Parts without room are counted in `hidden`.
    pub fn new(file: PathBuf, masker: Masker, links: RunLinks, hidden: Hidden) -> Self {
        Self { file, masker, links, hidden, of_targets: Vec::new() }
    }
}

impl Listener for Summary {
    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            Event::Summarised(target, text) => {
                self.of_targets.push(((*target).to_owned(), (*text).to_owned()));
            }
            Event::Ended(outcome) => {
                let (text, left_out) = render(outcome, &self.links, &self.of_targets);
                if left_out > 0 {
                    let s = if left_out == 1 { "" } else { "s" };
                    self.hidden.add(&format!("{left_out} part{s} of the summary, which may have 1 MiB"));
                }
                // If the summary cannot be written, the gate still has its log, outputs and report.
                let _unwritten = append(&self.file, &self.masker, &text);
            }
            _ => {}
        }
    }
}

/// The summary of a run that failed before its plan was executed.
pub(super) fn failed(file: &Path, masker: &Masker, failure: &Failure) -> std::io::Result<()> {
    append(file, masker, &early(masker, failure, BUDGET))
}

/// A failure from before the execution of the plan, with at most `budget` bytes of its text.
fn early(masker: &Masker, failure: &Failure, budget: usize) -> String {
    // Masked before it is cut, because half a secret would not be recognised.
    let text = masker.clean(&failure.to_string());
    let text = text.get(..text.floor_char_boundary(budget)).unwrap_or_default();
    format!("## ❌ p2p failed before anything ran\n\n{}", markdown::block(text.lines()))
}

fn append(file: &Path, masker: &Masker, text: &str) -> std::io::Result<()> {
    private::append(file)?.write_all(masker.mask(&stripped(text)).as_bytes())
}

/// The whole summary, at most [`BUDGET`] bytes, and the number of parts that were left out.
fn render(outcome: &Outcome, links: &RunLinks, of_targets: &[(String, String)]) -> (String, usize) {
    let parts = verdict::causes(outcome)
        .chain([tables::steps(outcome, true), tables::images(outcome)])
        .chain(results::summary(outcome))
        .chain(details::failures(outcome))
        .chain(outcome.scans.iter().map(scan_text))
        .chain(details::notes(outcome))
        .chain(details::summaries(of_targets));
    fit(verdict::verdict(outcome, links), parts, (BUDGET, "a summary holds at most 1 MiB"))
}

/// The short form, at most `budget` bytes, without the parts that only GitHub's log has room for.
pub(super) fn short(
    ended: Result<&Outcome, &Failure>,
    links: &RunLinks,
    masker: &Masker,
    budget: usize,
) -> String {
    let text = match ended {
        Err(failure) => early(masker, failure, budget / 2),
        Ok(outcome) => {
            let parts =
                verdict::causes(outcome).chain([tables::steps(outcome, false), tables::images(outcome)]);
            fit(
                verdict::verdict(outcome, links),
                parts,
                (budget, "a comment holds at most 65,536 characters"),
            )
            .0
        }
    };
    masker.mask(&stripped(&text)).into_owned()
}

/// As many of the parts as there is room for, in order.
fn fit(
    mut text: String,
    parts: impl Iterator<Item = String>,
    (budget, limit): (usize, &str),
) -> (String, usize) {
    let mut left_out = 0;
    for part in parts {
        if text.len() + part.len() <= budget {
            text.push_str(&part);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let _infallible = writeln!(text, "\n*{left_out} more left out: {limit}.*");
    }
    (text, left_out)
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
