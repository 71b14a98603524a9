//! Finds many texts at once. It is fast if there are no matches.
//!
//! A text of length n ≥ `stride` + 3 always covers four bytes that begin at a multiple of `stride`. Only
//! those are looked up: a filter says whether these four bytes may occur in some text. If they may, a table says
//! at which offsets, and the texts themselves are compared.
//!
//! Why not the crate `aho-corasick`: on build output without a secret, with 100 texts (about seven secrets in
//! all their forms) its automaton reads 0.5 GB/s and this search 3.8 GB/s on the same machine. The
//! difference is a second for 500 MB of output, more than the whole limit of `scripts/bench`. Up to ten
//! texts the crate is faster (5.8 GB/s), because its vector search applies there.

use std::sync::Arc;

/// Four bytes are looked up at a time.
const GRAM: usize = 4;

/// So many times the filter is asked before the answers are looked at: the processor overlaps what does not depend on
/// each other.
const LOOKS: usize = 8;

/// About 100 secrets in all their forms fill 3 % of the filter. It has 64 KiB; a larger one would leave the processor's
/// cache and cost more than it saves.
const SLOTS: usize = 1 << 19;

/// The most offsets one entry of the table tells apart.
const MOST_OFFSETS: usize = 8;

/// The texts to find. Each has at least four bytes.
pub(super) struct Search {
    /// In ascending order, without duplicates.
    texts: Vec<Arc<[u8]>>,
    /// For each text, the longest other text that is a prefix of it.
    shorter: Vec<Option<usize>>,
    /// The [`head`] of each text, in the same order.
    heads: Vec<u32>,
    /// At the [`slot`] of four bytes, one bit: whether some text may hold them.
    filter: Box<[u64; SLOTS / 64]>,
    /// For eight slots each, one bit for each offset at which some text may hold the four bytes.
    table: Box<[u8; SLOTS / 8]>,
    stride: usize,
    longest: usize,
}

impl Search {
    /// `texts` are in ascending order, without duplicates, and have at least four bytes each.
    #[expect(clippy::large_stack_arrays, reason = "64 KiB each, on the heap right after")]
    pub(super) fn new(texts: Vec<Arc<[u8]>>) -> Self {
        let shortest = texts.iter().map(|text| text.len()).min().unwrap_or(GRAM);
        let stride = (shortest + 1).saturating_sub(GRAM).clamp(1, MOST_OFFSETS);
        let mut filter = Box::new([0; SLOTS / 64]);
        let mut table = Box::new([0; SLOTS / 8]);
        for text in &texts {
            for offset in 0..stride {
                let slot = slot(gram(text, offset));
                filter[slot / 64] |= 1 << (slot % 64);
                table[slot / 8] |= 1 << offset;
            }
        }
        Self {
            shorter: shorter(&texts),
            heads: texts.iter().map(|text| head(text)).collect(),
            longest: texts.iter().map(|text| text.len()).max().unwrap_or(0),
            texts,
            filter,
            table,
            stride,
        }
    }

    /// The length in bytes of the longest text; 0 if there are no texts.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Appends the ranges `(start, end)` of all matches in `haystack`, in order. Overlapping matches are one range:
    /// hiding only the first would show the rest of the other.
    pub(super) fn find(&self, haystack: &[u8], found: &mut Vec<(usize, usize)>) {
        if self.texts.is_empty() {
            return;
        }
        let first = found.len();
        let mut at = match self.stride {
            1 => self.scan::<1>(haystack, found),
            2 => self.scan::<2>(haystack, found),
            3 => self.scan::<3>(haystack, found),
            4 => self.scan::<4>(haystack, found),
            5 => self.scan::<5>(haystack, found),
            6 => self.scan::<6>(haystack, found),
            7 => self.scan::<7>(haystack, found),
            _ => self.scan::<MOST_OFFSETS>(haystack, found),
        };
        while at + GRAM <= haystack.len() {
            self.compare(haystack, at, first, found);
            at += self.stride;
        }
    }

    /// Searches in steps of [`LOOKS`] and returns the position at which fewer are left. A constant stride keeps each
    /// look down to a few instructions.
    fn scan<const STRIDE: usize>(&self, haystack: &[u8], found: &mut Vec<(usize, usize)>) -> usize {
        let first = found.len();
        let mut at = 0;
        while let Some(window) = haystack.get(at..at + LOOKS * STRIDE + GRAM) {
            let mut seen = 0_u32;
            for look in 0..LOOKS {
                seen |= u32::from(self.may_hold(window, look * STRIDE)) << look;
            }
            while seen != 0 {
                let look = seen.trailing_zeros() as usize;
                self.compare(haystack, at + look * STRIDE, first, found);
                seen &= seen - 1;
            }
            at += LOOKS * STRIDE;
        }
        at
    }

    /// The start of a text that is cut off by the end of `haystack` and of which at least four bytes are there.
    pub(super) fn begun(&self, haystack: &[u8]) -> Option<usize> {
        let last = haystack.len().checked_sub(GRAM).filter(|_| !self.texts.is_empty())?;
        (haystack.len().saturating_sub(self.longest)..=last).find(|start| {
            let rest = &haystack[*start..];
            let after = || self.texts.partition_point(|text| **text < *rest);
            self.offsets(rest, 0) & 1 != 0
                && self.texts.get(after()).is_some_and(|text| text.starts_with(rest))
        })
    }

    /// Whether some text may hold the four bytes at `at`.
    #[inline]
    fn may_hold(&self, bytes: &[u8], at: usize) -> bool {
        let slot = slot(gram(bytes, at));
        self.filter[slot / 64] >> (slot % 64) & 1 != 0
    }

    /// At which offsets some text may have the four bytes at `at`, one bit each.
    fn offsets(&self, bytes: &[u8], at: usize) -> u8 {
        if self.may_hold(bytes, at) { self.table[slot(gram(bytes, at)) / 8] } else { 0 }
    }

    /// Looks for texts that have the four bytes at `at` at one of the offsets. Each match is seen at exactly one `at`,
    /// and later ones begin later. The matches in this haystack begin at `found[first]`.
    fn compare(&self, haystack: &[u8], at: usize, first: usize, found: &mut Vec<(usize, usize)>) {
        let offsets = self.offsets(haystack, at);
        if offsets == 0 {
            return;
        }
        for offset in (0..self.stride.min(at + 1)).rev() {
            let start = at - offset;
            if offsets & (1 << offset) == 0 {
                continue;
            }
            let Some(length) = self.text_at(&haystack[start..]) else { continue };
            match found[first..].last_mut() {
                Some((_, end)) if start < *end => *end = (*end).max(start + length),
                _ => found.push((start, start + length)),
            }
        }
    }

    /// The length of the longest text that is a prefix of `haystack`.
    fn text_at(&self, haystack: &[u8]) -> Option<usize> {
        if haystack.len() < GRAM || self.offsets(haystack, 0) & 1 == 0 {
            return None;
        }
        let head = head(haystack);
        let from = self.heads.partition_point(|other| *other < head);
        let same = self.heads[from..].partition_point(|other| *other == head);
        // The greatest text that is not greater than the haystack. If any text is a prefix of the haystack, then it is
        // this one or a prefix of this one.
        let after = from + self.texts[from..from + same].partition_point(|text| **text <= *haystack);
        let mut candidate = (after > from).then(|| after - 1);
        while let Some(index) = candidate {
            if haystack.starts_with(&self.texts[index]) {
                return Some(self.texts[index].len());
            }
            candidate = self.shorter[index];
        }
        None
    }
}

/// The four bytes at `at`, or zeros beyond the end.
#[inline]
fn gram(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + GRAM).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The first four bytes as a number that sorts like the bytes.
fn head(bytes: &[u8]) -> u32 {
    gram(bytes, 0).swap_bytes()
}

/// Multiplicative hashing (Knuth, TAOCP 6.4): the upper bits are the well mixed ones.
#[inline]
fn slot(gram: u32) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> (u32::BITS - SLOTS.ilog2())) as usize
}

/// For each text, the longest other text that is a prefix of it. In ascending order a text follows its prefixes, so
/// the current prefixes form a stack.
fn shorter(texts: &[Arc<[u8]>]) -> Vec<Option<usize>> {
    let mut open: Vec<usize> = Vec::new();
    let mut all = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        while open.last().is_some_and(|last| !text.starts_with(&texts[*last])) {
            open.pop();
        }
        all.push(open.last().copied());
        open.push(index);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(texts: &[&[u8]]) -> Search {
        let sorted: std::collections::BTreeSet<Arc<[u8]>> =
            texts.iter().map(|text| Arc::from(*text)).collect();
        Search::new(sorted.into_iter().collect())
    }

    fn find(texts: &[&[u8]], haystack: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        search(texts).find(haystack, &mut found);
        found
    }

    /// What [`Search::find`] must find, computed the slow way.
    fn reference(texts: &[&[u8]], haystack: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for at in 0..haystack.len() {
            let longest =
                texts.iter().filter(|text| haystack[at..].starts_with(text)).map(|text| text.len()).max();
            let Some(length) = longest else { continue };
            match found.last_mut() {
                Some((_, end)) if at < *end => *end = (*end).max(at + length),
                _ => found.push((at, at + length)),
            }
        }
        found
    }

    #[test]
    fn the_longest_at_a_place_and_all_that_overlap() {
        assert_eq!(find(&[b"abcd", b"abcdefgh", b"bcdefghijk"], b"xabcdefghijk"), [(1, 12)]);
        assert_eq!(find(&[b"abcd", b"abcdxyzw"], b"abcdxyz abcdxyzw"), [(0, 4), (8, 16)]);
        assert_eq!(find(&[b"aaaa"], b"aaaaaaaaa"), [(0, 9)]);
        assert_eq!(find(&[b"abcdef", b"bcde", b"efgh"], b"abcdefgh"), [(0, 8)], "in, and over the end");
        assert_eq!(find(&[b"abcd"], b"abcdabcd"), [(0, 4), (4, 8)], "beside each other");
    }

    #[test]
    fn a_shorter_text_is_found_behind_greater_ones_that_fail() {
        let texts: [&[u8]; 4] = [b"abcd", b"abcdef", b"abcdefzz", b"abcdeg"];
        assert_eq!(find(&texts, b"abcdefz"), [(0, 6)]);
        assert_eq!(find(&texts, b"abcdz"), [(0, 4)]);
        assert_eq!(find(&texts, b"abcdegabcde"), [(0, 6), (6, 10)]);
    }

    #[test]
    fn nothing_to_find() {
        assert_eq!(find(&[], b"anything"), []);
        assert_eq!(find(&[b"long enough"], b""), []);
        assert_eq!(find(&[b"long enough"], b"abc"), []);
    }

    proptest! {
        #[test]
        fn finds_what_the_slow_way_finds(
            texts in prop::collection::vec(prop::collection::vec(0_u8..3, 4..24), 0..12),
            haystack in prop::collection::vec(0_u8..3, 0..300),
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(find(&texts, &haystack), reference(&texts, &haystack));
        }

        #[test]
        fn finds_long_texts_wherever_they_stand(
            texts in prop::collection::vec("[a-z]{11,40}", 1..200),
            before in 0_usize..40,
            which in any::<prop::sample::Index>(),
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let haystack = [&vec![b'.'; before], *which.get(&texts), b"."].concat();
            prop_assert_eq!(find(&texts, &haystack), reference(&texts, &haystack));
        }
    }
}
