//! Finds why a target failed, in its output. The rules are data ([`rules::RULES`]); nothing is guessed beyond them.
//! Pure.

mod finder;
mod finding;
mod patterns;
mod rules;

pub use finder::Finder;
pub use finding::place_in;

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most lines of a cause.
pub const LINES: usize = 20;

/// The name of the rule for output that no rule matches.
const LAST_LINES: &str = "last-lines";

/// How many last lines serve as a cause.
const LAST: usize = 8;

/// Why a target failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The rule that found it, or `last-lines`.
    pub rule: String,
    /// The most informative line.
    pub headline: String,
    /// The lines that show it, as the target printed them but without colours. At most [`LINES`].
    pub lines: Vec<String>,
    /// What the reader can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where the failure is in the repository.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<CauseAt>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseAt {
    /// The file, as the target writes it.
    pub file: String,
    pub line: u32,
}

impl fmt::Display for CauseAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Cause {
    /// The last lines of an output, without blank lines and without make's own.
    pub fn last_lines<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> Option<Self> {
        let telling = lines.rev().filter(|line| !line.trim().is_empty() && !patterns::of_make(line));
        let mut lines: Vec<_> = telling.take(LAST).map(|line| finding::shortened(line.trim_end())).collect();
        lines.reverse();
        let headline = lines.last()?.trim().to_owned();
        Some(Self { rule: LAST_LINES.to_owned(), headline, lines, help: None, place: None })
    }
}
