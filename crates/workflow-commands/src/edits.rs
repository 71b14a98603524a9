//! Applies all changes to a text in one pass.

use super::colours::Split;

/// Replaces a secret.
pub(crate) const MASK: &str = "***";

/// The changes to a text without colours.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// Positions at which a space is inserted.
    pub(super) breaks: Vec<usize>,
    /// Ranges that [`MASK`] replaces.
    pub(super) masked: Vec<(usize, usize)>,
    /// Both, in order.
    all: Vec<(usize, usize)>,
}

impl Edits {
    pub(super) fn clear(&mut self) {
        self.breaks.clear();
        self.masked.clear();
    }

    /// Appends the changed text, with its colours, to `out`.
    pub(super) fn apply(&mut self, split: &Split<'_>, out: &mut Vec<u8>) {
        self.all.clear();
        self.all.extend(self.breaks.iter().map(|at| (*at, *at)).chain(self.masked.iter().copied()));
        self.all.sort_unstable();
        let mut copy = Copy { split, from: 0, colours: 0, out };
        for (start, end) in &self.all {
            // Otherwise it overlaps a range that is already hidden.
            if *start >= copy.from {
                copy.show(*start);
                copy.out.extend_from_slice(if start == end { b" " } else { MASK.as_bytes() });
            }
            copy.hide(*end);
        }
        copy.show(split.text.len());
    }
}

/// A copy in progress.
struct Copy<'a> {
    split: &'a Split<'a>,
    from: usize,
    colours: usize,
    out: &'a mut Vec<u8>,
}

impl Copy<'_> {
    /// Copies the text and its colours up to `end`.
    fn show(&mut self, end: usize) {
        while let Some((at, place)) = self.split.colours.get(self.colours).filter(|(at, _)| *at <= end) {
            self.out.extend_from_slice(&self.split.text[self.from..*at]);
            self.out.extend_from_slice(self.split.colour(place));
            self.from = *at;
            self.colours += 1;
        }
        self.out.extend_from_slice(&self.split.text[self.from..end]);
        self.from = end;
    }

    /// Skips the text up to `end`, but keeps its colours.
    fn hide(&mut self, end: usize) {
        while let Some((_, place)) = self.split.colours.get(self.colours).filter(|(at, _)| *at < end) {
            self.out.extend_from_slice(self.split.colour(place));
            self.colours += 1;
        }
        self.from = self.from.max(end);
    }
}
