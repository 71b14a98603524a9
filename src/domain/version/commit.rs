use std::fmt;
use std::str::FromStr;

use sys::error::{Exit, Help};

/// The full id of a commit: 40 (SHA-1) or 64 (SHA-256) lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Commit(String);

impl Commit {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }
}

/// A text that is not the full id of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the full id of a commit")]
pub struct NotACommit(String);

impl Help for NotACommit {
    fn help(&self) -> Option<String> {
        Some("use all 40 (SHA-1) or 64 (SHA-256) hexadecimal digits".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl FromStr for Commit {
    type Err = NotACommit;

    /// # Errors
    ///
    /// [`NotACommit`] if `text` is not a full id. An abbreviation is not accepted.
    fn from_str(text: &str) -> Result<Self, NotACommit> {
        let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hexadecimal && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotACommit(text.to_owned()))
        }
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn takes_full_ids_of_both_hashes_in_any_case() {
        let upper: Commit = "ABCDEF0123456789ABCDEF0123456789ABCDEF01".parse().unwrap();
        assert_eq!(upper.as_str(), "abcdef0123456789abcdef0123456789abcdef01");
        assert_eq!(upper.short(), "abcdef0");
        assert!("a".repeat(64).parse::<Commit>().is_ok());
    }

    #[test]
    fn refuses_abbreviations_names_and_noise() {
        for text in ["", "abcdef0", "main", &"g".repeat(40), &"a".repeat(41), &format!("{} ", "a".repeat(39))]
        {
            assert_eq!(text.parse::<Commit>(), Err(NotACommit(text.to_owned())));
        }
    }
}
