//! The first part: how the run ended, and why.

use super::{Outcome, RunLinks, markdown, time};
use crate::gate::outcome::Verdict;
use crate::gate::plan::Plan;
use std::fmt::Write as _;

pub(super) fn verdict(outcome: &Outcome, links: &RunLinks) -> String {
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
    let commit = outcome.plan.commit();
    let mut text = format!(
        "## {mark} {command} {word}: {}\n\n{}, {}",
        markdown::cell(&version.version),
        commit.map_or_else(|| "No commit".to_owned(), |commit| format!("Commit {}", links.commit(commit))),
        time(outcome.seconds)
    );
    if let Some(tag) = &version.tag {
        let how = match (outcome.tag_created, outcome.version_tag()) {
            (true, _) => "created",
            (false, Some(_)) => "existing",
            (false, None) => "not created",
        };
        let shown = if how == "not created" { markdown::code(tag) } else { links.tag(tag) };
        let _infallible = write!(text, ", tag {shown} ({how})");
    }
    for name in environments(outcome) {
        let _infallible = write!(text, ", environment {}", links.environment(name));
    }
    if let Some(run) = links.run("the run") {
        let _infallible = write!(text, ", {run}");
    }
    text.push_str(".\n\n");
    if !outcome.half_deployed.is_empty() {
        let names: Vec<_> = outcome.half_deployed.iter().map(|name| markdown::code(name)).collect();
        let _infallible = writeln!(text, "**May be half-deployed:** {}.\n", names.join(", "));
    }
    text
}

/// The names of the run's environments, without duplicates.
fn environments(outcome: &Outcome) -> Vec<&str> {
    let plans = std::iter::once(&outcome.plan).chain(&outcome.other_plans);
    let mut names: Vec<&str> = Vec::new();
    for name in plans.filter_map(|plan| plan.environment.environment.as_ref()) {
        if !names.contains(&name.text.as_str()) {
            names.push(&name.text);
        }
    }
    names
}

/// Why each step failed.
pub(super) fn causes(outcome: &Outcome) -> impl Iterator<Item = String> {
    outcome.steps.iter().filter_map(|step| {
        let failed = step.failed_step()?;
        let (name, headline) = (markdown::cell(&failed.step), markdown::cell(failed.headline()));
        let mut text = format!("### {name}: {headline}{}\n\n", failed.place(markdown::code));
        if failed.lines().next().is_some() {
            let _infallible = writeln!(text, "{}", markdown::block(failed.lines()));
        }
        if let Some(help) = &failed.help {
            let _infallible = writeln!(text, "Help: {}\n", markdown::sentence(help));
        }
        if let Some(repeat) = &step.repeat {
            let _infallible = writeln!(text, "Repeat it: {}\n", markdown::code(repeat));
        }
        Some(text)
    })
}
