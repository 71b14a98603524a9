//! Names in requests. They are checked once, so that no path made of them leads out of the store.

use std::fmt;

use oci::Digest;

/// The name of a repository without a host, at most 255 bytes (distribution specification 1.1, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Checks `text`. `None` if it is not the name of a repository.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= 255 && text.split('/').all(oci::is_name_component)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Checks `text`. `None` if it is not a tag.
    pub fn parse(text: &str) -> Option<Self> {
        oci::check_tag(text).is_ok().then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Parses a SHA-256 digest. `None` for anything else: this registry supports no other algorithm, because it names
/// files by the digits only.
pub(crate) fn sha256(text: &str) -> Option<Digest> {
    text.parse().ok().filter(|digest: &Digest| digest.algorithm() == "sha256")
}

/// The reference to a manifest in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag.as_str()),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Reference {
    /// Checks `text`. A text with a colon must be a digest, because no tag contains one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains(':') { sha256(text).map(Self::Digest) } else { Tag::parse(text).map(Self::Tag) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_follow_the_grammar() {
        for good in ["a", "shop/api", "a.b/c_d/e__f/g---h", "0/1", "a/manifests/b", "v2/blobs/uploads"] {
            assert!(RepositoryName::parse(good).is_some(), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "A", "a..b", "a___b", "a._b", "-a", "a-",
            "_blobs", "a/_blobs", "a b", "a\\b", "a\0", "ä", "a.", "a-_b",
        ] {
            assert!(RepositoryName::parse(bad).is_none(), "{bad:?}");
        }
        assert!(RepositoryName::parse(&"a".repeat(255)).is_some());
        assert!(RepositoryName::parse(&"a".repeat(256)).is_none());
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
        assert_eq!(sha256(empty).map(|digest| digest.hex().len()), Some(64));
        let upper = empty.to_uppercase().replace("SHA256", "sha256");
        for bad in [
            &upper,
            &empty[7..],
            &format!("sha512:{}", "0".repeat(128)),
            "sha256:",
            "sha256:../../../etc/passwd",
        ] {
            assert!(sha256(bad).is_none(), "{bad}");
        }
    }
}
