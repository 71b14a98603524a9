//! Finds where a Makefile assigns a variable of p2p, and whether p2p may override it.

use std::path::Path;

use super::location::Location;
use super::variables::{Assigned, Variables};
use sys::world::Env;

/// A value of this length does not occur in another text by accident.
const LONG: usize = 8;

/// An assignment of a variable that targets get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    /// Where it is.
    pub place: Location,
    /// Its value, as far as the database shows it.
    pub value: String,
    /// The effect of a value on make's command line.
    pub hold: Hold,
}

/// The effect that a value on make's command line has on an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It overrides the assignment.
    None,
    /// None, because the assignment has the directive `override`.
    Override,
    /// It would undo what the Makefile derives from the given value.
    Derived,
    /// It would be the same for all targets, but the Makefile sets different values for single targets.
    Single,
}

/// The assignments of `names` whose value differs from the probe's environment. `?=` does not assign a variable that
/// is set.
pub(super) fn assignments(
    variables: &Variables,
    names: &[&str],
    directory: &Path,
    env: &Env,
) -> Vec<Assignment> {
    let given = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let assigned = variables.assigned.iter().filter(|it| names.contains(&it.name.as_str()));
    let message = assigned.filter_map(|assigned| {
        let Assigned { name, text, place, overrides, single } = assigned;
        let value = variables.expand(text).trim_ascii().to_owned();
        let source = Source::read(&directory.join(&place.file), place.line);
        if given(name) == Some(&value) || source.asks(name) {
            return None;
        }
        // With `VERSION := v$(P2P_VERSION)`, one is made from the other: both get the same value.
        let mut same = names
            .iter()
            .filter(|other| *other == name || given(name).is_some() && given(other) == given(name));
        let holds = given(name).is_some_and(|given| given.len() >= LONG && value.contains(given));
        let hold = if *overrides {
            Hold::Override
        } else if *single {
            Hold::Single
        } else if holds || source.operator() == Some('+') || same.any(|name| source.mentions(name)) {
            Hold::Derived
        } else {
            Hold::None
        };
        Some(Assignment { name: name.clone(), place: place.clone(), value, hold })
    });
    message.collect()
}

/// An assignment in its file.
struct Source {
    /// The line before it.
    before: String,
    /// Its line with continuation lines, or the lines of a `define`. Empty if the file cannot be read.
    text: String,
}

impl Source {
    fn read(file: &Path, line: u64) -> Self {
        let text = std::fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let first = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let before = first.checked_sub(1).and_then(|before| text.lines().nth(before)).unwrap_or_default();
        let mut source = Self { before: before.trim_ascii().to_owned(), text: String::new() };
        let mut defines = false;
        for line in text.lines().skip(first) {
            defines |= source.text.is_empty() && line.split_ascii_whitespace().any(|word| word == "define");
            source.text.push_str(line);
            source.text.push('\n');
            let goes_on = if defines { line.trim_ascii() != "endef" } else { line.ends_with('\\') };
            if !goes_on {
                break;
            }
        }
        source
    }

    /// The character before the first `=`.
    fn operator(&self) -> Option<char> {
        self.text.split_once('=')?.0.chars().next_back()
    }

    /// Whether it assigns only if the variable is not set: by `?=`, or below an `ifndef`.
    fn asks(&self, name: &str) -> bool {
        let condition = self.before.starts_with("ifndef") || self.before.starts_with("ifeq");
        self.operator() == Some('?') || condition && self.before.contains(name)
    }

    fn mentions(&self, name: &str) -> bool {
        ["$(NAME)", "${NAME}"].iter().any(|reference| self.text.contains(&reference.replace("NAME", name)))
    }
}
