//! The globs of files to keep: for all targets, or for each target.

use super::types::Lines;
use super::{InputKind, Value};
use sys::yaml::{self, Node};

/// The expected form, for the help.
const EXPECTED: &str = "expected globs, one per line, or YAML: `p2p-functional: [\"results/*.xml\", \"logs/**\"]`, one target per line";

/// Glob patterns relative to make's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Globs {
    /// For every target.
    All(Vec<String>),
    /// For these targets, in the order of the text.
    ByTarget(Vec<(String, Vec<String>)>),
}

impl Globs {
    /// The globs for any of these targets, without duplicates.
    pub fn of<'a>(&self, targets: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let by_target = match self {
            Self::All(globs) => return globs.clone(),
            Self::ByTarget(by_target) => by_target,
        };
        let targets: Vec<_> = targets.into_iter().collect();
        let mut found: Vec<String> = Vec::new();
        for (_, globs) in by_target.iter().filter(|(target, _)| targets.contains(&target.as_str())) {
            for glob in globs {
                if !found.contains(glob) {
                    found.push(glob.clone());
                }
            }
        }
        found
    }

    /// All globs.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (all, by_target) = match self {
            Self::All(globs) => (globs.as_slice(), &[][..]),
            Self::ByTarget(by_target) => (&[][..], by_target.as_slice()),
        };
        all.iter().chain(by_target.iter().flat_map(|(_, globs)| globs)).map(String::as_str)
    }
}

impl Value for Globs {
    const KIND: InputKind = InputKind::Globs;

    fn parse(text: &str) -> Result<Self, String> {
        if !is_map(text) {
            return Lines::parse(text).map(|Lines(globs)| Self::All(globs));
        }
        let node = yaml::parse(text).map_err(|error| format!("{error}; {EXPECTED}"))?;
        let entries = node.entries().ok_or_else(|| EXPECTED.to_owned())?;
        let by_target = entries.iter().map(|(target, node)| Ok((target.clone(), globs(target, node)?)));
        Ok(Self::ByTarget(by_target.collect::<Result<_, String>>()?))
    }
}

/// Whether the text is a map: its first line is `name:` or `{"`. No glob looks like that.
fn is_map(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.find(|line| !line.starts_with('#')) else { return false };
    let name = first.split_once(':').filter(|(name, rest)| {
        !name.contains(['/', '{', '[']) && (rest.is_empty() || rest.starts_with(char::is_whitespace))
    });
    name.is_some() || first.replace(' ', "").starts_with("{\"") || first == "{"
}

fn globs(target: &str, node: &Node) -> Result<Vec<String>, String> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    let wrong = |line| format!("line {line}: the globs of {target} must be texts; {EXPECTED}");
    match (node.text(), node.items()) {
        // A text may contain several globs, one per line.
        (Some(text), _) => {
            Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
        }
        (None, Some(items)) => {
            items.iter().map(|item| item.text().map(str::to_owned).ok_or_else(|| wrong(item.line))).collect()
        }
        (None, None) => Err(wrong(node.line)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn lines_are_globs_of_every_target() {
        for (text, globs) in [
            ("reports/*.xml\n\n  out/** \n", &["reports/*.xml", "out/**"][..]),
            ("{a,b}/c", &["{a,b}/c"]),
            ("**/*.xml", &["**/*.xml"]),
            ("a:b", &["a:b"]),
            ("x/y: z", &["x/y: z"]),
            ("[ab]: c", &["[ab]: c"]),
        ] {
            let parsed = Globs::parse(text).unwrap();
            assert_eq!(parsed, Globs::All(globs.iter().map(|glob| (*glob).to_owned()).collect()), "{text}");
            assert_eq!(parsed.of(["p2p-nft"]), globs);
        }
    }

    #[test]
    fn a_map_gives_each_target_its_own() {
        let yaml = "# what we keep\np2p-functional: [\"a/*\", b]\np2p-nft: 'c'\np2p-prod:\np2p-integration: |\n  b\n  d\n";
        let json = r#"{ "p2p-functional": ["a/*", "b"], "p2p-nft": "c", "p2p-prod": null, "p2p-integration": ["b", "d"]}"#;
        for text in [yaml, json] {
            let globs = Globs::parse(text).unwrap();
            assert_eq!(globs.of(["p2p-functional"]), ["a/*", "b"]);
            assert_eq!(globs.of(["p2p-integration", "p2p-functional"]), ["a/*", "b", "d"]);
            assert!(globs.of(["p2p-prod", "p2p-build"]).is_empty());
            assert_eq!(globs.iter().collect::<Vec<_>>(), ["a/*", "b", "c", "b", "d"]);
        }
    }

    #[test]
    fn a_map_with_a_mistake_is_no_list_of_globs() {
        for (text, problem) in [
            ("p2p-nft: {a: b}", "line 1: the globs of p2p-nft must be texts"),
            ("p2p-nft:\n  - [a]", "line 2: the globs of p2p-nft must be texts"),
            ("p2p-nft: a\np2p-nft: b", "line 2: the key \"p2p-nft\" is there twice"),
            ("p2p-nft: [", "line 1"),
        ] {
            let error = Globs::parse(text).unwrap_err();
            assert!(error.starts_with(problem) && error.contains("one target per line"), "{text}: {error}");
        }
    }
}
