//! Names of images and repositories, with Docker's rules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::reference_error::ReferenceError;

/// The registry of a name without a host.
const DOCKER_HUB: &str = "docker.io";

/// A repository: the host of a registry and a name in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    registry: String,
    name: String,
}

impl Repository {
    /// `host[:port]` as in names. Docker Hub is `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry, `acme/shop`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `host[:port]` of the API. For Docker Hub it differs from the name.
    pub fn api_host(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { &self.registry }
    }

    /// The image with this tag.
    ///
    /// # Errors
    /// If `tag` is invalid.
    pub fn tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        check_tag(tag)?;
        Ok(Reference { repository: self.clone(), tag: Some(tag.to_owned()), digest: None })
    }

    /// The image with this digest.
    pub fn digest(&self, digest: &Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest.clone()) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why: &str| ReferenceError::new("repository", text, why);
        let (host, name) = split_host(text);
        if !valid_host(&host) {
            return Err(wrong("its host is not a host name with an optional port"));
        }
        if name.is_empty() {
            return Err(wrong("it has no name after the host"));
        }
        if name.contains('@') || name.contains(':') {
            return Err(wrong("a repository has neither tag nor digest"));
        }
        if !name.split('/').all(is_name_component) {
            return Err(wrong(
                "each part of its name has lower-case letters and digits, with '.', '_', '__' or '-' between them",
            ));
        }
        if host.len() + 1 + name.len() > 255 {
            return Err(wrong("it is longer than 255 characters"));
        }
        Ok(Self { registry: host, name })
    }
}

impl TryFrom<String> for Repository {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

/// An image: a repository with a tag, a digest, or both (then the digest decides).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    pub repository: Repository,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest, if there is one.
    pub digest: Option<Digest>,
}

impl Reference {
    /// What to request from the registry: the digest, else the tag, else `latest`.
    pub fn which(&self) -> TagOrDigest {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => TagOrDigest::Digest(digest.clone()),
            (None, Some(tag)) => TagOrDigest::Tag(tag.clone()),
            (None, None) => TagOrDigest::Tag("latest".to_owned()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        // A colon before the last slash belongs to the port.
        let (name, tag) = match rest.get(last..).and_then(|end| end.split_once(':')) {
            Some((end, tag)) => (rest.get(..last + end.len()).unwrap_or(rest), Some(tag)),
            None => (rest, None),
        };
        let repository = name
            .parse::<Repository>()
            .map_err(|error| ReferenceError::new("image reference", text, error.why))?;
        if let Some(tag) = tag {
            check_tag(tag).map_err(|error| ReferenceError::new("image reference", text, error.why))?;
        }
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// A manifest of a repository: `<reference>` in the distribution API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TagOrDigest {
    /// The current manifest of a tag.
    Tag(String),
    /// The manifest with this digest.
    Digest(Digest),
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Splits host and name. The first part is a host if it has a dot, a colon or an upper-case letter, or is
/// `localhost` (github.com/distribution/reference, `splitDockerDomain`).
fn split_host(text: &str) -> (String, String) {
    let (host, name) = match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, text),
    };
    let host = if host == "index.docker.io" { DOCKER_HUB } else { host };
    if host == DOCKER_HUB && !name.is_empty() && !name.contains('/') {
        return (host.to_owned(), format!("library/{name}"));
    }
    (host.to_owned(), name.to_owned())
}

/// Whether a text is a host with an optional port.
pub(super) fn valid_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                ("v6", if port.is_empty() { None } else { port.strip_prefix(':').or(Some("no")) })
            }
            None => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0))
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Whether a text is one component of a repository's name: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (distribution
/// specification, "Pulling manifests").
pub fn is_name_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !component.bytes().next().is_some_and(alphanumeric)
        || !component.bytes().next_back().is_some_and(alphanumeric)
    {
        return false;
    }
    component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

/// Checks that a text is a tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (distribution specification, "Pulling
/// manifests").
pub fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let valid = tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if valid {
        Ok(())
    } else {
        Err(ReferenceError::new(
            "tag",
            tag,
            "it is empty, too long or has characters that a tag may not have",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use sys::error::Help as _;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_what_docker_reads() {
        let cases = [
            ("alpine", "docker.io/library/alpine"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("acme/shop", "docker.io/acme/shop"),
            ("docker.io/alpine", "docker.io/library/alpine"),
            ("index.docker.io/acme/shop:1", "docker.io/acme/shop:1"),
            ("localhost/shop", "localhost/shop"),
            ("localhost:5000/shop:1", "localhost:5000/shop:1"),
            ("127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"),
            ("[::1]:5000/a:v1", "[::1]:5000/a:v1"),
            ("HOST/shop", "HOST/shop"),
            ("ghcr.io/acme/a.b_c__d---e:T_1.2-x", "ghcr.io/acme/a.b_c__d---e:T_1.2-x"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), expected, "{text}");
        }
        let both: Reference = format!("europe-docker.pkg.dev/p/t/app:1@{DIGEST}").parse().unwrap();
        assert_eq!(both.repository.registry(), "europe-docker.pkg.dev");
        assert_eq!(both.repository.name(), "p/t/app");
        assert_eq!(both.tag.as_deref(), Some("1"));
        assert_eq!(both.which().to_string(), DIGEST);
        assert_eq!("shop".parse::<Reference>().unwrap().which(), TagOrDigest::Tag("latest".into()));
        assert_eq!("alpine".parse::<Repository>().unwrap().api_host(), "registry-1.docker.io");
    }

    #[test]
    fn refuses_what_no_registry_takes() {
        let cases = [
            "",
            "/shop",
            "ghcr.io/",
            "ghcr.io/Acme/shop",
            "ghcr.io/acme//shop",
            "ghcr.io/acme/shop:",
            "ghcr.io/acme/shop:-1",
            "ghcr.io/acme/shop:a b",
            "ghcr.io/-acme/shop",
            "ghcr.io/a..b/shop",
            "ghcr.io/a___b/shop",
            "ghcr.io:0/shop",
            "ghcr.io:port/shop",
            "[::1:5000/shop",
            "[::1]x/shop",
            "ghcr.io/acme/shop@sha256:12",
            "https://ghcr.io/acme/shop",
            "ghcr.io/acme/../shop",
            "ghcr.io/acme/shop?x=1",
        ];
        for text in cases {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.help().is_some(), "{text}");
        }
        format!("ghcr.io/{}", "a".repeat(250)).parse::<Repository>().unwrap_err();
        "ghcr.io/acme/shop:1".parse::<Repository>().unwrap_err();
        let repository: Repository = "ghcr.io/acme/shop".parse().unwrap();
        repository.tag(&"t".repeat(129)).unwrap_err();
        assert_eq!(repository.tag("1").unwrap().to_string(), "ghcr.io/acme/shop:1");
    }

    #[test]
    fn travels_as_a_string() {
        let json = serde_json::to_string(&"shop:1".parse::<Reference>().unwrap()).unwrap();
        assert_eq!(json, "\"docker.io/library/shop:1\"");
        assert_eq!(serde_json::from_str::<Reference>(&json).unwrap().tag.as_deref(), Some("1"));
        serde_json::from_str::<Reference>("\"A B\"").unwrap_err();
    }
}
