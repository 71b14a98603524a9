//! Parses the database that `make -p` prints.
//!
//! The format is that of `print_data_base`, `print_file`, `print_rule` and `print_commands` of GNU make 4.3. The
//! words of 3.81 (`commands to execute (from …` with another quote) are accepted too. Values of variables and
//! continuation lines of recipes are printed raw and may contain anything. Therefore sections are recognised by
//! their surroundings, and a rule counts only if its remarks follow.

use std::collections::HashMap;

use super::location::{Location, place};
use super::variables::Variables;

/// The rules and variables of a Makefile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) variables: Variables,
    /// The explicit rules by target. A target with double-colon rules has several.
    pub(super) rules: HashMap<Vec<u8>, Vec<Rule>>,
    /// The pattern rules with a recipe, in order, without the match-anything rule.
    pub(super) patterns: Vec<Pattern>,
}

/// What the database says about one name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Whether a rule or `.PHONY` names it as a target. Otherwise it is only mentioned.
    pub(super) target: bool,
    /// Whether it is a prerequisite of `.PHONY`.
    pub(super) phony: bool,
    /// Normal and order-only prerequisites.
    pub(super) prerequisites: Vec<Vec<u8>>,
    pub(super) recipe: Option<Recipe>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) place: Location,
    /// Its lines as in the Makefile. Continuation lines are joined.
    pub(super) text: String,
}

impl Recipe {
    /// Whether it consists of white space (`target: ;`).
    pub(super) fn blank(&self) -> bool {
        self.text.trim_ascii().is_empty()
    }
}

/// A pattern rule such as `p2p-%: src/%.c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) targets: Vec<Vec<u8>>,
    pub(super) prerequisites: Vec<Vec<u8>>,
    pub(super) recipe: Recipe,
}

impl Database {
    /// Parses make's output after the last line of the probe. `None` if it contains no database.
    pub(super) fn parse(output: &[u8]) -> Option<Self> {
        let lines: Vec<&[u8]> = output.split(|&byte| byte == b'\n').collect();
        let files = files_section(&lines)?;
        let implicit = lines[..files].iter().rposition(|line| *line == b"# Implicit Rules");
        let mut database = Self { variables: Variables::parse(&lines), ..Self::default() };
        if let Some(start) = implicit {
            database.read_patterns(&mut Reader::new(&lines[start + 1..files]));
        }
        database.read_rules(&mut Reader::new(&lines[files + 1..]));
        Some(database)
    }

    fn read_patterns(&mut self, reader: &mut Reader<'_>) {
        while let Some(line) = reader.next() {
            if line.is_empty() || matches!(line[0], b'#' | b'\t') {
                continue;
            }
            let Some((names, prerequisites)) = header(line) else { continue };
            let place = reader.peek().and_then(recipe_place);
            if place.is_some() {
                reader.next();
            }
            let Some(place) = place else { continue };
            let recipe = Recipe { place, text: reader.recipe() };
            let targets = words(names).filter(|target| target.as_slice() != b"%").collect::<Vec<_>>();
            if !targets.is_empty() {
                self.patterns.push(Pattern { targets, prerequisites, recipe });
            }
        }
    }

    fn read_rules(&mut self, reader: &mut Reader<'_>) {
        let mut target = true;
        while let Some(line) = reader.next() {
            if line == b"# files hash-table stats:" {
                break;
            }
            if line.is_empty() {
                target = true;
            } else if line == b"# Not a target:" {
                target = false;
            } else if let Some(prefix) = line.strip_prefix(b".RECIPEPREFIX =") {
                reader.prefix = prefix.last().copied().filter(|byte| *byte != b' ').unwrap_or(b'\t');
            } else if line[0] != b'#' && reader.peek().is_some_and(|next| next.starts_with(b"#  ")) {
                let Some((name, prerequisites)) = header(line) else { continue };
                let mut rule = Rule { target, prerequisites, ..Rule::default() };
                read_remarks(&mut rule, reader);
                self.rules.entry(name.to_owned()).or_default().push(rule);
                target = true;
            }
        }
    }
}

/// Reads the remarks below a rule, and its recipe.
fn read_remarks(rule: &mut Rule, reader: &mut Reader<'_>) {
    while let Some(line) = reader.peek().filter(|line| line.first() == Some(&b'#')) {
        reader.next();
        rule.phony |= line.starts_with(b"#  Phony target");
        if let Some(place) = recipe_place(line) {
            rule.recipe = Some(Recipe { place, text: reader.recipe() });
            return;
        }
        // `# @ := name`: a variable of the target. Its value may have several lines.
        if line.starts_with(b"# ") && !line.starts_with(b"#  ") {
            while reader.peek().is_some_and(|next| !next.is_empty() && next[0] != b'#') {
                reader.next();
            }
        }
    }
}

/// The index of the line `# Files`. It is recognised by the count of rules above it, because a variable (for example
/// with the text of a pull request) may contain the same heading.
fn files_section(lines: &[&[u8]]) -> Option<usize> {
    (0..lines.len()).rev().find(|&index| {
        let above = lines[..index].iter().rev().find(|line| !line.is_empty());
        lines[index] == b"# Files"
            && above.is_some_and(|above| {
                above.ends_with(b" terminal.") && memchr::memmem::find(above, b" implicit rules, ").is_some()
                    || *above == b"# No implicit rules."
            })
    })
}

/// Parses `name: prerequisites`, `name:: prerequisites` and `name:| order-only`.
fn header(line: &[u8]) -> Option<(&[u8], Vec<Vec<u8>>)> {
    let colon = memchr::memchr_iter(b':', line)
        .find(|&at| matches!(&line[at + 1..], [] | [b' ' | b'|', ..] | [b':'] | [b':', b' ' | b'|', ..]))?;
    let rest = &line[colon + 1..];
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let prerequisites = words(rest).filter(|word| word.as_slice() != b"|").collect();
    Some((&line[..colon], prerequisites))
}

fn words(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    text.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec)
}

/// Parses `#  recipe to execute (from 'Makefile', line 12):`. `None` also for built-in recipes.
fn recipe_place(line: &[u8]) -> Option<Location> {
    let line = line
        .strip_prefix(b"#  recipe to execute (from ")
        .or_else(|| line.strip_prefix(b"#  commands to execute (from "))?;
    place(line.strip_suffix(b"):")?)
}

/// The lines of a section in order.
struct Reader<'a> {
    lines: std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, &'a [u8]>>>,
    /// The first character of recipe lines.
    prefix: u8,
}

impl<'a> Reader<'a> {
    fn new(lines: &'a [&'a [u8]]) -> Self {
        Self { lines: lines.iter().copied().peekable(), prefix: b'\t' }
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        self.lines.next()
    }

    fn peek(&mut self) -> Option<&'a [u8]> {
        self.lines.peek().copied()
    }

    /// Reads the text of a recipe.
    fn recipe(&mut self) -> String {
        let mut text = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.first() == Some(&self.prefix)) {
            self.next();
            let mut line = &line[1..];
            while line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
                text.extend_from_slice(&line[..line.len() - 1]);
                let Some(next) = self.next() else { break };
                line = next;
            }
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parse(text: &str) -> Database {
        Database::parse(text.as_bytes()).unwrap()
    }

    fn place(file: &str, line: u64) -> Location {
        Location { file: file.into(), line }
    }

    #[test]
    fn text_without_a_database_is_none() {
        assert_eq!(Database::parse(b""), None);
        assert_eq!(Database::parse(b"# Files\n\np2p-x:\n#  Phony target"), None);
    }

    #[test]
    fn a_heading_in_a_variable_is_no_section() {
        let database = parse(
            "define PR_BODY\n# Files\n\np2p-fake:\n#  Phony target\nendef\n\
             # Implicit Rules\n\n# No implicit rules.\n\n# Files\n\np2p-x:\n#  Phony target\n",
        );
        assert_eq!(database.rules.len(), 1);
        assert!(database.rules[b"p2p-x".as_slice()][0].phony);
    }

    #[test]
    fn the_words_and_quotes_of_make_3_81_are_read() {
        let database = parse(
            "# Implicit Rules\n\np2p-%: src-%\n#  commands to execute (from `rules.mk', line 7):\n\techo $*\n\n\
             # 1 implicit rules, 0 (0.0%) terminal.\n# Files\n\n# Not a target:\nsrc-a:\n\
             #  Implicit rule search has not been done.\n\n\
             p2p-build: a\n#  Implicit rule search has not been done.\n\
             #  commands to execute (from `Makefile', line 3):\n\techo\n",
        );
        assert_eq!(database.patterns[0].recipe.place, place("rules.mk", 7));
        let build = &database.rules[b"p2p-build".as_slice()][0];
        assert!(build.target);
        assert_eq!(build.recipe.as_ref().unwrap().place, place("Makefile", 3));
        assert!(!database.rules[b"src-a".as_slice()][0].target);
    }

    #[test]
    fn continuation_lines_and_other_prefixes_stay_inside_their_recipe() {
        let database = parse(
            "# No implicit rules.\n# Files\n\na:\n#  Implicit rule search has not been done.\n\
             #  recipe to execute (from 'it's', line 1):\n\techo \\\np2p-fake:\n\techo \\\\\n\n\
             .RECIPEPREFIX = >\nb:\n#  Implicit rule search has not been done.\n\
             #  recipe to execute (from 'm', line 2):\n>echo \\\n#  Phony target\n>echo\n\n\
             .RECIPEPREFIX = \nc: | d\n#  Implicit rule search has not been done.\n\
             #  recipe to execute (from 'm', line 3):\n\t\n",
        );
        assert_eq!(database.rules.len(), 3);
        let rule = |name: &str| database.rules[name.as_bytes()][0].clone();
        assert_eq!(
            rule("a").recipe.unwrap(),
            Recipe { place: place("it's", 1), text: "echo p2p-fake:\necho \\\\\n".to_owned() }
        );
        assert_eq!(
            rule("b").recipe.unwrap(),
            Recipe { place: place("m", 2), text: "echo #  Phony target\necho\n".to_owned() }
        );
        assert!(rule("c").recipe.unwrap().blank());
        assert_eq!(rule("c").prerequisites, [b"d"]);
    }

    #[test]
    fn target_specific_variables_are_no_rules() {
        let database = parse(
            "# No implicit rules.\n# Files\n\n# makefile (from 'm', line 1)\np2p-x: NS = a\np2p-fake: b\n\
             # Not a target:\np2p-x:\n#  Implicit rule search has not been done.\n# makefile (from 'm', line 1)\n\
             # NS = a\np2p-fake2: c\n#  Phony target\n\ny:\n#  File has been updated.\n",
        );
        let mut names: Vec<_> = database.rules.keys().map(|name| String::from_utf8_lossy(name)).collect();
        names.sort();
        assert_eq!(names, ["p2p-x", "y"]);
        assert!(!database.rules[b"p2p-x".as_slice()][0].target);
    }

    #[test]
    fn headers_are_split_at_the_colon_that_ends_the_name() {
        let split = |line: &str| {
            let (name, prerequisites) = header(line.as_bytes()).unwrap();
            let prerequisites: Vec<_> =
                prerequisites.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            (String::from_utf8_lossy(name).into_owned(), prerequisites.join(","))
        };
        assert_eq!(split("a:b: c d"), ("a:b".into(), "c,d".into()));
        assert_eq!(split("a:: c"), ("a".into(), "c".into()));
        assert_eq!(split("a:| c"), ("a".into(), "c".into()));
        assert_eq!(split("a: b | c"), ("a".into(), "b,c".into()));
        assert_eq!(split("a:"), ("a".into(), String::new()));
        assert!(header(b"no colon").is_none());
    }
}
