//! Replaces secrets, in every form they turn up in, by `***`.

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

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";

/// What ends a text of others that was cut before it could be masked. The beginning of a secret in
/// front of it is masked as well, so whoever quotes such a text cuts it with [`cut`].
pub(crate) const CUT: char = '…';

/// At most so many characters of a text that is [`plain`], and [`CUT`] where there are more.
pub fn cut(text: &str, characters: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(characters) {
        Some((end, _)) => text[..end].chars().chain([CUT]).collect(),
        None => text.into_owned(),
    }
}

/// The secrets of a run. Clones share them: what one adds, all mask.
///
/// Masked are each line of a secret that has four characters or more, and the whole as base64 (of both
/// alphabets, wrapped, inside a longer text). The whole and its lines are also masked in hexadecimal, inside
/// JSON, inside a URL, inside a workflow command and quoted for a shell. Those that overlap are hidden as one.
#[derive(Clone)]
pub struct Masker(Arc<RwLock<State>>);

struct State {
    texts: BTreeSet<Arc<[u8]>>,
    lines: BTreeSet<String>,
    search: Arc<Search>,
}

impl Masker {
    /// Masks these.
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

    /// Masks these too, from now on and in every clone. Gives the strings to pass to `::add-mask::`
    /// that are new, one line each. GitHub's runner derives base64, JSON and URL forms of each by itself.
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

    /// Text of others as our own messages quote it: [`plain`], and masked after that.
    pub fn clean(&self, text: &str) -> String {
        self.mask(&plain(text)).into_owned()
    }

    /// `text` with every secret replaced, also one that colours divide, and the beginning of one that was
    /// [`cut`].
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
        // A secret is whole characters, and so is what stands between two of them.
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// What is searched for at this moment.
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
            // Too short to mean anything, or not cut there.
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
