//! Lines at the bottom of a terminal that are redrawn while steps run. The output scrolls above them.
//!
//! Only text and the position of the cursor change, so nothing has to be restored after they are cleared.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use workflow_commands::plain;

/// How often the lines are redrawn while output arrives.
const EVERY: Duration = Duration::from_millis(100);
/// The narrowest terminal with live lines, in columns.
const NARROWEST: usize = 12;

/// The live lines of a terminal.
#[derive(Default)]
pub(super) struct Live {
    lines: Vec<String>,
    /// The number of rows that they occupy now.
    rows: usize,
    drawn: Option<Instant>,
}

impl Live {
    /// Replaces the lines. No lines end the display.
    pub(super) fn set(&mut self, lines: Vec<String>, out: &mut dyn Write) {
        self.lines = lines;
        self.clear(out);
        self.draw(out);
    }

    /// Removes the lines from the screen. The next line of output begins there.
    pub(super) fn clear(&mut self, out: &mut dyn Write) {
        if let Some(above) = std::mem::take(&mut self.rows).checked_sub(1) {
            let up = if above > 0 { format!("\x1b[{above}A") } else { String::new() };
            let _gone = write!(out, "\r{up}\x1b[J").and_then(|()| out.flush());
        }
    }

    /// Redraws the lines after output, unless they were just drawn.
    pub(super) fn again(&mut self, out: &mut dyn Write) {
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= EVERY) {
            self.draw(out);
        }
    }

    fn draw(&mut self, out: &mut dyn Write) {
        let (columns, rows) = size();
        if self.lines.is_empty() || columns < NARROWEST {
            return;
        }
        // A text in the last column could wrap, and a line in the first row could not be reached again.
        let shown: Vec<_> =
            self.lines.iter().take((rows - 1).max(1)).map(|line| fitting(line, columns - 1)).collect();
        self.rows = shown.len();
        self.drawn = Some(Instant::now());
        let _gone = write!(out, "{}", shown.join("\r\n")).and_then(|()| out.flush());
    }
}

/// The columns and rows of the terminal.
fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

/// The beginning of a text that fits into this many columns. A character beyond ASCII counts as two, its maximum on
/// a terminal, so the text never wraps.
fn fitting(text: &str, columns: usize) -> String {
    let text = plain(text).replace(['\n', '\t'], " ");
    let mut room = columns;
    let mut shown = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        let width = if c.is_ascii() { 1 } else { 2 };
        let Some(left) = room.checked_sub(width) else { break };
        room = left;
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        assert_eq!(fitting("p2p-nft  12 s", 8), "p2p-nft ");
        assert_eq!(fitting("漢字漢字", 5), "漢字");
        assert_eq!(fitting("e\u{301}e\u{301}", 4), "e\u{301}e");
        assert_eq!(fitting("a\tb\x1b[31mc\x1b[2J\nd\u{202e}", 9), "a bc d");
    }
}
