//! Makes text of others harmless: it reads as before, but can no longer act as a command.
//!
//! A space is inserted between the two colons of a line that begins with `::`, and into every `##[`, which
//! GitHub's log viewer also renders (`##[group]`, `##[error]`).

use std::borrow::Cow;

use memchr::memmem;

/// `text` with every command in it broken, in both forms and after every kind of line end. The result is safe at
/// the start of a line and inside one.
pub fn neutralize(text: &str) -> Cow<'_, str> {
    let mut breaks = Vec::new();
    find_breaks(text.as_bytes(), &mut breaks);
    if breaks.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + breaks.len());
    let mut from = 0;
    for at in breaks {
        out.push_str(&text[from..at]);
        out.push(' ');
        from = at;
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// Finds the positions at which a space must be inserted, in ascending order. `text` begins at the start of a
/// line. Each position is between two ASCII characters.
pub(super) fn find_breaks(text: &[u8], breaks: &mut Vec<usize>) {
    let before = breaks.len();
    breaks.extend(memmem::find_iter(text, b"::").filter(|at| starts_line(text, *at)).map(|at| at + 1));
    let colons = breaks.len();
    breaks.extend(memmem::find_iter(text, b"##[").map(|at| at + 2));
    if colons > before && breaks.len() > colons {
        breaks[before..].sort_unstable();
    }
}

/// Whether there are only blanks between the start of the line and `at`.
fn starts_line(text: &[u8], at: usize) -> bool {
    let mut line = &text[..at];
    loop {
        match line {
            [] | [.., b'\n' | b'\r'] => return true,
            [rest @ .., 0..=b' ' | 0x7f] => line = rest,
            [.., 0x80..=0xff] => match without_blank(line) {
                Some(rest) => line = rest,
                None => return false,
            },
            _ => return false,
        }
    }
}

/// `line` without a blank character beyond ASCII at its end. Blank characters are those that .NET trims
/// (`char.IsWhiteSpace`) and those that its text comparisons may ignore (zero width, byte order mark). A space too
/// many does no harm.
fn without_blank(line: &[u8]) -> Option<&[u8]> {
    match line {
        [rest @ .., 0xC2, 0x85 | 0xA0 | 0xAD]
        | [rest @ .., 0xE1, 0x9A, 0x80]
        | [rest @ .., 0xE1, 0xA0, 0x8B..=0x8F]
        | [rest @ .., 0xE2, 0x80, 0x80..=0x8F | 0xA8..=0xAF]
        | [rest @ .., 0xE2, 0x81, 0x9F..=0xAF]
        | [rest @ .., 0xE3, 0x80, 0x80]
        | [rest @ .., 0xEF, 0xBB, 0xBF] => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays() {
        for text in ["", "plain", "a::b", "std::io::Error", ": :x", "# #[x]", "## [x]", "#[test]", "a:\n:b"] {
            assert!(matches!(neutralize(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn colons_at_the_start_of_any_line_are_parted() {
        assert_eq!(neutralize("::error::no"), ": :error::no");
        assert_eq!(neutralize("a\n::b\r::c\r\n \t::d"), "a\n: :b\r: :c\r\n \t: :d");
        assert_eq!(
            neutralize("\u{a0}\u{3000}\u{feff}\u{200b}\u{85}::x"),
            "\u{a0}\u{3000}\u{feff}\u{200b}\u{85}: :x"
        );
        assert_eq!(neutralize("\u{0}\u{b}::x"), "\u{0}\u{b}: :x");
        assert_eq!(neutralize(":::::x"), ": ::::x");
        assert_eq!(neutralize("ä::x"), "ä::x");
    }

    #[test]
    fn the_old_form_is_parted_anywhere() {
        assert_eq!(neutralize("a ##[error]b ###[c]"), "a ## [error]b ### [c]");
        assert_eq!(neutralize("::a ##[b]\n##[c]::d"), ": :a ## [b]\n## [c]::d");
    }

    #[test]
    fn twice_is_once() {
        let once = neutralize("::a##[b]\n  ::c").into_owned();
        assert_eq!(neutralize(&once), once);
    }
}
