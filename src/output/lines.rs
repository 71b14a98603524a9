//! Lines as the runner cuts them: they end at LF, CR or CRLF.

use memchr::{memchr2, memrchr2};

/// Where the first line of `text` ends, its end included, or `None` where it has no end yet.
pub(super) fn first_end(text: &[u8]) -> Option<usize> {
    let at = memchr2(b'\n', b'\r', text)?;
    let pair = text[at..].starts_with(b"\r\n");
    Some(at + if pair { 2 } else { 1 })
}

/// Where the last line of `text` that has an end ends, its end included.
pub(super) fn last_end(text: &[u8]) -> Option<usize> {
    memrchr2(b'\n', b'\r', text).map(|at| at + 1)
}

/// The range of the line, without its end, in which `at` lies.
pub(super) fn around(text: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = last_end(&text[..at]).unwrap_or(0);
    let end = memchr2(b'\n', b'\r', &text[at..]).map_or(text.len(), |length| at + length);
    start..end
}

/// Puts `prefix` before each line and LF after it. Text comes in parts, each ending with a line.
#[derive(Debug)]
pub(super) struct Prefixer {
    prefix: Vec<u8>,
    /// The part before ended with CR, so LF at the start belongs to it.
    after_cr: bool,
}

impl Prefixer {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), after_cr: false }
    }

    /// Appends the lines of `text` to `out`.
    pub(super) fn append(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let mut rest = text;
        if self.after_cr {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(length) = memchr2(b'\n', b'\r', rest) {
            out.extend_from_slice(&self.prefix);
            out.extend_from_slice(&rest[..length]);
            out.push(b'\n');
            let pair = rest[length..].starts_with(b"\r\n");
            rest = &rest[length + if pair { 2 } else { 1 }..];
        }
        self.after_cr = text.ends_with(b"\r");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gets_its_prefix_wherever_the_parts_are_cut() {
        let text = b"one\ntwo\r\n\rthree\r\r\n";
        let mut whole = Vec::new();
        Prefixer::new("> ").append(text, &mut whole);
        assert_eq!(String::from_utf8_lossy(&whole), "> one\n> two\n> \n> three\n> \n");
        for cut in [4, 8, 9, 10, 16, 17] {
            let mut prefixer = Prefixer::new("> ");
            let mut parts = Vec::new();
            prefixer.append(&text[..cut], &mut parts);
            prefixer.append(b"", &mut parts);
            prefixer.append(&text[cut..], &mut parts);
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }
}
