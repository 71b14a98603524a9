//! Searches an output with the rules, in one pass and with little memory.

use std::cmp::Reverse;

use regex::bytes::{Regex, RegexSet};
use workflow_commands::stripped;

use super::finding::{Finding, Places};
use super::patterns::{all, regex, set};
use super::rules::{RULES, Rule, Weight};
use super::{Cause, LINES};

/// How many findings are kept for a rule whose first finding counts.
const FIRST: usize = 3;

/// The patterns of a rule, except the one for its first line.
struct Patterns {
    ends: Option<Regex>,
    needs: Option<Regex>,
    says: Option<Regex>,
}

/// Searches an output that is masked and arrives in whole lines.
pub struct Finder {
    /// Matches a line that begins a finding of any rule. It is fast, and most lines do not match.
    any: Option<Regex>,
    /// Tells which rules match a line.
    which: Option<RegexSet>,
    patterns: Vec<Patterns>,
    open: Vec<Finding>,
    found: Vec<Finding>,
    lines: u64,
}

impl Default for Finder {
    fn default() -> Self {
        Self::new()
    }
}

impl Finder {
    /// A search that has read nothing yet.
    pub fn new() -> Self {
        let patterns = RULES.iter().map(|rule| Patterns {
            ends: regex(rule.ends()),
            needs: regex(rule.needs),
            says: regex(rule.says),
        });
        let patterns = patterns.collect();
        Self { any: all(), which: set(), patterns, open: Vec::new(), found: Vec::new(), lines: 0 }
    }

    /// Reads the next lines.
    pub fn push(&mut self, text: &[u8]) {
        if memchr::memchr(0x1b, text).is_some() || std::str::from_utf8(text).is_err() {
            let text = String::from_utf8_lossy(text).into_owned();
            return self.search(stripped(&text).as_bytes());
        }
        self.search(text);
    }

    fn search(&mut self, text: &[u8]) {
        let mut at = 0;
        while at < text.len() {
            if self.open.is_empty() {
                let Some(end) = self.any.as_ref().and_then(|any| any.shortest_match_at(text, at)) else {
                    break;
                };
                let begins =
                    memchr::memrchr(b'\n', &text[..end.min(text.len())]).map_or(0, |before| before + 1);
                // A finding that began in the line before ends here.
                at = begins.max(at);
            }
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
            let line = String::from_utf8_lossy(&text[at..end]);
            self.lines += 1;
            self.line(line.trim_end());
            at = end + 1;
        }
        self.lines += 1;
    }

    /// Reads a line that may begin, continue or end a finding.
    fn line(&mut self, line: &str) {
        let open = std::mem::take(&mut self.open);
        // The weight of the findings that contain this line.
        let mut shown = Weight::Noise;
        for mut finding in open {
            let (rule, patterns) = (&RULES[finding.rule], &self.patterns[finding.rule]);
            let before = finding.len();
            let goes_on = finding.take(rule, patterns.ends.as_ref(), line);
            if finding.len() > before && rule.needs.is_empty() {
                shown = shown.max(rule.weight);
            }
            if goes_on {
                self.open.push(finding);
            } else {
                self.keep(finding);
            }
        }
        let begins = self.which.as_ref().map(|which| which.matches(line.as_bytes()));
        for rule in begins.iter().flatten() {
            let weight = RULES[rule].weight;
            if weight == Weight::Noise {
                break;
            }
            let is_open = self.open.iter().any(|open| open.rule == rule);
            if weight > shown && !is_open && !self.has_enough(rule) {
                self.open.push(Finding::new(rule, self.lines, line));
            }
        }
    }

    fn has_enough(&self, rule: usize) -> bool {
        RULES[rule].first() && self.found.iter().filter(|found| found.rule == rule).count() >= FIRST
    }

    fn keep(&mut self, finding: Finding) {
        let rule = finding.rule;
        if !finding.holds(self.patterns[rule].needs.as_ref()) {
            return;
        }
        if !RULES[rule].first() {
            self.found.retain(|found| found.rule != rule);
        }
        self.found.push(finding);
    }

    /// The cause, if a rule matched: the most informative finding, and the first line of a later one. `known`
    /// returns the path of a file in the repository if the output means one.
    pub fn finish(mut self, known: impl Fn(&str) -> Option<String>) -> Option<Cause> {
        for finding in std::mem::take(&mut self.open) {
            self.keep(finding);
        }
        let (places, rule) = (Places::new(), |finding: &Finding| -> &'static Rule { &RULES[finding.rule] });
        let best = self
            .found
            .iter()
            .max_by_key(|finding| (rule(finding).rank(finding.at), Reverse(finding.rule)))?;
        let says = |finding: &Finding| self.patterns[finding.rule].says.as_ref();
        let mut cause = best.cause(rule(best), says(best), &places, &known);
        let later = self.found.iter().filter(|finding| {
            finding.at > best.at && rule(finding).weight >= Weight::Message && finding.rule != best.rule
        });
        if let Some(later) = later.max_by_key(|finding| finding.at) {
            let later = later.says_most(says(later), &places);
            if !cause.lines.iter().any(|line| line.contains(later)) {
                cause.lines.truncate(LINES - 1);
                cause.lines.push(later.to_owned());
            }
        }
        Some(cause)
    }
}
