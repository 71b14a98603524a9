//! Compiles the patterns of the rules.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::rules::RULES;

/// Compiles a pattern. `None` if it is empty.
pub(super) fn regex(pattern: &str) -> Option<Regex> {
    if pattern.is_empty() {
        return None;
    }
    RegexBuilder::new(pattern).unicode(false).build().ok()
}

/// Tells which rules match a line.
pub(super) fn set() -> Option<RegexSet> {
    RegexSetBuilder::new(RULES.iter().map(|rule| rule.begins)).unicode(false).build().ok()
}

/// Matches a line that begins a finding of any rule.
pub(super) fn all() -> Option<Regex> {
    let patterns: Vec<_> = RULES.iter().map(|rule| format!("(?:{})", rule.begins)).collect();
    RegexBuilder::new(&patterns.join("|")).unicode(false).multi_line(true).build().ok()
}

/// Whether make printed the line only to report that something failed.
pub(super) fn of_make(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("make").filter(|rest| rest.starts_with([':', '['])) else {
        return false;
    };
    [
        "*** [",
        "Entering directory",
        "Leaving directory",
        "not remade because of errors",
        "Waiting for unfinished jobs",
    ]
    .iter()
    .any(|part| rest.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_valid() {
        assert!(all().is_some() && set().is_some());
        for rule in RULES {
            for pattern in [rule.ends(), rule.needs, rule.says] {
                assert!(pattern.is_empty() || regex(pattern).is_some(), "{}: {pattern}", rule.name);
            }
        }
    }

    #[test]
    fn only_lines_of_make_that_say_nothing_are_its_own() {
        for own in [
            "make: *** [Makefile:3: x] Error 1",
            "make[1]: Leaving directory '/x'",
            "make: *** Waiting for unfinished jobs....",
        ] {
            assert!(of_make(own), "{own}");
        }
        for other in [
            "make: kubectx: No such file or directory",
            "make: *** No rule to make target 'x'.  Stop.",
            "makeshift: *** [x]",
        ] {
            assert!(!of_make(other), "{other}");
        }
    }
}
