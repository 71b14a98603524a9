//! The targets and variables of a Makefile, as far as a gate needs them.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::assigned::Assignment;
use super::database::{Database, Pattern, Recipe, Rule};
use super::location::Location;
use super::reach::{Shared, used};

/// How deep rules are followed, because rules may depend on each other.
const DEPTH: usize = 8;

/// A Makefile with its includes, as make has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Makefile {
    /// The files in the order of reading, as make names them. The main file is the first.
    pub files: Vec<PathBuf>,
    pub(super) targets: BTreeMap<String, MakeTarget>,
    pub(super) variables: BTreeMap<String, MakeVariable>,
    pub(super) assignments: Vec<Assignment>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeTarget {
    /// Whether it has something to run.
    pub state: State,
    /// Whether a file or directory with its name keeps make from running it: the target is not `.PHONY` and has no
    /// prerequisites. Then make considers it up to date, and the step would pass without a test.
    pub shadowed: bool,
    /// The pattern rule with its recipe, such as `p2p-%`, if there is one.
    pub pattern: Option<String>,
    /// What its recipes and those of its prerequisites use outside the workspace, with the places.
    pub shared: Vec<(Shared, Location)>,
}

/// Whether a target exists, and whether it has something to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has a recipe or prerequisites.
    Defined {
        /// The places of its recipes. For a target with prerequisites only, the places of their recipes, including
        /// indirect prerequisites. Empty if they have none.
        recipes: Vec<Location>,
    },
    /// It is declared, but has neither. make prints "Nothing to be done" and passes.
    Empty,
    /// No rule makes it. `.DEFAULT`, a match-anything rule `%:`, built-in rules and a file with this name do not
    /// count.
    Missing,
}

/// A make variable, expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeVariable {
    /// Its value without white space at the ends. May be empty.
    pub value: String,
    pub origin: VariableOrigin,
}

/// The origin of a variable (make's function `origin`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableOrigin {
    /// The environment of make.
    Environment,
    /// A Makefile.
    File,
    /// make itself or `MAKEFLAGS`.
    Make,
}

impl MakeTarget {
    /// What both targets use, and where each one does.
    pub fn meets<'a>(&'a self, other: &'a Self) -> Option<(Shared, &'a Location, &'a Location)> {
        self.shared.iter().find_map(|(shared, place)| {
            let (_, met) = other.shared.iter().find(|(theirs, _)| theirs == shared)?;
            Some((*shared, place, met))
        })
    }
}

impl Makefile {
    /// The target `name`. It must have been requested, or begin with `p2p-`.
    pub fn target(&self, name: &str) -> MakeTarget {
        let missing =
            MakeTarget { state: State::Missing, shadowed: false, pattern: None, shared: Vec::new() };
        self.targets.get(name).cloned().unwrap_or(missing)
    }

    /// The variable `name`, if it was requested and is defined.
    pub fn variable(&self, name: &str) -> Option<&MakeVariable> {
        self.variables.get(name)
    }

    /// The assignments of variables that p2p sets.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The names of all targets that begin with `p2p-`, sorted.
    pub fn p2p_targets(&self) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(|(name, target)| name.starts_with("p2p-") && target.state != State::Missing)
            .map(|(name, _)| name.as_str())
    }
}

/// Finds the state of targets from the database and the directory.
pub(super) struct Resolver<'a> {
    pub(super) database: &'a Database,
    pub(super) directory: &'a Path,
}

impl Resolver<'_> {
    /// All targets that begin with `p2p-`, and the requested ones.
    pub(super) fn targets(&self, asked: &[&str], goal: &str) -> BTreeMap<String, MakeTarget> {
        let listed = self.database.rules.iter().filter(|(_, rules)| rules.iter().any(|rule| rule.target));
        let listed = listed.filter_map(|(name, _)| std::str::from_utf8(name).ok());
        listed
            .filter(|name| name.starts_with("p2p-") && *name != goal)
            .chain(asked.iter().copied())
            .map(|name| (name.to_owned(), self.target(name)))
            .collect()
    }

    fn target(&self, name: &str) -> MakeTarget {
        let name = name.as_bytes();
        let rules = self.explicit(name);
        let has_prerequisites = rules.iter().any(|rule| !rule.prerequisites.is_empty());
        let has_recipe = rules.iter().any(|rule| rule.recipe.as_ref().is_some_and(|recipe| !recipe.blank()));
        let pattern = self.pattern_for(name, &rules);
        let state = if has_prerequisites || has_recipe || pattern.is_some_and(|rule| !rule.recipe.blank()) {
            State::Defined { recipes: self.recipes(name) }
        } else if rules.is_empty() && pattern.is_none() {
            State::Missing
        } else {
            State::Empty
        };
        let phony = rules.iter().any(|rule| rule.phony);
        let idle = !has_prerequisites && pattern.is_none_or(|rule| rule.prerequisites.is_empty());
        let shadowed = matches!(state, State::Defined { .. })
            && !phony
            && idle
            && self.path(name).symlink_metadata().is_ok();
        let text = |pattern: &Pattern| {
            let target = pattern.targets.iter().find(|target| Stem::of(name, target).is_some())?;
            Some(String::from_utf8_lossy(target).into_owned())
        };
        MakeTarget { state, shadowed, pattern: pattern.and_then(text), shared: self.shared(name) }
    }

    /// What all recipes of `name` use outside the workspace.
    fn shared(&self, name: &[u8]) -> Vec<(Shared, Location)> {
        let mut shared = Vec::new();
        let mut seen = HashSet::new();
        let mut open = vec![name.to_vec()];
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let rules = self.explicit(&name);
            let mut recipes: Vec<&Recipe> = rules.iter().filter_map(|rule| rule.recipe.as_ref()).collect();
            open.extend(rules.iter().flat_map(|rule| rule.prerequisites.clone()));
            if let Some(pattern) = self.pattern_for(&name, &rules) {
                recipes.push(&pattern.recipe);
                let stem = pattern.targets.iter().find_map(|target| Stem::of(&name, target));
                open.extend(
                    stem.iter()
                        .flat_map(|stem| pattern.prerequisites.iter().map(|wanted| stem.put_into(wanted))),
                );
            }
            for recipe in recipes {
                let used = used(recipe, &self.database.variables);
                shared.extend(used.shared);
                let made = used.made.into_iter().map(String::into_bytes);
                open.extend(made.filter(|name| self.database.rules.contains_key(name)));
            }
        }
        shared
    }

    /// The explicit rules of a target. Empty for a name that is only mentioned.
    fn explicit(&self, name: &[u8]) -> Vec<&Rule> {
        let rules = self.database.rules.get(name);
        rules.into_iter().flatten().filter(|rule| rule.target).collect()
    }

    /// The places of the recipes that run for `name`. Uses a list instead of recursion, because chains of
    /// prerequisites can be long.
    fn recipes(&self, name: &[u8]) -> Vec<Location> {
        let mut places = Vec::new();
        let (mut seen, mut taken) = (HashSet::new(), HashSet::new());
        let mut open = vec![Step::Target(name)];
        while let Some(step) = open.pop() {
            match step {
                Step::Recipe(place) if taken.insert(place) => places.push(place.clone()),
                Step::Target(name) if seen.insert(name) => {
                    let mut steps = self.steps(name);
                    steps.reverse();
                    open.append(&mut steps);
                }
                _ => {}
            }
        }
        places
    }

    /// The recipes of a target, or its prerequisites if it has no recipe.
    fn steps(&self, name: &[u8]) -> Vec<Step<'_>> {
        let rules = self.explicit(name);
        if let Some(pattern) = self.pattern_for(name, &rules) {
            return vec![Step::Recipe(&pattern.recipe.place)];
        }
        let mut steps = Vec::new();
        for rule in rules {
            match &rule.recipe {
                Some(recipe) if !recipe.blank() => steps.push(Step::Recipe(&recipe.place)),
                _ => steps.extend(rule.prerequisites.iter().map(|name| Step::Target(name))),
            }
        }
        steps
    }

    /// The pattern rule with the recipe of `name`. Never for a phony target, nor for one with a recipe. If several
    /// match, the one with the shortest stem wins (GNU make since 3.82).
    fn pattern_for(&self, name: &[u8], rules: &[&Rule]) -> Option<&Pattern> {
        if rules.iter().any(|rule| rule.phony || rule.recipe.is_some()) {
            return None;
        }
        self.pattern(name, DEPTH)
    }

    fn pattern(&self, name: &[u8], depth: usize) -> Option<&Pattern> {
        let depth = depth.checked_sub(1)?;
        let fits = self.database.patterns.iter().filter_map(|pattern| {
            let stem = pattern.targets.iter().find_map(|target| Stem::of(name, target))?;
            let makeable =
                pattern.prerequisites.iter().all(|wanted| self.can_make(&stem.put_into(wanted), depth));
            makeable.then_some((stem.text.len(), pattern))
        });
        fits.min_by_key(|(length, _)| *length).map(|(_, pattern)| pattern)
    }

    /// Whether a prerequisite of a pattern rule exists, is mentioned, or can be made by another rule.
    fn can_make(&self, name: &[u8], depth: usize) -> bool {
        self.database.rules.contains_key(name)
            || self.path(name).exists()
            || self.pattern(name, depth).is_some()
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.directory.join(OsStr::from_bytes(name))
    }
}

/// What is still to be visited.
enum Step<'a> {
    Target(&'a [u8]),
    Recipe(&'a Location),
}

/// The text that `%` matches. A pattern without a slash is compared with the file name only.
struct Stem<'a> {
    directory: &'a [u8],
    text: &'a [u8],
}

impl<'a> Stem<'a> {
    fn of(name: &'a [u8], pattern: &[u8]) -> Option<Self> {
        let slash = memchr::memrchr(b'/', name).filter(|_| !pattern.contains(&b'/'));
        let (directory, file) = name.split_at(slash.map_or(0, |slash| slash + 1));
        let percent = memchr::memchr(b'%', pattern)?;
        let text = file.strip_prefix(&pattern[..percent])?.strip_suffix(&pattern[percent + 1..])?;
        (!text.is_empty()).then_some(Self { directory, text })
    }

    fn put_into(&self, pattern: &[u8]) -> Vec<u8> {
        match memchr::memchr(b'%', pattern) {
            Some(percent) => {
                [self.directory, &pattern[..percent], self.text, &pattern[percent + 1..]].concat()
            }
            None => pattern.to_vec(),
        }
    }
}
