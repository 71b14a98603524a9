//! Lines as the runner splits them: they end with LF, CR or CRLF.

use memchr::{memchr_iter, memchr2, memrchr2};

/// The position after the end of the first line of `text`, or `None` if that line has no end yet.
pub(super) fn first_end(text: &[u8]) -> Option<usize> {
    let at = memchr2(b'\n', b'\r', text)?;
    let pair = text[at..].starts_with(b"\r\n");
    Some(at + if pair { 2 } else { 1 })
}

/// The position after the last line end of `text`.
pub(super) fn last_end(text: &[u8]) -> Option<usize> {
    memrchr2(b'\n', b'\r', text).map(|at| at + 1)
}

/// The range of the line that contains `at`, without its end.
pub(super) fn around(text: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = last_end(&text[..at]).unwrap_or(0);
    let end = memchr2(b'\n', b'\r', &text[at..]).map_or(text.len(), |length| at + length);
    start..end
}

/// Appends the lines of `text`, which all end with LF, to `out`, each after `prefix`.
pub(super) fn prefixed(prefix: &[u8], text: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for at in memchr_iter(b'\n', text) {
        out.extend_from_slice(prefix);
        out.extend_from_slice(&text[from..=at]);
        from = at + 1;
    }
}
