//! The steps and the images, with a chart of the times.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::{Outcome, links, markdown, time, timeline};
use crate::gate::outcome::{Status, StepResult};
use crate::report::size;
use oci::{Digest, Reference};

/// The steps with their results and times. `drawn` adds the chart.
pub(super) fn steps(outcome: &Outcome, drawn: bool) -> String {
    let spans = timeline::spans(outcome);
    let mut text = String::new();
    if drawn {
        text.push_str(&timeline::gantt(outcome, &spans));
    }
    text.extend(timeline::critical_path(&spans));
    if outcome.steps.is_empty() {
        return text;
    }
    let usual = |step: &StepResult| {
        let seconds = outcome.usual.get(step.target.as_deref()?)?;
        Some(time(*seconds))
    };
    let known = outcome.steps.iter().any(|step| usual(step).is_some());
    let (head, line) = if known { (" usual time |", "---:|") } else { ("", "") };
    let _infallible =
        writeln!(text, "| step | result | time | began after |{head}\n|---|---|---:|---:|{line}");
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
        let span = spans.iter().find(|span| std::ptr::eq(span.step, step));
        let began = span.map(|span| time(span.began)).unwrap_or_default();
        let usual = if known { format!(" {} |", usual(step).unwrap_or_default()) } else { String::new() };
        let name = markdown::cell(&step.name);
        let _infallible = writeln!(text, "| {name} | {mark}{reason} | {took} | {began} |{usual}");
    }
    text.push('\n');
    text
}

/// The images with their size and destination.
pub(super) fn images(outcome: &Outcome) -> String {
    if outcome.images.is_empty() && outcome.promoted.is_empty() {
        return String::new();
    }
    let mut text = String::from("| image | digest | promoted to | size |\n|---|---|---|---:|\n");
    let link =
        |image: &Reference, digest: &Digest| links::image(&image.to_string(), &image.repository, digest);
    let mut row = |image: &Reference, digest: &Digest, bytes: Option<u64>| {
        let promoted = outcome.promoted.iter().filter(|promoted| promoted.source == *image);
        let to: Vec<_> = promoted.map(|promoted| link(&promoted.destination, &promoted.digest)).collect();
        let to = if to.is_empty() { "—".to_owned() } else { to.join(", ") };
        let (image, size) = (link(image, digest), bytes.map(size).unwrap_or_default());
        let _infallible = writeln!(text, "| {image} | {} | {to} | {size} |", markdown::code(digest.as_str()));
    };
    for image in &outcome.images {
        row(&image.reference, &image.digest, image.size);
    }
    let mut promoted: Vec<_> = outcome.promoted.iter().map(|one| (&one.source, &one.digest)).collect();
    promoted.retain(|(source, _)| !outcome.images.iter().any(|image| image.reference == **source));
    let mut seen = HashSet::new();
    promoted.retain(|(source, _)| seen.insert(*source));
    for (source, digest) in promoted {
        row(source, digest, None);
    }
    text.push('\n');
    text
}
