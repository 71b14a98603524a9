//! Replaces secrets, in every form they turn up in, by `***`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::forms;
use super::search::Search;
use crate::secret::Secret;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// What ends a text of others that was cut before it could be masked. The beginning of a secret in
/// front of it is masked as well, so whoever quotes such a text cuts it with [`cut`].
pub const CUT: char = '…';

/// At most so many characters of a text, and [`CUT`] where there are more.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => text[..end].chars().chain([CUT]).collect(),
        None => text.to_owned(),
    }
}

/// The secrets of a run. Clones share them: what one adds, all mask.
///
/// Masked are each line of a secret that has four characters or more, and the whole and its lines
/// as base64 (of both alphabets, wrapped, inside a longer text), inside JSON, inside a URL, inside a
/// workflow command and between single quotes. Those that overlap are hidden as one.
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

    /// Whether there is nothing to replace.
    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).texts.is_empty()
    }

    /// `text` with every secret replaced, and the beginning of one that was [`cut`].
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        let search = self.search();
        search.find(text.as_bytes(), &mut found);
        let mut from = 0;
        for (at, mark) in text.match_indices(CUT) {
            found.extend(search.begun(&text.as_bytes()[from..at]).map(|start| (from + start, at)));
            from = at + mark.len();
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in found {
            if start < from {
                // The beginning of a secret inside another one.
                from = from.max(end);
                continue;
            }
            // A secret is whole characters, and so is what stands between two of them.
            out.push_str(text.get(from..start).unwrap_or_default());
            out.push_str(MASK);
            from = end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(out)
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
