//! Colours and styles of a terminal (SGR, ECMA-48 section 8.3.117): `ESC [ 1 ; 31 m`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memchr_iter;

/// The sequence that ends all colours.
pub(super) const RESET: &[u8] = b"\x1b[0m";

/// Text without its colours, and the positions of the colours. This finds secrets that a colour divides.
pub(super) struct Split<'a> {
    /// The text.
    pub(super) text: Cow<'a, [u8]>,
    /// The colours: the position in the text without colours, and the range in the original.
    pub(super) colours: Vec<(usize, Range<usize>)>,
    whole: &'a [u8],
}

impl<'a> Split<'a> {
    /// Splits `whole`.
    pub(super) fn of(whole: &'a [u8]) -> Self {
        let mut split = Split { text: Cow::Borrowed(whole), colours: Vec::new(), whole };
        let mut text = Vec::new();
        let mut from = 0;
        for at in memchr_iter(0x1b, whole) {
            if let Some(length) = length(&whole[at..]) {
                text.extend_from_slice(&whole[from..at]);
                split.colours.push((text.len(), at..at + length));
                from = at + length;
            }
        }
        if from > 0 {
            text.extend_from_slice(&whole[from..]);
            split.text = Cow::Owned(text);
        }
        split
    }

    /// The bytes of a colour.
    pub(super) fn colour(&self, place: &Range<usize>) -> &[u8] {
        &self.whole[place.clone()]
    }
}

/// `text` without its colours, for a reader who sees none.
pub fn uncoloured(text: &[u8]) -> Cow<'_, [u8]> {
    Split::of(text).text
}

/// The length of the colour that `text` begins with.
fn length(text: &[u8]) -> Option<usize> {
    let parameters = text.strip_prefix(b"\x1b[")?;
    let end = parameters.iter().position(|byte| !matches!(byte, b'0'..=b';'))?;
    (parameters[end] == b'm').then_some(end + 3)
}

/// The colours and styles that are on.
#[derive(Debug, Default)]
pub(super) struct On(BTreeMap<u8, String>);

impl On {
    /// Whether none is on.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sequence that turns them on again.
    pub(super) fn again(&self) -> Vec<u8> {
        let all: Vec<_> = self.0.values().map(String::as_str).collect();
        format!("\x1b[{}m", all.join(";")).into_bytes()
    }

    /// Applies a colour sequence.
    pub(super) fn obey(&mut self, colour: &[u8]) {
        let inner = colour.strip_prefix(b"\x1b[").and_then(|rest| rest.strip_suffix(b"m"));
        let text = String::from_utf8_lossy(inner.unwrap_or_default());
        let mut parameters = text.split(';');
        while let Some(parameter) = parameters.next() {
            let code: u8 = match parameter.split(':').next().unwrap_or_default() {
                "" => 0,
                digits => digits.parse().unwrap_or(u8::MAX),
            };
            let mut whole = parameter.to_owned();
            if matches!(code, 38 | 48 | 58) && whole.len() == 2 {
                // Extended colours: `5` and one number, or `2` and three numbers.
                let kind = parameters.next().unwrap_or_default();
                let more = if kind == "2" { 3 } else { 1 };
                for next in std::iter::once(kind).chain(parameters.by_ref().take(more)) {
                    whole = format!("{whole};{next}");
                }
            }
            match (code, kind(code)) {
                (0, _) => self.0.clear(),
                (_, Some((kind, true))) => drop(self.0.insert(kind, whole)),
                (_, Some((kind, false))) => drop(self.0.remove(&kind)),
                (_, None) => {}
            }
        }
    }
}

/// Which property a code changes, named by the code that ends it, and whether this code turns it on.
fn kind(code: u8) -> Option<(u8, bool)> {
    let ends = match code {
        1 | 2 | 22 => 22,
        3 | 20 | 23 => 23,
        4 | 21 | 24 => 24,
        5 | 6 | 25 => 25,
        7 | 27 => 27,
        8 | 28 => 28,
        9 | 29 => 29,
        10..=19 => 10,
        26 | 50 => 50,
        30..=39 | 90..=97 => 39,
        40..=49 | 100..=107 => 49,
        51 | 52 | 54 => 54,
        53 | 55 => 55,
        58 | 59 => 59,
        73..=75 => 75,
        _ => return None,
    };
    Some((ends, code != ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_colours_part() {
        let split = Split::of(b"a\x1b[1;31mb\x1b[mc\x1b[2Kd");
        assert_eq!(&*split.text, b"abc\x1b[2Kd");
        assert_eq!(split.colours, [(1, 1..8), (2, 9..12)]);
        assert_eq!(split.colour(&split.colours[0].1), b"\x1b[1;31m");
    }

    #[test]
    fn what_is_on_is_known() {
        for (text, again) in [
            ("\x1b[1;31m", "\x1b[1;31m"),
            ("\x1b[31m\x1b[39m", ""),
            ("\x1b[31;42m\x1b[0m", ""),
            ("\x1b[31m\x1b[m", ""),
            ("\x1b[38;5;200;1m\x1b[22m", "\x1b[38;5;200m"),
            ("\x1b[48;2;1;2;3;4m\x1b[24m", "\x1b[48;2;1;2;3m"),
            ("\x1b[38:2::1:2:3m\x1b[32m", "\x1b[32m"),
            ("\x1b[999;77m", ""),
        ] {
            let mut on = On::default();
            let split = Split::of(text.as_bytes());
            for (_, place) in &split.colours {
                on.obey(split.colour(place));
            }
            let shown = if on.is_empty() { Vec::new() } else { on.again() };
            assert_eq!(String::from_utf8_lossy(&shown), again, "{text:?}");
        }
    }
}
