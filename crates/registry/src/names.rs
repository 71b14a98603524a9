//! Names that come from a request: checked once, so that no path made of them leaves the store.

use std::fmt::{self, Write as _};

use sha2::Digest as _;

/// The name of a repository: components `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` with `/` between them,
/// 255 bytes at most (distribution specification 1.1, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository(String);

impl Repository {
    /// Checks `text`; `None` where it is no name of a repository.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= 255 && text.split('/').all(component)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters and digits, with one separator at a time between them: `.`, `_`, `__` or dashes.
fn component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().copied().is_some_and(plain) || !bytes.last().copied().is_some_and(plain) {
        return false;
    }
    bytes.split(|byte| plain(*byte)).all(|between| {
        matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-')
    })
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Checks `text`; `None` where it is no tag.
    pub fn parse(text: &str) -> Option<Self> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bytes = text.as_bytes();
        let good = bytes.len() <= 128
            && bytes.first().copied().is_some_and(word)
            && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'));
        good.then(|| Self(text.to_owned()))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A SHA-256 digest, `sha256:` and 64 lowercase hexadecimal digits. No other algorithm is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Checks `text`; `None` where it is no SHA-256 digest.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let good = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(sha2::Sha256::new_with_prefix(bytes))
    }

    /// The digest of everything that `hasher` has seen.
    pub(super) fn finish(hasher: sha2::Sha256) -> Self {
        Self(format!("sha256:{}", hex(&hasher.finalize())))
    }

    /// `sha256:<hex>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hexadecimal digits alone.
    pub fn hex(&self) -> &str {
        self.0.trim_start_matches("sha256:")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes as lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl Reference {
    /// Checks `text`: whatever holds a colon is meant as a digest, since no tag can.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains(':') {
            Digest::parse(text).map(Self::Digest)
        } else {
            Tag::parse(text).map(Self::Tag)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_follow_the_grammar() {
        for good in ["a", "shop/api", "a.b/c_d/e__f/g---h", "0/1", "a/manifests/b", "v2/blobs/uploads"] {
            assert!(Repository::parse(good).is_some(), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "A", "a..b", "a___b", "a._b", "-a", "a-",
            "_blobs", "a/_blobs", "a b", "a\\b", "a\0", "ä", "a.", "a-_b",
        ] {
            assert!(Repository::parse(bad).is_none(), "{bad:?}");
        }
        assert!(Repository::parse(&"a".repeat(255)).is_some());
        assert!(Repository::parse(&"a".repeat(256)).is_none());
    }

    #[test]
    fn tags_follow_the_grammar() {
        for good in ["1.2.3", "latest", "_x", "sha256-00.sig", "V-1_.2", &"a".repeat(128)] {
            assert!(Tag::parse(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "-x", "a/b", "a:b", "a+b", "a b", "é", &"a".repeat(129)] {
            assert!(Tag::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn digests_are_sha256_in_lowercase() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(Digest::parse(empty).map(|digest| digest.hex().len()), Some(64));
        let upper = empty.to_uppercase().replace("SHA256", "sha256");
        for bad in [&upper, &empty[7..], "sha512:00", "sha256:", "sha256:../../../etc/passwd"] {
            assert!(Digest::parse(bad).is_none(), "{bad}");
        }
    }
}
