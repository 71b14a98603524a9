//! Replaces secrets, in every form they turn up in, by `***`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::forms;
use super::search::Search;
use crate::secret::Secret;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

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

    /// `text` with every secret replaced.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        self.search().find(text.as_bytes(), &mut found);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in found {
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
