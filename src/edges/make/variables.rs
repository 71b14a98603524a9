//! The variables in the database: their texts, and where a Makefile assigns them.
//!
//! The format is that of `print_variable` and `print_target_variables` of GNU make 4.3: a remark with origin and
//! place, then `NAME = text`, `NAME := text` or a `define`. Variables of single targets are in the sections of
//! patterns and files, as `target: NAME = text` or `# NAME = text`.

use std::collections::HashMap;

use super::location::{Location, place};

/// How many references an expansion follows, because variables may refer to each other.
const REFERENCES: u32 = 2_000;

/// The functions of make with arguments (GNU make manual, "Functions for Transforming Text").
const FUNCTIONS: &str = "abspath addprefix addsuffix and basename call dir error eval file filter \
    filter-out findstring firstword flavor foreach if info join lastword let notdir or origin \
    patsubst realpath shell sort strip subst suffix value warning wildcard";

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// The possible texts of a variable: for all targets, and for single ones.
    texts: HashMap<String, Vec<String>>,
    /// The assignments in Makefiles.
    pub(super) assigned: Vec<Assigned>,
}

/// An assignment in a Makefile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) name: String,
    /// The text in make's own form.
    pub(super) text: String,
    pub(super) place: Location,
    /// Whether it has the directive `override`.
    pub(super) overrides: bool,
    /// Whether it is for single targets.
    pub(super) single: bool,
}

impl Variables {
    /// Parses the database line by line.
    pub(super) fn parse(lines: &[&[u8]]) -> Self {
        let mut variables = Self::default();
        let of_targets = lines.iter().rposition(|line| line.ends_with(b"attern-specific variable values"));
        let of_targets = of_targets.unwrap_or(lines.len());
        let heading = lines.iter().rposition(|line| *line == b"# Pattern-specific Variable Values");
        let of_targets = heading.map_or(of_targets, |heading| heading.min(of_targets));
        let mut at = 0;
        while let [remark, assignment, ..] = &lines[at..] {
            let single = at > of_targets;
            at += 1;
            let Some((place, overrides)) = origin(remark) else { continue };
            let rest = lines[at + 1..].iter();
            let Some((name, text)) = assignment_of(assignment, rest) else { continue };
            variables.texts.entry(name.clone()).or_default().push(text.clone());
            if let Some(place) = place {
                variables.assigned.push(Assigned { name, text, place, overrides, single });
            }
        }
        variables
    }

    /// Expands a text as far as the database allows. References that only a run of make can resolve are removed. All
    /// arguments of functions are kept, so that the result contains everything that the text may become.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut left = REFERENCES;
        let mut into = String::new();
        self.expand_into(text, &mut into, &mut left);
        into
    }

    fn expand_into(&self, text: &str, into: &mut String, left: &mut u32) {
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            into.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            let (inner, after) = match rest.chars().next() {
                Some('(') => enclosed(rest, '(', ')'),
                Some('{') => enclosed(rest, '{', '}'),
                Some('$') => {
                    into.push('$');
                    ("", &rest[1..])
                }
                Some(one) => rest.split_at(one.len_utf8()),
                None => ("", ""),
            };
            rest = after;
            if *left == 0 {
                return;
            }
            *left -= 1;
            match inner.split_once([' ', '\t']) {
                Some((function, arguments)) if FUNCTIONS.split(' ').any(|known| known == function) => {
                    if function == "call" {
                        let name = arguments.split(',').next().unwrap_or_default();
                        self.reference(name.trim_ascii(), into, left);
                        into.push(' ');
                    }
                    self.expand_into(&arguments.replace(',', " "), into, left);
                }
                _ if inner.contains('$') => {
                    let mut name = String::new();
                    self.expand_into(inner, &mut name, left);
                    self.reference(&name, into, left);
                }
                _ => self.reference(inner, into, left),
            }
        }
        into.push_str(rest);
    }

    /// The value of `NAME`, or of `NAME:a=b`.
    fn reference(&self, name: &str, into: &mut String, left: &mut u32) {
        let name = name.split(':').next().unwrap_or_default();
        for (index, text) in self.texts.get(name).into_iter().flatten().enumerate() {
            if index > 0 {
                into.push(' ');
            }
            self.expand_into(text, into, left);
        }
    }
}

/// The text between a bracket and its match, and the rest.
fn enclosed(text: &str, open: char, close: char) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return (&text[1..at], &text[at + 1..]);
            }
        }
    }
    (&text[1..], "")
}

/// Parses the remark above a variable: the place of its assignment in a Makefile, if any, and whether it has
/// `override`.
fn origin(remark: &[u8]) -> Option<(Option<Location>, bool)> {
    let remark = remark.strip_prefix(b"# ")?;
    let overrides =
        remark.starts_with(b"'override' directive") || remark.starts_with(b"`override' directive");
    let others: [&[u8]; 6] =
        [b"makefile", b"environment", b"default", b"command line", b"automatic", b"environment under -e"];
    if !overrides && !others.iter().any(|other| remark.starts_with(other)) {
        return None;
    }
    let from = memchr::memmem::find(remark, b" (from ");
    let named = from.and_then(|from| place(remark[from + b" (from ".len()..].strip_suffix(b")")?));
    Some((named, overrides))
}

/// Reads the line of a variable, or the lines of its `define`.
fn assignment_of<'a>(line: &[u8], mut rest: impl Iterator<Item = &'a &'a [u8]>) -> Option<(String, String)> {
    let line = String::from_utf8_lossy(line);
    let line = line.strip_prefix("# ").unwrap_or(&line);
    if let Some(name) = line.strip_prefix("define ") {
        let lines = rest.by_ref().take_while(|line| **line != b"endef");
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line)).collect();
        return Some((name.to_owned(), lines.join("\n")));
    }
    let equals = line.find("= ").or_else(|| line.ends_with('=').then(|| line.len() - 1))?;
    let name = line[..equals].trim_end_matches([':', '+', '?', '!']).trim_ascii_end();
    // `target: NAME`, for a variable of single targets.
    let name = name.rsplit([' ', '\t']).next()?;
    (!name.is_empty()).then(|| (name.to_owned(), line.get(equals + 2..).unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Variables {
        Variables::parse(&text.split('\n').map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn assignments_are_read_with_their_places() {
        let variables = parse(
            "# makefile (from 'Makefile', line 2)\nVERSION := 1=2\n# environment\nREGISTRY = r\n\
             # 'override' directive (from 'a b.mk', line 5)\nPROJECT_ID = p\n\
             # makefile (from 'm', line 6)\ndefine P2P_APP_NAME\none\ntwo\nendef\n# default\nMAKE = $(M)\n\
             # makefile\nCURDIR := /\n# makefile (from 'm', line 9)\nEMPTY := \n\
             # Pattern-specific Variable Values\n\np2p-% :\n# makefile (from 'm', line 7)\n# REGION := eu\n\
             # Files\n\n# makefile (from 'm', line 8)\np2p-build: TENANT_NAME = t\n",
        );
        let lines: Vec<_> = variables
            .assigned
            .iter()
            .map(|it| format!("{} {:?} {} {} {}", it.name, it.text, it.place, it.overrides, it.single))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        VERSION "1=2" Makefile:2 false false
        PROJECT_ID "p" a b.mk:5 true false
        P2P_APP_NAME "one\ntwo" m:6 false false
        EMPTY "" m:9 false false
        REGION "eu" m:7 false true
        TENANT_NAME "t" m:8 false true
        "#);
        assert_eq!(variables.texts["MAKE"], ["$(M)"]);
    }

    #[test]
    fn texts_are_expanded_as_far_as_the_database_shows() {
        let variables = parse(
            "# makefile (from 'm', line 1)\nA = $(B)-${C}\n# makefile (from 'm', line 2)\nB := $$x\n\
             # environment\nC = c\n# makefile (from 'm', line 3)\nLOOP = $(LOOP) $(LOOP)\n\
             # makefile (from 'm', line 4)\nrun = docker run --name $(1)\n# makefile (from 'm', line 5)\nN = A\n",
        );
        for (text, expected) in [
            ("plain", "plain"),
            ("$(A) $A ${A}", "$x-c $x-c $x-c"),
            ("$$HOME/$$(pwd)", "$HOME/$(pwd)"),
            ("$(call run,$(C))", "docker run --name  run c"),
            ("$(or $(NONE),$(C)) $(if a,b,c)", " c a b c"),
            ("$($(N)) $(N:A=B)", "$x-c A"),
            ("$(unclosed $(A)", ""),
            ("$", ""),
        ] {
            assert_eq!(variables.expand(text), expected, "{text}");
        }
        assert!(variables.expand("$(LOOP)").trim_ascii().is_empty());
    }
}
