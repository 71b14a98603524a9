//! Replaces secrets, in every form in which they may appear, by `***`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use memchr::memmem;

use super::colours::Split;
use super::controls::plain;
use super::edits::Edits;
use super::forms;
use super::search::Search;
use crate::Secret;

/// Ends a text that was cut before it was masked. The masker also hides the beginning of a secret before this
/// mark, so cut such a text with [`cut`].
pub(crate) const CUT: char = '…';

/// At most `characters` characters of a [`plain`] text, and [`CUT`] if there are more.
pub fn cut(text: &str, characters: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(characters) {
        Some((end, _)) => text[..end].chars().chain([CUT]).collect(),
        None => text.into_owned(),
    }
}

/// The secrets of a run. All clones share them: a secret added to one is masked by all.
///
/// It masks each line of a secret that has four characters or more, and the whole secret as base64 (both
/// alphabets, wrapped, inside a longer text). The secret and its lines are also masked in hexadecimal, in
/// JSON, in a URL, in a workflow command and quoted for a shell. Overlapping matches are hidden as one.
#[derive(Clone)]
pub struct Masker(Arc<RwLock<State>>);

struct State {
    texts: BTreeSet<Arc<[u8]>>,
    lines: BTreeSet<String>,
    search: Arc<Search>,
}

impl Masker {
    /// A masker for `secrets`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let state = State {
            texts: BTreeSet::new(),
            lines: BTreeSet::new(),
            search: Arc::new(Search::new(Vec::new())),
        };
        let masker = Self(Arc::new(RwLock::new(state)));
        masker.add(secrets);
        masker
    }

    /// Adds secrets, for all clones. Returns the new strings to pass to `::add-mask::`, one line each. GitHub's
    /// runner derives the base64, JSON and URL forms itself.
    pub fn add<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) -> Vec<Secret> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = state.texts.len();
        let mut new = Vec::new();
        for secret in secrets {
            state
                .texts
                .extend(forms::all(secret.expose()).into_iter().map(|form| Arc::from(form.into_bytes())));
            for line in forms::lines(secret.expose()) {
                if state.lines.insert(line.to_owned()) {
                    new.push(Secret::new(line));
                }
            }
        }
        if state.texts.len() > known {
            state.search = Arc::new(Search::new(state.texts.iter().cloned().collect()));
        }
        new
    }

    /// Text of others, ready to be quoted in our messages: [`plain`] first, then masked.
    pub fn clean(&self, text: &str) -> String {
        self.mask(&plain(text)).into_owned()
    }

    /// `text` with every secret replaced, including secrets that colours divide and the beginning of a secret that
    /// was [`cut`].
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let split = Split::of(text.as_bytes());
        let mut edits = Edits::default();
        let search = self.search();
        search.find(&split.text, &mut edits.masked);
        let mut from = 0;
        for at in memmem::find_iter(&split.text, CUT.encode_utf8(&mut [0; 4])) {
            edits.masked.extend(search.begun(&split.text[from..at]).map(|start| (from + start, at)));
            from = at + CUT.len_utf8();
        }
        if edits.masked.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        edits.apply(&split, &mut out);
        // A secret consists of whole characters, and so does the text between two secrets.
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// The current search.
    pub(super) fn search(&self) -> Arc<Search> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).search)
    }
}

/// No secrets.
impl Default for Masker {
    fn default() -> Self {
        Self::new([])
    }
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_secret_that_was_cut_is_masked() {
        let masker = Masker::new(&["s3cret-one", "über-all", "one-and-two"].map(Secret::new));
        for (text, expected) in [
            ("said s3cret-on…", "said ***…"),
            ("said s3cr… and s3cret-one", "said ***… and ***"),
            ("said s3cret-one-and…", "said ***…"),
            ("said über…: über", "said ***…: über"),
            // Too short, or not cut there.
            ("said s3c…", "said s3c…"),
            ("said s3cret-on", "said s3cret-on"),
            ("… s3cret-on", "… s3cret-on"),
        ] {
            assert_eq!(masker.mask(text), expected);
        }
        for length in 9..20 {
            let text = cut("says 'said' s3cret-one to you", length);
            assert!(!masker.mask(&text).contains("s3cr"), "{text}");
        }
        assert_eq!(cut("über", 4), "über");
        assert_eq!(cut("über", 2), "üb…");
    }

    #[test]
    fn a_secret_on_one_line_with_single_spaces_is_masked() {
        let masker = Masker::new([&Secret::new("two  blanks\tand a tab")]);
        assert_eq!(masker.mask("said: two blanks and a tab"), "said: ***");
    }
}
