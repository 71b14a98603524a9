//! Pure: the results of tests, read from the reports that test frameworks write. What a report says never decides
//! whether a target passed.

mod junit;
mod k6;
mod tally;

use std::fmt;
use std::io::BufRead;

use serde::Serialize;

use self::tally::Tally;
use crate::domain::cause::{Cause, CauseAt, LINES, place_in};

/// The most failed tests of a target that are kept with message and stack, and the most flaky ones.
const KEPT: usize = 50;

/// How many of the slowest tests are kept.
const SLOWEST: usize = 5;

/// The name of the rule for causes that a report shows.
const REPORT: &str = "test-report";

/// The results of the tests of a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TestResults {
    /// All tests.
    pub total: u64,
    /// Those that passed, at once.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that passed when the framework ran them again.
    pub flaky: u64,
    /// Those that the framework left out.
    pub skipped: u64,
    /// The time of all tests together.
    pub seconds: f64,
    /// Failed tests, the most telling first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedTest>,
    /// Flaky tests, with their first failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flaky_tests: Vec<FailedTest>,
    /// The slowest tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slowest: Vec<TimedTest>,
    /// The reports, relative to the directory that make ran in.
    pub reports: Vec<String>,
}

/// A test that failed, if only once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FailedTest {
    /// Its name.
    pub name: String,
    /// Its class, package or file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// What failed.
    pub message: String,
    /// The stack, or what else the framework says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// The file, if it is in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// How long a test took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimedTest {
    /// Its class and name.
    pub name: String,
    /// In seconds.
    pub seconds: f64,
}

/// Why a file is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is a file of another kind.
    NoReport,
    /// It is a broken report.
    Broken(String),
}

impl FailedTest {
    /// Its class and name; not twice what is said twice.
    pub fn title(&self) -> String {
        title(&self.suite, &self.name)
    }

    /// Where it failed.
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

    /// Replaces what the framework calls the file by its name in the repository, and reads the place from the stack.
    fn locate(&mut self, known: impl Fn(&str) -> Option<String>) {
        let suite: Vec<_> = self.suite.split(['.', '/']).collect();
        let (_, without_class) = suite.split_last().unwrap_or((&"", &[]));
        // Go and the JVM name the file alone. Its directory is in the name of the package.
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
    /// Reads a report: XML of `JUnit`, or the summary of k6.
    ///
    /// # Errors
    /// For a file of another kind, and a broken one: nothing of it counts.
    pub fn read(report: &mut impl BufRead) -> Result<Self, Unreadable> {
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

    /// Finds the places of failures in the repository. `known` gives the name of a file there. Failures with a place
    /// go first, as they say most.
    pub fn locate(&mut self, known: impl Fn(&str) -> Option<String>) {
        self.failures.iter_mut().chain(&mut self.flaky_tests).for_each(|test| test.locate(&known));
        self.failures.sort_by_key(|test| (test.line.is_none(), test.message.is_empty()));
    }

    /// Changes each text: masks it, and makes it harmless. Texts of several lines are changed as a whole.
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

    /// The most telling failure, as the cause of the target's.
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

fn title(suite: &str, name: &str) -> String {
    match (suite, name) {
        ("", name) => name.to_owned(),
        (suite, "") => suite.to_owned(),
        // jest and mocha repeat one in the other.
        (suite, name) if name == suite || name.starts_with(&format!("{suite} ")) => name.to_owned(),
        (suite, name) if name.ends_with(&format!(" {suite}")) => name.to_owned(),
        (suite, name) if suite.ends_with(&format!(" {name}")) => suite.to_owned(),
        (suite, name) => format!("{suite} › {name}"),
    }
}
