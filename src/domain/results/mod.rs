//! The results of tests, from the reports of test frameworks. A report never decides whether a target passed. Pure.

mod junit;
mod k6;
mod tally;

use std::fmt;
use std::io::{self, BufRead};

use serde::Serialize;

use self::tally::Tally;
use crate::domain::cause::{Cause, CauseAt, LINES, place_in};

/// The most failed tests, and the most flaky ones, that are kept for a target with message and stack.
const KEPT: usize = 50;

/// How many of the slowest tests are kept.
const SLOWEST: usize = 5;

/// The name of the rule for causes that come from a report.
const REPORT: &str = "test-report";

/// The results of a target's tests.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TestResults {
    pub total: u64,
    /// Tests that passed in the first run.
    pub passed: u64,
    pub failed: u64,
    /// Tests that passed when the framework ran them again.
    pub flaky: u64,
    /// Tests that the framework skipped.
    pub skipped: u64,
    /// The total time of all tests, in seconds.
    pub seconds: f64,
    /// Failed tests, the most informative first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedTest>,
    /// Flaky tests, with their first failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flaky_tests: Vec<FailedTest>,
    /// The slowest tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slowest: Vec<TimedTest>,
    /// The reports, relative to make's directory.
    pub reports: Vec<String>,
}

/// A test that failed at least once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FailedTest {
    pub name: String,
    /// Its class, package or file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// What failed.
    pub message: String,
    /// The stack, or other details from the framework.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// The file, if it is in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// The time of a test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimedTest {
    /// Its class and name.
    pub name: String,
    pub seconds: f64,
}

/// Why a file is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not a report.
    NoReport,
    /// It is a broken report.
    Broken(String),
}

impl FailedTest {
    /// Its class and name, without repetition.
    pub fn title(&self) -> String {
        title(&self.suite, &self.name)
    }

    pub fn place(&self) -> Option<CauseAt> {
        Some(CauseAt { file: self.file.clone()?, line: self.line? })
    }

    /// `title: message`, with the first line of the message.
    pub fn headline(&self) -> String {
        match self.message.lines().next() {
            Some(message) if self.title().is_empty() => message.to_owned(),
            Some(message) => format!("{}: {message}", self.title()),
            None => self.title(),
        }
    }

    /// Replaces the framework's path of the file by the path in the repository, and reads the place from the stack.
    fn locate(&mut self, known: impl Fn(&str) -> Option<String>) {
        let suite: Vec<_> = self.suite.split(['.', '/']).collect();
        let (_, without_class) = suite.split_last().unwrap_or((&"", &[]));
        // Go and JVM languages write only the file name. The directory follows from the package.
        let in_package = |file: &str| {
            let packages = [without_class, &suite];
            let mut paths =
                packages.iter().flat_map(|package| (0..package.len()).map(|from| &package[from..]));
            let mut found = || paths.find_map(|path| known(&format!("{}/{file}", path.join("/"))));
            if file.contains('/') { None } else { found() }
        };
        let known = |file: &str| known(file).or_else(|| in_package(file));
        let own = self.file.take().and_then(|file| known(&file)).or_else(|| known(&self.suite));
        let lines = self.message.lines().chain(self.details.iter().map(String::as_str));
        let place = match (&own, self.line) {
            (Some(_), Some(_)) => None,
            _ => place_in(lines, known),
        };
        (self.file, self.line) = match place {
            Some(place) => (Some(place.file), Some(place.line)),
            None => (own, self.line),
        };
        if self.file.is_none() {
            self.line = None;
        }
    }
}

impl TestResults {
    /// Reads a report: `JUnit` XML, or the summary of k6.
    ///
    /// # Errors
    /// If the file is not a report, or if the report is broken. Then nothing of it counts.
    pub fn read(report: &mut impl BufRead) -> Result<Self, Unreadable> {
        let broken = |error: io::Error| Unreadable::Broken(error.to_string());
        let start = report.fill_buf().map_err(broken)?;
        if let Some(unit) = utf_16(start) {
            let mut bytes = Vec::new();
            report.read_to_end(&mut bytes).map_err(broken)?;
            let units: Vec<_> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
            let text = String::from_utf16_lossy(&units);
            return Self::decoded(&mut text.trim_start_matches('\u{feff}').as_bytes());
        }
        Self::decoded(report)
    }

    /// Reads a report in UTF-8.
    fn decoded(report: &mut impl BufRead) -> Result<Self, Unreadable> {
        let start = report.fill_buf().map_err(|error| Unreadable::Broken(error.to_string()))?;
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        let mut tally = Tally::default();
        if first == Some(&b'{') {
            k6::read(report, &mut tally)?;
        } else {
            junit::read(report, &mut tally)?;
        }
        Ok(tally.results())
    }

    /// Adds the results of another report.
    pub fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.total, other.total),
            (&mut self.passed, other.passed),
            (&mut self.failed, other.failed),
            (&mut self.flaky, other.flaky),
            (&mut self.skipped, other.skipped),
        ] {
            *sum += more;
        }
        self.seconds += other.seconds;
        for (tests, more) in
            [(&mut self.failures, other.failures), (&mut self.flaky_tests, other.flaky_tests)]
        {
            tests.extend(more);
            tests.truncate(KEPT);
        }
        self.slowest.extend(other.slowest);
        self.slowest.sort_by(|one, next| next.seconds.total_cmp(&one.seconds));
        self.slowest.truncate(SLOWEST);
        self.reports.extend(other.reports);
    }

    /// Finds the places of failures in the repository. `known` returns the path of a file there. Failures with a
    /// place come first, because they explain most.
    pub fn locate(&mut self, known: impl Fn(&str) -> Option<String>) {
        self.failures.iter_mut().chain(&mut self.flaky_tests).for_each(|test| test.locate(&known));
        self.failures.sort_by_key(|test| (test.line.is_none(), test.message.is_empty()));
    }

    /// Masks each text and makes it printable. Multi-line texts are processed as a whole.
    pub fn clean(&mut self, clean: impl Fn(&str) -> String) {
        for test in self.failures.iter_mut().chain(&mut self.flaky_tests) {
            let FailedTest { name, suite, message, details, file, line: _ } = test;
            for text in [name, suite, message].into_iter().chain(file) {
                *text = clean(text);
            }
            // A secret may have several lines.
            *details = clean(&details.join("\n")).lines().map(str::to_owned).collect();
        }
        self.slowest.iter_mut().for_each(|test| test.name = clean(&test.name));
        self.reports.iter_mut().for_each(|report| *report = clean(report));
    }

    /// The most informative failure, as the cause of the target's failure.
    pub fn cause(&self) -> Option<Cause> {
        let test = self.failures.first()?;
        let lines = test.message.lines().chain(test.details.iter().map(String::as_str));
        let mut shown: Vec<String> = Vec::new();
        for line in std::iter::once(test.title().as_str()).chain(lines) {
            if shown.len() < LINES && !line.trim().is_empty() && !shown.iter().any(|known| known == line) {
                shown.push(line.to_owned());
            }
        }
        let (headline, place) = (test.headline(), test.place());
        Some(Cause { rule: REPORT.to_owned(), headline, lines: shown, help: None, place })
    }
}

impl fmt::Display for TestResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, passed, failed, flaky, skipped, .. } = self;
        write!(f, "{total} run: {passed} passed, {failed} failed")?;
        for (number, word) in [(flaky, "flaky"), (skipped, "skipped")] {
            if *number > 0 {
                write!(f, ", {number} {word}")?;
            }
        }
        Ok(())
    }
}

/// How two bytes make a unit, if XML in UTF-16 begins so, as tools on Windows write it.
fn utf_16(start: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    let begins = |byte: &u8| *byte == b'<' || byte.is_ascii_whitespace();
    match start {
        [0xff, 0xfe, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] => Some(u16::from_be_bytes),
        [byte, 0, ..] if begins(byte) => Some(u16::from_le_bytes),
        [0, byte, ..] if begins(byte) => Some(u16::from_be_bytes),
        _ => None,
    }
}

fn title(suite: &str, name: &str) -> String {
    match (suite, name) {
        ("", name) => name.to_owned(),
        (suite, "") => suite.to_owned(),
        // jest and mocha repeat the suite in the name.
        (suite, name) if name == suite || name.starts_with(&format!("{suite} ")) => name.to_owned(),
        (suite, name) if name.ends_with(&format!(" {suite}")) => name.to_owned(),
        (suite, name) if suite.ends_with(&format!(" {name}")) => suite.to_owned(),
        (suite, name) => format!("{suite} › {name}"),
    }
}
