//! The less important parts: the last lines of failed steps, warnings, and the summaries of targets.

use std::fmt::Write as _;

use super::{Outcome, markdown};
use crate::gate::outcome::{Status, StepResult};

/// The most bytes of a failed step's last lines.
const TAIL: usize = 30_000;

pub(super) fn failures(outcome: &Outcome) -> Vec<String> {
    outcome.steps.iter().filter(|step| !step.status.passes()).map(failure).collect()
}

fn failure(step: &StepResult) -> String {
    let mut text = String::new();
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
        let _infallible = write!(text, "\nThe last lines:\n\n{}", markdown::block(lines));
    }
    if !step.cluster.is_empty() {
        let lines = step.cluster.iter().map(String::as_str);
        let _infallible = writeln!(text, "\nWhat the cluster says:\n\n{}", markdown::block(lines));
    }
    markdown::folded(&format!("More about {}", markdown::html(&step.name)), &text)
}

pub(super) fn notes(outcome: &Outcome) -> Option<String> {
    if outcome.warnings.is_empty() {
        return None;
    }
    let lines: Vec<_> = outcome.warnings.iter().map(|text| format!("- {}", markdown::cell(text))).collect();
    Some(format!("### Warnings\n\n{}\n\n", lines.join("\n")))
}

pub(super) fn summaries(of_targets: &[(String, String)]) -> impl Iterator<Item = String> {
    of_targets.iter().map(|(_, text)| format!("\n{}\n", text.trim_end()))
}
