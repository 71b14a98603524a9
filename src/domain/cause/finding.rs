//! What a rule has found: the lines from its first to its last, and those that are shown.

use regex::bytes::Regex;

use super::patterns::{of_make, regex};
use super::rules::{Rule, Shows};
use super::{Cause, CauseAt, LINES};

/// The most characters of a line that are shown.
const WIDTH: usize = 400;

/// The most lines of a block that are read.
const BLOCK: usize = 160;

/// If not all lines can be shown: how many of them come before the headline.
const BEFORE: usize = 6;

/// The forms in which tools write a place in a file: the file and the line.
const PLACES: [&str; 17] = [
    r"^\s*-->\s+(\S+?):(\d+)",
    r"panicked at (?:'.*', )?(\S+?):(\d+):\d+",
    r#"^\s*E?\s*File "([^"<]+)", line (\d+)"#,
    r"^: :error (?:.*,)?file=([^,:]+),(?:.*,)?line=(\d+)",
    r"^(?:\[ERROR\] )?(\S+?)[(:]\[?(\d+)(?:[,:]\d+)?[\])]?(?::|\s|$)",
    "\u{276f} (?:\\S+ )?(\\S+?):(\\d+):\\d+",
    r"^\s*(?:at .*\(|at |# |Origin: |location: ')(?:file://)?([^\s()']+?):(\d+)",
    r"^(\S+): line (\d+): ",
    r"^In (\S+) line (\d+):",
    r"\b(?:on|at) (\S+) line (\d+)",
    r"\bfile (\S+), line (\d+)\)",
    r"^CMake Error at (\S+):(\d+)",
    "\u{256d}\u{2500}\\[ (\\S+):(\\d+):\\d+ \\]",
    r"\[(\S+?):(\d+)\]:?$",
    r"^e: (?:file://)?(\S+?):(\d+)",
    r"^\s+(?:\S+ )?(\S+\.\w+):(\d+)(?:\s|:|$)",
    r" \x{e2}\x{80}\x{ba} (\S+?):(\d+):\d+",
];

/// The marks that tools put before an error message.
const MARK: &str =
    "^\\s*(?:: :error\\b[^:]*::|## \\[error\\]|E\\s{3,}|\\[ERROR\\]:? +|npm (?:ERR!|error) |\u{2502} )\\s*";

/// The patterns for places, and for the marks of tools.
pub(super) struct Places(Vec<Regex>, Option<Regex>);

impl Places {
    pub(super) fn new() -> Self {
        let places = PLACES.iter().filter_map(|pattern| regex(pattern));
        Self(places.collect(), regex(MARK))
    }

    /// The message of a line, without the mark of its tool.
    fn told<'a>(&self, line: &'a str) -> &'a str {
        let mark = self.1.as_ref().and_then(|mark| mark.find(line.as_bytes()));
        let said = mark.and_then(|mark| line.get(mark.end()..)).map_or("", str::trim);
        if said.is_empty() { line.trim() } else { said }
    }

    fn of(&self, line: &str) -> Option<CauseAt> {
        self.0.iter().find_map(|pattern| {
            let groups = pattern.captures(line.as_bytes())?;
            let text = |group| std::str::from_utf8(groups.get(group)?.as_bytes()).ok();
            let (file, line) = (text(1)?.to_owned(), text(2)?.parse().ok()?);
            Some(CauseAt { file, line })
        })
    }
}

/// The first place in the repository that the lines name. `known` returns the path of a file there.
pub fn place_in<'a>(
    lines: impl Iterator<Item = &'a str>,
    known: impl Fn(&str) -> Option<String>,
) -> Option<CauseAt> {
    let places = Places::new();
    lines
        .filter_map(|line| places.of(line))
        .find_map(|place| Some(CauseAt { file: known(&place.file)?, ..place }))
}

/// The lines of an output that belong to a finding.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// The index of the rule in the table.
    pub(super) rule: usize,
    /// The number of its first line.
    pub(super) at: u64,
    lines: Vec<String>,
}

impl Finding {
    pub(super) fn new(rule: usize, at: u64, line: &str) -> Self {
        Self { rule, at, lines: vec![shortened(line)] }
    }

    /// The number of its lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Adds a line. `false` if the block ended before it or with it.
    pub(super) fn take(&mut self, rule: &Rule, ends: Option<&Regex>, line: &str) -> bool {
        let ended = || ends.is_some_and(|ends| ends.is_match(line.as_bytes()));
        let goes_on = match rule.shows {
            Shows::Line => false,
            Shows::After(most) => self.lines.len() <= most,
            Shows::Paragraph => !line.trim().is_empty(),
            Shows::Until(_) | Shows::Through(_) => !ended(),
        };
        let goes_on = goes_on && self.lines.len() < BLOCK && !of_make(line);
        if goes_on || matches!(rule.shows, Shows::Through(_)) && ended() {
            self.lines.push(shortened(line));
        }
        goes_on
    }

    /// Whether the block contains what the rule needs.
    pub(super) fn holds(&self, needs: Option<&Regex>) -> bool {
        needs.is_none_or(|needs| self.lines.iter().any(|line| needs.is_match(line.as_bytes())))
    }

    /// The index of the headline.
    pub(super) fn headline(&self, says_of: Option<&Regex>) -> usize {
        let says = |says: &Regex| self.lines.iter().position(|line| says.is_match(line.as_bytes()));
        says_of.and_then(says).unwrap_or(0)
    }

    /// The text of the headline.
    pub(super) fn says_most<'a>(&'a self, says: Option<&Regex>, places: &Places) -> &'a str {
        self.lines.get(self.headline(says)).map_or("", |line| places.told(line))
    }

    /// Makes a cause from the finding. If not all lines can be shown, those around the headline are. `known` returns
    /// the path of a file in the repository.
    pub(super) fn cause(
        &self,
        rule: &Rule,
        says: Option<&Regex>,
        places: &Places,
        known: impl Fn(&str) -> Option<String>,
    ) -> Cause {
        let mut lines = self.lines.clone();
        while lines.len() > 1 && lines.last().is_some_and(|line| line.trim().is_empty()) {
            lines.pop();
        }
        let headline = self.headline(says).min(lines.len() - 1);
        let known = |place: CauseAt| Some(CauseAt { file: known(&place.file)?, ..place });
        let place = |line: &String| places.of(line).and_then(known);
        let place = if rule.heads {
            let number = lines[headline].trim().split(':').next().and_then(|number| number.parse().ok());
            number.and_then(|line| known(CauseAt { file: lines[0].trim().to_owned(), line }))
        } else if rule.last_place {
            lines.iter().rev().find_map(place)
        } else {
            lines[headline..]
                .iter()
                .find_map(place)
                .or_else(|| lines[..headline].iter().rev().find_map(place))
        };
        let from = if headline + 4 < LINES { 0 } else { headline - BEFORE };
        let headline = places.told(&lines[headline]).to_owned();
        let lines = lines.into_iter().skip(from).take(LINES).collect();
        let help = Some(rule.help).filter(|help| !help.is_empty()).map(str::to_owned);
        Cause { rule: rule.name.to_owned(), headline, lines, help, place }
    }
}

/// Shortens a line that is too long to show.
pub(super) fn shortened(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
