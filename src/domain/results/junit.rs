//! Reads `JUnit` XML in the dialects of the frameworks. The format has no specification, so this reads what they
//! write.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::Unreadable;
use super::tally::{Ending, Problem, Tally, Test};

/// How deep elements may be nested.
const DEPTH: usize = 100;

/// The most bytes of a stack that are kept.
const STACK: usize = 32 * 1024;

/// A report that is being read.
#[derive(Default)]
struct Report {
    /// The names of the open elements.
    open: Vec<String>,
    /// The names and files of the open suites.
    suites: Vec<(String, Option<String>)>,
    /// How many suites have begun.
    begun: u64,
    test: Option<Test>,
    problem: Option<(Ending, Problem)>,
}

pub(super) fn read(report: &mut impl BufRead, tally: &mut Tally) -> Result<(), Unreadable> {
    let mut reader = Reader::from_reader(report);
    reader.config_mut().allow_dangling_amp = true;
    let (mut state, mut buffer, mut known) = (Report::default(), Vec::new(), false);
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            // Nothing suggests that the file should be a report.
            Err(_) if !known => return Err(Unreadable::NoReport),
            Err(error) => return Err(Unreadable::Broken(error.to_string())),
        };
        match event {
            Event::Start(element) => {
                known = known || is_report(&element)?;
                state.begin(&element, tally)?;
            }
            Event::Empty(element) => {
                known = known || is_report(&element)?;
                state.begin(&element, tally)?;
                state.end(tally);
            }
            Event::End(_) => state.end(tally),
            Event::Text(text) => state.text(&String::from_utf8_lossy(&text)),
            Event::CData(text) => state.text(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(name) => {
                state.text(&unescaped(&format!("&{};", String::from_utf8_lossy(&name))));
            }
            Event::Eof if !known => return Err(Unreadable::NoReport),
            Event::Eof if state.open.is_empty() => return Ok(()),
            Event::Eof => return Err(broken("it ends in the middle")),
            // Entities that a document type declares are not read: they can be huge.
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// A text with what its references, such as `&lt;`, stand for. One that XML does not know stays as it is.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut known = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(';').map_or(0, |end| end + 1);
        let reference = format!("&{}", &part[..end]);
        known.push_str(&unescape(&reference).unwrap_or(Cow::Borrowed(&reference)));
        known.push_str(&part[end..]);
    }
    known
}

fn broken(why: &str) -> Unreadable {
    Unreadable::Broken(why.to_owned())
}

/// Whether the first element is that of a report.
fn is_report(element: &BytesStart<'_>) -> Result<bool, Unreadable> {
    match element.local_name().as_ref() {
        b"testsuites" | b"testsuite" => Ok(true),
        _ => Err(Unreadable::NoReport),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found =
        attributes.with_checks(false).flatten().find(|found| found.key.as_ref() == name.as_bytes())?;
    let text = unescaped(&String::from_utf8_lossy(&found.value));
    (!text.is_empty()).then_some(text)
}

impl Report {
    fn begin(&mut self, element: &BytesStart<'_>, tally: &mut Tally) -> Result<(), Unreadable> {
        let text = |name| attribute(element, name);
        let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
        if self.open.len() == DEPTH {
            return Err(broken("its elements are nested too deeply"));
        }
        match name.as_str() {
            "testsuite" => {
                let file = text("file").or_else(|| self.suites.last().and_then(|(_, file)| file.clone()));
                self.suites.push((text("name").unwrap_or_default(), file));
                self.begun += 1;
            }
            "testcase" => {
                // No known framework nests test cases. Both are counted.
                self.finish(tally);
                let suite = self.suites.last();
                let number = |name| text(name).and_then(|text| text.replace(',', "").parse().ok());
                self.test = Some(Test {
                    name: text("name").unwrap_or_default(),
                    suite: text("classname")
                        .or_else(|| suite.map(|suite| suite.0.clone()))
                        .unwrap_or_default(),
                    group: self.begun,
                    seconds: number("time").unwrap_or_default(),
                    problem: None,
                    skipped: matches!(text("status").as_deref(), Some("notrun" | "disabled" | "skipped")),
                    file: text("file").or_else(|| suite.and_then(|suite| suite.1.clone())),
                    line: text("line").and_then(|line| line.parse().ok()),
                });
            }
            "skipped" => {
                if let Some(test) = &mut self.test {
                    test.skipped = true;
                }
            }
            "failure" | "error" => self.problem = Some((Ending::Failed, problem(&text))),
            "flakyFailure" | "flakyError" => self.problem = Some((Ending::Flaky, problem(&text))),
            _ => {}
        }
        self.open.push(name);
        Ok(())
    }

    fn end(&mut self, tally: &mut Tally) {
        match self.open.pop().as_deref() {
            Some("testsuite") => {
                self.suites.pop();
            }
            Some("testcase") => self.finish(tally),
            Some("failure" | "error" | "flakyFailure" | "flakyError") => self.fail(tally),
            _ => {}
        }
    }

    /// Adds a problem to its test. A failure counts more than a flaky run.
    fn fail(&mut self, tally: &mut Tally) {
        let Some(problem) = self.problem.take() else { return };
        match &mut self.test {
            Some(test) if test.problem.as_ref().is_none_or(|known| known.0 < problem.0) => {
                test.problem = Some(problem);
            }
            Some(_) => {}
            // A suite that failed before its first test.
            None => {
                let (suite, file) = self.suites.last().cloned().unwrap_or_default();
                tally.take(Test { suite, file, problem: Some(problem), ..Test::default() });
            }
        }
    }

    fn finish(&mut self, tally: &mut Tally) {
        if let Some(test) = self.test.take() {
            tally.take(test);
        }
    }

    /// Adds text to the open problem or its stack. The output of a test is ignored.
    fn text(&mut self, text: &str) {
        let inside = self.open.last().map(String::as_str);
        let Some((_, problem)) = self.problem.as_mut() else { return };
        let telling =
            matches!(inside, Some("failure" | "error" | "flakyFailure" | "flakyError" | "stackTrace"));
        if telling && problem.stack.len() < STACK {
            let end = text.floor_char_boundary(STACK);
            problem.stack.push_str(&text[..end]);
        }
    }
}

/// Reads a problem with its message. Some frameworks write only the type of the error.
fn problem(text: &impl Fn(&'static str) -> Option<String>) -> Problem {
    Problem { message: text("message").unwrap_or_default(), stack: String::new() }
}
