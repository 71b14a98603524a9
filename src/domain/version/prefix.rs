use std::fmt;
use std::str::FromStr;

use super::{NumberError, Version, latest};
use sys::error::{Exit, Help};

/// The text before the number in a version tag: `v`, `api-v`, `team/api/`, or nothing.
///
/// It is literal text, never a pattern, and always a valid beginning of a git tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Prefix(String);

impl Prefix {
    /// No prefix at all.
    pub const NONE: Self = Self(String::new());

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a version's tag: `v1.2.3`.
    pub fn tag(&self, version: Version) -> String {
        format!("{self}{version}")
    }

    /// The name of the tag for a version from an input or a registry, which may begin with a `v`.
    pub fn tag_of(&self, version: &str) -> String {
        let plain = version.strip_prefix('v').filter(|rest| latest([*rest]).is_some());
        format!("{self}{}", plain.unwrap_or(version))
    }

    /// The version in a tag's name, if the tag has this prefix.
    pub fn version(&self, tag: &str) -> Option<Version> {
        self.read(tag).ok().flatten()
    }

    /// The version in a tag's name.
    ///
    /// # Errors
    ///
    /// [`NumberError::TooLarge`] for a version with a number that cannot increase.
    pub fn read(&self, tag: &str) -> Result<Option<Version>, NumberError> {
        let Some(number) = tag.strip_prefix(self.as_str()) else { return Ok(None) };
        match number.parse() {
            Ok(version) => Ok(Some(version)),
            Err(NumberError::TooLarge { .. }) => Err(NumberError::TooLarge { tag: tag.to_owned() }),
            Err(_) => Ok(None),
        }
    }
}

/// `v`.
impl Default for Prefix {
    fn default() -> Self {
        Self("v".to_owned())
    }
}

/// A prefix that git does not allow at the beginning of a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no git tag can begin with the prefix '{prefix}' (input version-prefix): {why}")]
pub struct PrefixError {
    prefix: String,
    /// The rule that it breaks.
    why: &'static str,
}

impl Help for PrefixError {
    fn help(&self) -> Option<String> {
        Some(
            "a prefix is literal text in front of the number, such as 'v', 'api-v' or 'team/api/'".to_owned(),
        )
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Checks the prefix by the rules of git-check-ref-format(1). Refuses a leading dash like git-tag(1), because
    /// `git checkout` would take such a tag as an option.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] with the rule that is broken.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        match broken_rule(text) {
            Some(why) => Err(PrefixError { prefix: text.to_owned(), why }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

fn broken_rule(prefix: &str) -> Option<&'static str> {
    // The number follows the part after the last slash, so this part ends in neither `.lock` nor a dot.
    let (directories, last) =
        prefix.rsplit_once('/').map_or((None, prefix), |(front, last)| (Some(front), last));
    let mut directories = directories.into_iter().flat_map(|front| front.split('/'));
    if prefix.starts_with('-') {
        Some("it begins with '-'")
    } else if prefix.chars().any(|c| c.is_ascii_control() || c == ' ') {
        Some("it holds a space or a control character")
    } else if prefix.contains(['~', '^', ':', '?', '*', '[', '\\']) {
        Some("it holds one of ~ ^ : ? * [ \\")
    } else if prefix.contains("..") {
        Some("it holds '..'")
    } else if prefix.contains("@{") {
        Some("it holds '@{'")
    } else if last.starts_with('.') || directories.clone().any(|part| part.starts_with('.')) {
        Some("a part of it begins with '.'")
    } else if directories.clone().any(str::is_empty) {
        Some("it begins with '/' or holds '//'")
    } else if directories.any(has_lock_suffix) {
        Some("a part of it ends in '.lock'")
    } else {
        None
    }
}

/// git compares this suffix byte for byte on every file system.
fn has_lock_suffix(part: &str) -> bool {
    part.as_bytes().ends_with(b".lock")
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn takes_what_git_takes() {
        for text in [
            "",
            "v",
            "api-v",
            "team/api/",
            "team/api/v",
            "release.",
            "x.lock",
            "über-",
            "a@",
            "v1",
            "#",
            "%41",
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_git_refuses_and_says_the_rule() {
        for (text, rule) in [
            ("v v", "space"),
            ("v\n", "control"),
            ("v*", "one of"),
            ("v[0]", "one of"),
            ("v?", "one of"),
            ("a\\", "one of"),
            ("a:b", "one of"),
            ("a^", "one of"),
            ("..", "'..'"),
            ("v@{", "'@{'"),
            ("/v", "'/'"),
            ("a//b", "'//'"),
            (".v", "begins with '.'"),
            (".a/v", "begins with '.'"),
            ("a/.b", "begins with '.'"),
            ("a.lock/v", "'.lock'"),
            ("-v", "'-'"),
        ] {
            let error = text.parse::<Prefix>().unwrap_err().to_string();
            assert!(error.contains(rule), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_registry_s_own_v_is_no_part_of_the_tag() {
        for (prefix, version, expected) in [
            ("v", "1.2.3", "v1.2.3"),
            ("v", "v1.2.3", "v1.2.3"),
            ("api-v", "v1.2.3-rc.1", "api-v1.2.3-rc.1"),
            ("", "v1.2.3", "1.2.3"),
            ("v", "vienna", "vvienna"),
            ("v", "2024.1", "v2024.1"),
        ] {
            assert_eq!(prefix.parse::<Prefix>().unwrap().tag_of(version), expected, "{prefix} {version}");
        }
    }

    #[test]
    fn reads_only_its_own_tags() {
        let prefix: Prefix = "api-v".parse().unwrap();
        assert_eq!(prefix.version("api-v1.2.3"), Some(Version::new(1, 2, 3)));
        assert_eq!(prefix.tag(Version::new(1, 2, 3)), "api-v1.2.3");
        for other in ["v1.2.3", "web-v1.2.3", "api-v1.2.3-rc.1", "api-v1.2", "API-v1.2.3", "xapi-v1.2.3"] {
            assert_eq!(prefix.version(other), None, "{other}");
        }
    }
}
