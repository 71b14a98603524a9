//! Errors, warnings and notices that GitHub shows beside a file.

use std::fmt;

/// GitHub keeps this many characters of an annotation's message.
pub(crate) const MESSAGE_CHARACTERS: usize = 4096;

/// The severity of an annotation. Its name is also the name of the workflow command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `::error::`
    Error,
    /// `::warning::`
    Warning,
    /// `::notice::`
    Notice,
}

impl Level {
    /// The command's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }

    /// The level of the command with this name. Case does not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Error, Self::Warning, Self::Notice]
            .into_iter()
            .find(|level| name.eq_ignore_ascii_case(level.name()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One annotation, its texts unescaped. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The severity.
    pub level: Level,
    /// A title instead of GitHub's own ("Error").
    pub title: Option<String>,
    /// The file, as the program wrote it.
    pub file: Option<String>,
    /// First line.
    pub line: Option<u32>,
    /// Last line, never before `line`.
    pub end_line: Option<u32>,
    /// First column; `None` if the annotation spans several lines.
    pub col: Option<u32>,
    /// Last column, never before `col`.
    pub end_column: Option<u32>,
    /// The message. It may have several lines.
    pub message: String,
}

impl Annotation {
    /// An annotation that belongs to no file.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            title: None,
            file: None,
            line: None,
            end_line: None,
            col: None,
            end_column: None,
            message: message.into(),
        }
    }

    /// Drops positions that the runner would refuse (its `ValidateLinesAndColumns`) and text that GitHub would
    /// cut off. Returns `None` if no message is left. Mask the texts first.
    #[must_use]
    pub fn checked(mut self) -> Option<Self> {
        if self.message.trim().is_empty() {
            return None;
        }
        truncate(&mut self.message, MESSAGE_CHARACTERS);
        self.title = self.title.filter(|title| !title.trim().is_empty());
        if let Some(title) = &mut self.title {
            truncate(title, 255);
        }
        self.file = self.file.filter(|file| !file.trim().is_empty() && file.len() <= 4096);
        for number in [&mut self.line, &mut self.end_line, &mut self.col, &mut self.end_column] {
            *number = number.filter(|number| *number > 0);
        }
        self.line = self.line.or(self.end_line);
        self.col = self.col.or(self.end_column);
        if self.end_line < self.line {
            self.end_line = None;
        }
        let one_line = self.line.is_some() && (self.end_line.is_none() || self.end_line == self.line);
        if !one_line {
            self.col = None;
            self.end_column = None;
        }
        if self.end_column < self.col {
            self.end_column = None;
        }
        Some(self)
    }
}

/// Cuts `text` after `characters` characters.
fn truncate(text: &mut String, characters: usize) {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn at(line: u32, end_line: u32, col: u32, end_column: u32) -> Annotation {
        Annotation {
            file: Some("a.rs".into()),
            line: Some(line),
            end_line: Some(end_line),
            col: Some(col),
            end_column: Some(end_column),
            ..Annotation::new(Level::Error, "no")
        }
    }

    #[test]
    fn positions_that_fit_stay() {
        let annotation = at(3, 3, 1, 5);
        assert_eq!(annotation.clone().checked().unwrap(), annotation);
    }

    #[test]
    fn an_end_before_its_start_goes() {
        let checked = at(3, 2, 5, 1).checked().unwrap();
        assert_eq!((checked.line, checked.end_line), (Some(3), None));
        assert_eq!((checked.col, checked.end_column), (Some(5), None));
    }

    #[test]
    fn columns_need_a_single_line() {
        let checked = at(3, 4, 1, 2).checked().unwrap();
        assert_eq!((checked.line, checked.end_line), (Some(3), Some(4)));
        assert_eq!((checked.col, checked.end_column), (None, None));
    }

    #[test]
    fn an_end_alone_is_the_start_too_and_zero_is_no_line() {
        let checked = at(0, 7, 0, 0).checked().unwrap();
        assert_eq!((checked.line, checked.end_line, checked.col), (Some(7), Some(7), None));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let checked = Annotation::new(Level::Notice, "ä".repeat(5000)).checked().unwrap();
        assert_eq!(checked.message.chars().count(), MESSAGE_CHARACTERS);
    }

    #[test]
    fn an_empty_message_says_nothing() {
        assert_eq!(Annotation::new(Level::Error, "  ").checked(), None);
    }
}
