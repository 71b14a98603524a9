//! Counts the tests of one report, and keeps the failures and the slowest tests.

use std::collections::BTreeMap;

use super::{FailedTest, KEPT, SLOWEST, TestResults, TimedTest, title};

/// The most characters of a name, of a message and of a stack.
const CHARACTERS: [usize; 3] = [300, 1000, 6000];

/// The longest plausible time of a test, in seconds: a year.
const LONGEST: f64 = 31_536_000.0;

/// The most lines of a stack.
const STACK: usize = 80;

/// The most failures with messages that are kept while a report is read. Only the first ones are shown.
const HELD: usize = 10 * KEPT;

/// How a failed test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Flaky,
    Failed,
}

/// One test of a report.
#[derive(Debug, Default)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) suite: String,
    /// The number of its `testsuite`. The same test in another suite is another test, for example in another
    /// browser.
    pub(super) group: u64,
    pub(super) seconds: f64,
    /// What failed, with the stack.
    pub(super) problem: Option<(Ending, Problem)>,
    pub(super) skipped: bool,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

/// What failed, with the stack.
#[derive(Debug, Default)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) stack: String,
}

/// The results so far.
#[derive(Default)]
pub(super) struct Tally {
    results: TestResults,
    /// The failures of tests that have not passed since.
    failed: BTreeMap<(u64, String, String), Failures>,
}

/// The failures of one test.
struct Failures {
    count: u64,
    /// The position in the report, for the order of the failures.
    position: u64,
    first: Option<FailedTest>,
}

impl Tally {
    /// Counts a test. If a failed test appears again and passes, the framework ran it again.
    pub(super) fn take(&mut self, test: Test) {
        let seconds = if test.seconds.is_finite() { test.seconds.clamp(0.0, LONGEST) } else { 0.0 };
        let results = &mut self.results;
        results.total += 1;
        results.seconds += seconds;
        let fast = results.slowest.last().is_some_and(|last| last.seconds >= seconds);
        if seconds > 0.0 && !(fast && results.slowest.len() == SLOWEST) {
            let name = cut(&one_line(&title(&test.suite, &test.name)), 0);
            let at = results.slowest.partition_point(|other| other.seconds >= seconds);
            results.slowest.insert(at, TimedTest { name, seconds });
            results.slowest.truncate(SLOWEST);
        }
        match test.problem {
            Some((Ending::Failed, _)) => self.failed(test),
            Some(_) => {
                results.flaky += 1;
                if results.flaky_tests.len() < KEPT {
                    results.flaky_tests.extend(told(test));
                }
            }
            None if test.skipped => results.skipped += 1,
            None => self.passed(test),
        }
    }

    fn failed(&mut self, test: Test) {
        self.results.failed += 1;
        let position = self.results.total;
        let room = self.failed.len() < HELD;
        let known = self.failed.entry((test.group, test.suite.clone(), test.name.clone()));
        let failures = known.or_insert_with(|| Failures { count: 0, position, first: None });
        failures.count += 1;
        if failures.count == 1 && room {
            failures.first = told(test);
        }
    }

    fn passed(&mut self, test: Test) {
        let results = &mut self.results;
        let before = self.failed.remove(&(test.group, test.suite, test.name));
        let Some(before) = before else {
            results.passed += 1;
            return;
        };
        results.failed -= before.count;
        results.total -= before.count;
        results.flaky += 1;
        if results.flaky_tests.len() < KEPT {
            results.flaky_tests.extend(before.first);
        }
    }

    pub(super) fn results(self) -> TestResults {
        let mut failed: Vec<_> = self.failed.into_values().collect();
        failed.sort_by_key(|failures| failures.position);
        let failures = failed.into_iter().filter_map(|failures| failures.first).take(KEPT).collect();
        TestResults { failures, ..self.results }
    }
}

/// Makes the failure that is shown, with shortened texts.
fn told(test: Test) -> Option<FailedTest> {
    let (_, Problem { message, stack }) = test.problem?;
    // pytest writes the escape character like this, because XML cannot contain it.
    let [message, stack] = [message, stack].map(|text| text.replace("#x1B[", "\u{1b}["));
    let details: Vec<_> = cut(&stack, 2).lines().take(STACK).map(|line| line.trim_end().to_owned()).collect();
    let first =
        || details.iter().map(|line| line.trim()).find(|line| !line.is_empty() && !line.starts_with("=== "));
    let message = match message.trim() {
        // Go reports nothing else.
        "" | "Failed" => first().unwrap_or_default().to_owned(),
        message => message.to_owned(),
    };
    let from = details.iter().position(|line| !line.trim().is_empty()).unwrap_or(details.len());
    Some(FailedTest {
        name: cut(&one_line(&test.name), 0),
        suite: cut(&one_line(&test.suite), 0),
        message: cut(&message, 1),
        details: details[from..].to_vec(),
        file: test.file,
        line: test.line,
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, which: usize) -> String {
    workflow_commands::cut(text, CHARACTERS[which])
}
