//! Test results for a person: lines of the log, a part of the summary, and annotations.

use std::fmt::Write as _;

use super::{markdown, time};
use crate::domain::results::{FailedTest, TestResults};
use crate::gate::outcome::{Outcome, StepResult};
use workflow_commands::{Annotation, Level};

/// The most failed tests in the log, and the most flaky ones.
const IN_LOG: usize = 5;

/// The most failed tests in the summary, with their stacks.
const IN_SUMMARY: usize = 20;

/// The most lines of a stack in the summary.
const STACK: usize = 30;

/// The lines of the log about the tests of a step.
pub(super) fn lines(tests: &TestResults) -> Vec<String> {
    let mut lines = vec![format!("tests:      {tests}")];
    for (mark, tests, total) in
        [("✗", &tests.failures, tests.failed), ("flaky:", &tests.flaky_tests, tests.flaky)]
    {
        let place = |test: &FailedTest| test.place().map(|place| format!(" ({place})")).unwrap_or_default();
        let shown = tests.iter().take(IN_LOG);
        lines.extend(shown.map(|test| format!("  {mark} {}{}", test.headline(), place(test))));
        if let Some(more) = left_out(total, tests.len().min(IN_LOG)) {
            lines.push(format!("  {mark} {more} more"));
        }
    }
    lines
}

/// The part of the summary about the tests of each step.
pub(super) fn summary(outcome: &Outcome) -> impl Iterator<Item = String> {
    outcome.steps.iter().filter_map(|step| {
        let tests = step.tests.as_ref()?;
        let (name, all) = (markdown::cell(&step.name), time(tests.seconds));
        Some(format!(
            "### Tests of {name}: {tests} in {all}\n{}\n",
            markdown::folded("Tests", &details(tests))
        ))
    })
}

fn details(tests: &TestResults) -> String {
    let mut text = String::new();
    for test in tests.failures.iter().take(IN_SUMMARY) {
        text.push_str(&failure("❌", test));
    }
    let shown = tests.failures.len().min(IN_SUMMARY);
    if let Some(more) = left_out(tests.failed, shown) {
        let _infallible = writeln!(text, "{more} more failed.\n");
    }
    for test in tests.flaky_tests.iter().take(IN_SUMMARY) {
        text.push_str(&failure("⚠️ passed on retry:", test));
    }
    if !tests.slowest.is_empty() {
        text.push_str("| slowest tests | time |\n|---|---:|\n");
        for test in &tests.slowest {
            let _infallible = writeln!(text, "| {} | {} |", markdown::cell(&test.name), time(test.seconds));
        }
    }
    let reports: Vec<_> =
        tests.reports.iter().take(IN_SUMMARY).map(|report| markdown::code(report)).collect();
    let _infallible = write!(text, "\nReports: {}", reports.join(", "));
    if let Some(more) = left_out(tests.reports.len() as u64, reports.len()) {
        let _infallible = write!(text, " and {more} more");
    }
    text.push_str(".\n");
    text
}

fn failure(mark: &str, test: &FailedTest) -> String {
    let place = test.place().map(|place| markdown::code(&place.to_string()));
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    let lines = told(test).take(STACK);
    format!("{mark} **{}**{place}\n\n{}\n", markdown::cell(&test.title()), markdown::block(lines))
}

/// The message, and the stack if it contains more.
fn told(test: &FailedTest) -> impl Iterator<Item = &str> + Clone {
    let details = test.details.iter().map(String::as_str);
    let repeated = test.details.iter().any(|line| line.contains(&test.message));
    test.message.lines().filter(move |_| !repeated).chain(details)
}

/// The annotations for the tests of a step, the most informative first, without the one in the step's own
/// annotation.
pub(super) fn annotations(step: &StepResult) -> impl Iterator<Item = Annotation> {
    let shown = step.cause.as_ref().and_then(|cause| cause.place.clone());
    let level = if step.status.passes() { Level::Warning } else { Level::Error };
    let tests = step.tests.iter();
    let failed = tests.clone().flat_map(|tests| &tests.failures).map(move |test| (level, "failed", test));
    let flaky = tests.flat_map(|tests| &tests.flaky_tests);
    let all = failed.chain(flaky.map(|test| (Level::Warning, "passed on retry", test)));
    all.filter(move |(_, _, test)| test.place().is_some() && test.place() != shown).map(
        |(level, how, test)| Annotation {
            title: Some(format!("{} {how}", test.title())),
            file: test.file.clone(),
            line: test.line,
            ..Annotation::new(level, told(test).collect::<Vec<_>>().join("\n"))
        },
    )
}

/// The number of items that are not shown.
fn left_out(total: u64, shown: usize) -> Option<u64> {
    total.checked_sub(shown as u64).filter(|more| *more > 0)
}
