use std::fmt;
use std::str::FromStr;

use sys::error::{Exit, Help};

/// `MAJOR.MINOR.PATCH`, ordered by precedence (Semantic Versioning 2.0.0, section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Incompatible changes.
    pub major: u64,
    /// New features.
    pub minor: u64,
    /// Fixes, and whatever the main branch brings.
    pub patch: u64,
}

/// Why a text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// Not three numbers, or one with a leading zero, or something after them.
    Form,
    /// A number is above 2^64 - 1.
    Size,
}

impl Version {
    /// The previous version if there is no tag yet.
    pub const ZERO: Self = Self::new(0, 0, 0);

    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// Reads exactly `MAJOR.MINOR.PATCH`, the text after a tag's prefix.
    pub(super) fn from_bytes(text: &[u8]) -> Result<Self, Misfit> {
        let mut parts = text.split(|byte| *byte == b'.');
        let mut number = || parts.next().filter(|part| canonical(part)).ok_or(Misfit::Form);
        let (major, minor, patch) = (number()?, number()?, number()?);
        if parts.next().is_some() {
            return Err(Misfit::Form);
        }
        Ok(Self { major: value(major)?, minor: value(minor)?, patch: value(patch)? })
    }
}

/// Whether a part has only digits and no leading zero (Semantic Versioning 2.0.0, section 2).
fn canonical(part: &[u8]) -> bool {
    part.iter().all(u8::is_ascii_digit) && (part == b"0" || part.first().is_some_and(|digit| *digit != b'0'))
}

fn value(digits: &[u8]) -> Result<u64, Misfit> {
    digits
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(Misfit::Size)
}

/// A text that is not a version, or a version that is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("'{text}' is not a version of the form MAJOR.MINOR.PATCH")]
    Form { text: String },
    /// A number above 2^64 - 1.
    #[error("the version tag '{tag}' has a number that is too large to count on from")]
    TooLarge { tag: String },
}

impl Help for NumberError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Form { .. } => {
                "three numbers without leading zeros and nothing after them, such as 1.4.0".to_owned()
            }
            Self::TooLarge { tag } => format!("delete the tag: git push --delete origin '{tag}'"),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Form { .. } => Exit::Usage,
            Self::TooLarge { .. } => Exit::Failed,
        }
    }
}

impl FromStr for Version {
    type Err = NumberError;

    /// # Errors
    ///
    /// [`NumberError::TooLarge`] if a number exceeds 2^64 - 1, [`NumberError::Form`] for any other text.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::from_bytes(text.as_bytes()).map_err(|misfit| match misfit {
            Misfit::Form => NumberError::Form { text: text.to_owned() },
            Misfit::Size => NumberError::TooLarge { tag: text.to_owned() },
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Serialised as its text.
impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(text: &str) -> Result<Version, Misfit> {
        Version::from_bytes(text.as_bytes())
    }

    #[test]
    fn refuses_everything_but_three_plain_numbers() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.02.3",
            "1.2.03",
            "1.2.3-rc.1",
            "1.2.3+build",
            "1.2.",
            ".2.3",
            "1..3",
            "1.2.3 ",
            " 1.2.3",
            "+1.2.3",
            "-1.2.3",
            "1.2.3^{}",
            "v1.2.3",
            "1.2.x",
            "\u{0661}.2.3",
            "00.0.0",
        ] {
            assert_eq!(form(text), Err(Misfit::Form), "{text:?}");
        }
    }

    #[test]
    fn tells_a_number_that_is_too_large_from_no_number() {
        assert_eq!(form("1.2.18446744073709551615"), Ok(Version::new(1, 2, u64::MAX)));
        assert_eq!(form("1.2.18446744073709551616"), Err(Misfit::Size));
        assert_eq!(form("99999999999999999999999.0.0"), Err(Misfit::Size));
    }

    proptest! {
        #[test]
        fn text_and_number_are_the_same(major: u64, minor: u64, patch: u64) {
            let version = Version::new(major, minor, patch);
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }

        #[test]
        fn agrees_with_the_semver_crate(text in "[0-9]{1,3}(\\.[0-9]{1,3}){1,3}(-[a-z0-9]{1,2})?") {
            let theirs = semver::Version::parse(&text).ok().filter(|version| version.pre.is_empty());
            let ours = text.parse::<Version>().ok();
            prop_assert_eq!(
                ours.map(|v| (v.major, v.minor, v.patch)),
                theirs.map(|v| (v.major, v.minor, v.patch))
            );
        }

        #[test]
        fn orders_as_semver_does(a in prop::array::uniform3(0..12_u64), b in prop::array::uniform3(0..12_u64)) {
            let ours = Version::new(a[0], a[1], a[2]).cmp(&Version::new(b[0], b[1], b[2]));
            let theirs = semver::Version::new(a[0], a[1], a[2]).cmp(&semver::Version::new(b[0], b[1], b[2]));
            prop_assert_eq!(ours, theirs);
        }
    }
}
