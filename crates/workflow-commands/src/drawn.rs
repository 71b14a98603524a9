//! Lines as a terminal leaves them: drawn over with CR, each with its own colours.

use memchr::{memchr2, memrchr};

use super::colours::{On, RESET, Split};

/// Makes lines that end with LF of text that ends with CR or LF.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// The visible text of the current line, which was drawn with CR. The next drawing replaces it.
    shown: Vec<u8>,
    on: On,
}

impl Drawn {
    /// Whether `text` passes unchanged.
    pub(super) fn keeps(&self, text: &[u8]) -> bool {
        self.shown.is_empty() && self.on.is_empty() && memchr2(b'\r', 0x1b, text).is_none()
    }

    /// The visible text of the line that has no end yet.
    pub(super) fn shown(&self) -> &[u8] {
        &self.shown
    }

    /// Appends the lines of `text` that are complete to `out`.
    pub(super) fn append(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while let Some(length) = memchr2(b'\n', b'\r', rest) {
            let line = &rest[..length];
            let whole = rest[length] == b'\n' && length > 0 && self.shown.is_empty() && self.is_closed(line);
            if whole {
                out.extend_from_slice(line);
            } else {
                self.draw(line);
            }
            if rest[length] == b'\n' {
                out.append(&mut self.shown);
                out.push(b'\n');
            }
            rest = &rest[length + 1..];
        }
    }

    /// Ends the line that has no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.shown.is_empty() {
            out.append(&mut self.shown);
            out.push(b'\n');
        }
    }

    /// Whether a line ends all colours that it begins, and none is on before it.
    fn is_closed(&self, line: &[u8]) -> bool {
        let last = memrchr(0x1b, line);
        self.on.is_empty() && last.is_none_or(|at| resets(&line[at..]))
    }

    /// Draws over the current line. Text without visible characters leaves it unchanged.
    fn draw(&mut self, text: &[u8]) {
        let split = Split::of(text);
        if !split.text.is_empty() {
            self.shown.clear();
            if !self.on.is_empty() && !resets(text) {
                self.shown.append(&mut self.on.again());
            }
            self.shown.extend_from_slice(text);
        }
        for (_, place) in &split.colours {
            self.on.obey(split.colour(place));
        }
        if !split.text.is_empty() && !self.on.is_empty() {
            self.shown.extend_from_slice(RESET);
        }
    }
}

/// Whether `text` begins with the end of all colours.
fn resets(text: &[u8]) -> bool {
    text.starts_with(RESET) || text.starts_with(b"\x1b[m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        let mut whole = Vec::new();
        let mut drawn = Drawn::default();
        drawn.append(text.as_bytes(), &mut whole);
        drawn.finish(&mut whole);
        let whole = String::from_utf8_lossy(&whole).into_owned();
        // Parts always end with CR or LF, so these are all possible splits.
        let mut parts = (Drawn::default(), Vec::new());
        for part in text.split_inclusive(['\r', '\n']) {
            parts.0.append(part.as_bytes(), &mut parts.1);
        }
        parts.0.finish(&mut parts.1);
        assert_eq!(String::from_utf8_lossy(&parts.1), whole);
        whole
    }

    #[test]
    fn a_carriage_return_replaces_the_line() {
        for (text, expected) in [
            ("foo\rbar\n", "bar\n"),
            ("a longer one\rshort\n", "short\n"),
            ("one\r\ntwo\r\r\n\r\n\n", "one\ntwo\n\n\n"),
            ("\r10%\r50%\r100%\r", "100%\n"),
            ("\r10%\n\r50%\n", "10%\n50%\n"),
            ("gone\r    \n", "    \n"),
        ] {
            assert_eq!(drawn(text), expected, "{text:?}");
        }
    }

    #[test]
    fn each_line_ends_its_colours_and_the_next_begins_them_again() {
        for (text, expected) in [
            ("\x1b[31;1mred\x1b[0m\n", "\x1b[31;1mred\x1b[0m\n"),
            ("\x1b[31mred\nmore\n\x1b[0mplain\n", "\x1b[31mred\x1b[0m\n\x1b[31mmore\x1b[0m\n\x1b[0mplain\n"),
            ("\x1b[31mred\n\x1b[0m\nplain\n", "\x1b[31mred\x1b[0m\n\nplain\n"),
            ("\x1b[32m50%\r100%\r\x1b[0m\nplain\n", "\x1b[32m100%\x1b[0m\nplain\n"),
        ] {
            assert_eq!(drawn(text), expected, "{text:?}");
        }
    }
}
