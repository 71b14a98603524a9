//! Removes what moves the cursor, clears the screen or acts on the terminal: control sequences
//! (ECMA-48, xterm's "Control Sequences") and control characters. Colours (SGR) stay in a [`Controls`].

use std::borrow::Cow;

use super::colours::Split;

const ESCAPE: u8 = 0x1b;

/// The first byte of U+0080 to U+009F in UTF-8, the control characters of eight bits.
const C1: u8 = 0xc2;

/// A longer list of colours is dropped.
const LONGEST: usize = 64;

/// `text` without control sequences, colours and control characters. Line ends and tabs stay.
pub fn stripped(text: &str) -> Cow<'_, str> {
    let mut out = Vec::new();
    let mut controls = Controls::default();
    let kept = controls.pass(text.as_bytes(), &mut out);
    let split = Split::of(kept);
    if split.text.len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8_lossy(&split.text).into_owned())
}

/// Text of others, ready to be quoted in our messages: [`stripped`], without invisible characters and marks of
/// direction, and with LF as the only line end.
pub fn plain(text: &str) -> Cow<'_, str> {
    let text = stripped(text);
    if text.is_ascii() && !text.contains('\r') {
        return text;
    }
    let one_end = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(one_end.chars().filter(|character| !is_unseen(*character)).collect())
}

/// Zero-width characters, marks of direction (Unicode's UAX 9) and tags.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Removes control sequences from a stream of parts. A sequence may be split between parts.
#[derive(Debug, Default)]
pub(super) struct Controls {
    state: State,
    /// The parameters of the current control sequence. Only those of colours are kept.
    parameters: Vec<u8>,
    /// Whether the current control sequence can still be a colour.
    colours: bool,
    /// How many bytes are missing of the character in which the previous part ended.
    missing: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After [`C1`].
    Eight,
    /// After ESC.
    Escape,
    /// After ESC and bytes in between, as in `ESC ( B`.
    Between,
    /// In a control sequence, after `ESC [`.
    Sequence,
    /// In a string for the terminal (a title, a hyperlink, the clipboard), with the previous byte.
    Quoted(u8),
    /// After ESC in such a string.
    QuotedEscape,
}

impl Controls {
    /// Returns the text of `bytes`: in `out`, or `bytes` itself if nothing has to be removed.
    pub(super) fn pass<'a>(&mut self, bytes: &'a [u8], out: &'a mut Vec<u8>) -> &'a [u8] {
        out.clear();
        let mut at = 0;
        if self.state == State::Text {
            if self.missing == 0 && is_ordinary(bytes) {
                return bytes;
            }
            at = self.text(bytes, 0);
            if at == bytes.len() {
                return bytes;
            }
            out.extend_from_slice(&bytes[..at]);
        }
        while let Some(byte) = bytes.get(at) {
            if self.state != State::Text {
                at += usize::from(self.takes(*byte, out));
                continue;
            }
            let end = self.text(bytes, at);
            out.extend_from_slice(&bytes[at..end]);
            self.state = match bytes.get(end) {
                Some(&ESCAPE) => State::Escape,
                Some(&C1) => State::Eight,
                _ => State::Text,
            };
            at = end + 1;
        }
        out
    }

    /// The byte that was held back, at the end of the stream.
    pub(super) fn rest(&mut self) -> Option<u8> {
        (std::mem::take(&mut self.state) == State::Eight).then_some(C1)
    }

    /// The end of the text that begins at `at`: the next control character, or the end of `bytes`.
    fn text(&mut self, bytes: &[u8], mut at: usize) -> usize {
        let missing = std::mem::take(&mut self.missing);
        at += self.continued(bytes, at, missing);
        loop {
            at += ordinary(&bytes[at..]);
            let length = match bytes.get(at) {
                None | Some(0..=0x1f | 0x7f..=0x9f) => return at,
                Some(&C1) if matches!(bytes.get(at + 1), None | Some(0x80..=0x9f)) => return at,
                Some(0xc2..=0xdf) => 2,
                Some(0xe0..=0xef) => 3,
                Some(0xf0..=0xf4) => 4,
                Some(_) => 1,
            };
            at += 1 + self.continued(bytes, at + 1, length - 1);
        }
    }

    /// How many of the `missing` bytes of a character are at `at`.
    fn continued(&mut self, bytes: &[u8], at: usize, missing: usize) -> usize {
        let there = bytes[at..].iter().take(missing).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
        if at + there == bytes.len() {
            self.missing = missing - there;
        }
        there
    }

    /// Consumes a byte of a control sequence. Returns false if the byte does not belong to it and must be read again.
    fn takes(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let (state, takes) = match (self.state, byte) {
            // Same meaning as ESC and a letter.
            (State::Eight, 0x80..=0x9f) => (self.introduced(byte - 0x40, false), true),
            (State::Eight, _) => {
                out.push(C1);
                (State::Text, false)
            }
            // A line end, CAN and SUB end any sequence, so an open sequence never removes more than its line.
            (State::Text, _) | (_, b'\n' | b'\r' | 0x18 | 0x1a) => (State::Text, false),
            (State::Quoted(_), ESCAPE) => (State::QuotedEscape, true),
            (State::Quoted(_), 0x07) | (State::Quoted(C1), 0x9c) | (State::QuotedEscape, b'\\') => {
                (State::Text, true)
            }
            (State::Quoted(_), _) => (State::Quoted(byte), true),
            (State::QuotedEscape, _) => (State::Escape, false),
            (_, ESCAPE) => (State::Escape, true),
            (State::Escape | State::Between, b' '..=b'/') => (State::Between, true),
            (State::Escape, b'0'..=b'~') => (self.introduced(byte, true), true),
            (State::Between, b'0'..=b'~') => (State::Text, true),
            (State::Sequence, b'@'..=b'~') => {
                if byte == b'm' && self.colours {
                    out.extend_from_slice(b"\x1b[");
                    out.append(&mut self.parameters);
                    out.push(byte);
                }
                (State::Text, true)
            }
            (State::Sequence, 0..=b'?' | 0x7f) => {
                self.colours &= matches!(byte, b'0'..=b';') && self.parameters.len() < LONGEST;
                if self.colours {
                    self.parameters.push(byte);
                }
                (State::Sequence, true)
            }
            (State::Escape | State::Between | State::Sequence, _) => (State::Text, false),
        };
        self.state = state;
        takes
    }

    /// The state after ESC and this letter.
    fn introduced(&mut self, letter: u8, colours: bool) -> State {
        match letter {
            b'[' => {
                self.parameters.clear();
                self.colours = colours;
                State::Sequence
            }
            b']' | b'P' | b'X' | b'^' | b'_' => State::Quoted(0),
            _ => State::Text,
        }
    }
}

/// How many bytes at the start are printable ASCII, tabs or line ends.
fn ordinary(bytes: &[u8]) -> usize {
    let odd = |byte: &u8| !matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    bytes.iter().position(odd).unwrap_or(bytes.len())
}

/// Whether all of `bytes` are printable ASCII, tabs or line ends, as nearly all output is.
fn is_ordinary(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| !may_be_odd(block) || ordinary(block) == block.len())
        && ordinary(rest) == rest.len()
}

/// Whether there is a byte that is neither printable ASCII nor LF. The compiler makes vector instructions of this: no
/// branch, and nothing wider than a byte.
fn may_be_odd(block: &[u8; 64]) -> bool {
    let odd = |byte: u8| u8::from(byte.wrapping_sub(b' ') > b'~' - b' ') & u8::from(byte != b'\n');
    block.iter().fold(0, |flags, byte| flags | odd(*byte)) != 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn passed(parts: &[&[u8]]) -> String {
        let (mut controls, mut out, mut all) = (Controls::default(), Vec::new(), Vec::new());
        for part in parts {
            all.extend_from_slice(controls.pass(part, &mut out));
        }
        all.extend(controls.rest());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn only_text_and_colours_are_left_wherever_it_is_cut() {
        for (text, expected) in [
            ("plain ünïcode ✓ Ü\u{a0}\t\r\n", "plain ünïcode ✓ Ü\u{a0}\t\r\n"),
            (
                "\x1b[31mred\x1b[0m \x1b[1;38:2::1:2:3mmany\x1b[m",
                "\x1b[31mred\x1b[0m \x1b[1;38:2::1:2:3mmany\x1b[m",
            ),
            ("a\x1b[2Jb\x1b[?25lc\x1b[1A\x1b[2Kd\x1b[10;20He", "abcde"),
            ("a\x1b[>4;2mb\x1b[1 qc\x1b[?1mde\x1b[31", "abcde"),
            ("a\x1b]0;title\x07b\x1b]8;;https://x\x1b\\c\x1b]52;c;aGk=\x07d", "abcd"),
            ("a\x1bPq#1;2\x1b\\b\x1b_Gx\x1b\\c\x1b^x\x1b\\d\x1bXx\x1b\\e", "abcde"),
            ("a\u{9b}2Jb\u{9b}31mc\u{9d}0;t\u{9c}d\u{90}q\u{9c}e\u{85}f\u{84}", "abcdef"),
            ("a\x1bcb\x1b7\x1b(B\x1b#8c\x1b\x1b[2Jd", "abcd"),
            ("a\x07b\x08c\x00\x0b\x0c\x0e\x0f\x7fd", "abcd"),
            ("a\x1b]0;never ends\nb\x1b[12\nc\x1b\nd\x1bP\r\ne", "a\nb\nc\nd\r\ne"),
            ("a\x1b]0;t\x1b[31mb\x1b]Ü\u{9c}c", "a\x1b[31mbc"),
            ("a\x1b[3\x18b\x1b[3öc\x1böd", "aböcöd"),
        ] {
            assert_eq!(passed(&[text.as_bytes()]), expected);
            for cut in 0..=text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(passed(&[first, second]), expected, "{text:?} cut at {cut}");
            }
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(passed(&bytes), expected, "{text:?} byte by byte");
        }
    }

    #[test]
    fn a_byte_of_a_control_character_alone_goes_and_other_bytes_stay() {
        let mut out = Vec::new();
        assert_eq!(
            Controls::default().pass(b"a\x9b2J \xff\xfe \xc3( \xf0\x9f ok", &mut out),
            b"a2J \xff\xfe \xc3( \xf0\x9f ok"
        );
    }

    #[test]
    fn a_quote_has_no_colours_and_nothing_unseen() {
        assert_eq!(plain("a\x1b[31mb\x1b[0m\u{202e}c\u{200b}d\u{2066}e\r\nf\rg"), "abcde\nf\ng");
        assert_eq!(stripped("a\x1b[31mb\u{200d}\r\n"), "ab\u{200d}\r\n");
        assert!(matches!(plain("nothing to do\n"), Cow::Borrowed(_)));
    }
}
