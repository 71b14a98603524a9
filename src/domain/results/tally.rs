//! Counts the tests of one report, and keeps what is worth telling.

use std::collections::BTreeMap;

use super::{FailedTest, KEPT, SLOWEST, TestResults, TimedTest, title};

/// The most characters of a name, of a message, and of a stack.
const CHARACTERS: [usize; 3] = [300, 1000, 6000];

/// The most seconds that a test is believed to have taken: a year.
const LONGEST: f64 = 31_536_000.0;

/// The most lines of a stack.
const STACK: usize = 80;

/// The most failures of a report whose messages are kept until it is read. Only the first ones are shown.
const HELD: usize = 10 * KEPT;

/// How a test that failed ended.
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
    /// The number of the `testsuite` around it: the same test in another one ran elsewhere, as in another browser.
    pub(super) group: u64,
    pub(super) seconds: f64,
    /// What failed, with the stack.
    pub(super) problem: Option<(Ending, Problem)>,
    pub(super) skipped: bool,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

/// What failed.
#[derive(Debug, Default)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) stack: String,
}

/// The tests so far.
#[derive(Default)]
pub(super) struct Tally {
    results: TestResults,
    /// The failures so far of tests that have not passed since.
    failed: BTreeMap<(u64, String, String), Failures>,
}

/// The failures of one test.
struct Failures {
    count: u64,
    /// Failures are told in the order of the report.
    position: u64,
    first: Option<FailedTest>,
}

impl Tally {
    /// Counts a test. A test that failed and is there again, passed, was run again.
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

    /// The results.
    pub(super) fn results(self) -> TestResults {
        let mut failed: Vec<_> = self.failed.into_values().collect();
        failed.sort_by_key(|failures| failures.position);
        let failures = failed.into_iter().filter_map(|failures| failures.first).take(KEPT).collect();
        TestResults { failures, ..self.results }
    }
}

/// A failure as it is told, its texts cut.
fn told(test: Test) -> Option<FailedTest> {
    let (_, Problem { message, stack }) = test.problem?;
    // pytest writes the character for colours like this, because XML cannot hold it.
    let [message, stack] = [message, stack].map(|text| text.replace("#x1B[", "\u{1b}["));
    let details: Vec<_> = cut(&stack, 2).lines().take(STACK).map(|line| line.trim_end().to_owned()).collect();
    let first =
        || details.iter().map(|line| line.trim()).find(|line| !line.is_empty() && !line.starts_with("=== "));
    let message = match message.trim() {
        // All that Go says.
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
