//! When each step ran: a chart for browsers, and the critical path.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::markdown;
use crate::gate::outcome::{Outcome, Status, StepResult};

/// The most steps in a chart. Mermaid limits a chart to 50,000 characters.
const MOST: usize = 100;
/// The most characters of a label.
const LABEL: usize = 40;
/// A step that ran, in seconds since the start of the first one.
pub(super) struct Span<'a> {
    pub(super) step: &'a StepResult,
    pub(super) began: f64,
    /// Whether the run would have been shorter without it.
    pub(super) critical: bool,
}

impl Span<'_> {
    fn ended(&self) -> f64 {
        self.began + self.step.seconds
    }
}

/// The steps that ran, in order.
pub(super) fn spans(outcome: &Outcome) -> Vec<Span<'_>> {
    let Some(start) = milliseconds(&outcome.started) else { return Vec::new() };
    let mut spans: Vec<_> = outcome.steps.iter().filter_map(|step| span(step, start)).collect();
    mark(&mut spans);
    spans
}

/// The span of a step, if it ran, in a run that began at `start`.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
fn span(step: &StepResult, start: i64) -> Option<Span<'_>> {
    let began = milliseconds(step.started.as_deref()?)? - start;
    Some(Span { step, began: began.max(0) as f64 / 1000.0, critical: false })
}

fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Marks the chain of steps that each waited for the previous one, from the end of the run to its beginning.
fn mark(spans: &mut [Span<'_>]) {
    let last = |spans: &[Span<'_>], before: f64| {
        let ended = spans.iter().enumerate().filter(|(_, span)| !span.critical && span.ended() <= before);
        ended.max_by(|(_, a), (_, b)| a.ended().total_cmp(&b.ended())).map(|(position, _)| position)
    };
    let mut before = f64::INFINITY;
    while let Some(position) = last(spans, before) {
        spans[position].critical = true;
        before = spans[position].began + 0.01;
    }
}

/// The critical path in words. `None` if no step waited for another.
pub(super) fn critical_path(spans: &[Span<'_>]) -> Option<String> {
    let path: Vec<_> = spans.iter().filter(|span| span.critical).collect();
    let beside = spans.len() > path.len();
    let seconds: f64 = path.iter().map(|span| span.step.seconds).sum();
    let mut names: Vec<_> = path.iter().filter(|span| span.step.seconds >= seconds / 100.0).collect();
    names.sort_by(|a, b| a.began.total_cmp(&b.began));
    let names: Vec<_> = names
        .iter()
        .map(|span| {
            format!("{} ({})", markdown::code(&span.step.name), crate::report::time(span.step.seconds))
        })
        .collect();
    (beside && names.len() > 1).then(|| format!("Critical path: {}.\n\n", names.join(" → ")))
}

/// A Gantt chart in Mermaid's language (<https://mermaid.js.org/syntax/gantt.html>).
pub(super) fn gantt(outcome: &Outcome, spans: &[Span<'_>]) -> String {
    let start = milliseconds(&outcome.started).unwrap_or_default();
    if spans.len() < 2 {
        return String::new();
    }
    let mut text =
        String::from("```mermaid\ngantt\n    dateFormat x\n    axisFormat %H:%M:%S\n    todayMarker off\n");
    for (number, span) in spans.iter().take(MOST).enumerate() {
        let (mark, tag) = match span.step.status {
            Status::Failed | Status::TimedOut | Status::Interrupted => ("✗", "crit, "),
            _ if span.critical => ("✓", "active, "),
            _ => ("✓", "done, "),
        };
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a run")]
        let at = |seconds: f64| start + (seconds * 1000.0) as i64;
        let (from, to) = (at(span.began), at(span.ended()).max(at(span.began) + 1));
        let label = label(&span.step.name);
        let _infallible = writeln!(text, "    {mark} {label} :{tag}s{number}, {from}, {to}");
    }
    text.push_str("```\n\n");
    text
}

/// A name without characters that are special in Mermaid or HTML. It follows a mark, so it cannot be a keyword.
fn label(name: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "-_.()/ ".contains(c);
    let text: String = name.chars().map(|c| if harmless(c) { c } else { ' ' }).take(LABEL).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn steps(times: &[(&str, f64, f64)]) -> Vec<(StepResult, f64)> {
        let step = |(name, began, seconds): &(&str, f64, f64)| {
            (StepResult::new(name, Status::Passed, *seconds), *began)
        };
        times.iter().map(step).collect()
    }

    #[test]
    fn the_critical_path_is_the_chain_of_steps_that_waited() {
        let steps = steps(&[
            ("preflight", 0.0, 1.0),
            ("p2p-build", 1.0, 60.0),
            ("subnamespaces", 1.0, 2.0),
            ("p2p-functional", 61.0, 30.0),
            ("p2p-nft", 61.0, 200.0),
            ("p2p-integration", 261.0, 20.0),
        ]);
        let mut spans: Vec<_> =
            steps.iter().map(|(step, began)| Span { step, began: *began, critical: false }).collect();
        mark(&mut spans);
        let path = critical_path(&spans).unwrap();
        assert_eq!(
            path,
            "Critical path: `p2p-build` (1 min 00 s) → `p2p-nft` (3 min 20 s) → `p2p-integration` (20 s).\n\n"
        );
        assert_eq!(critical_path(&spans[..1]), None);
    }

    #[test]
    fn a_label_holds_nothing_that_acts() {
        assert_eq!(label("a:b;c%%{init}\n<b>#section\u{1b}[31m"), "a b c init b section 31m");
        assert_eq!(label(&"ü".repeat(90)).chars().count(), LABEL);
    }
}
