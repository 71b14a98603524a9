//! Registries that are used over plain HTTP.

use reqwest::Url;

use super::error::OciError;
use super::reference::valid_host;

/// The endings of names in private networks: Kubernetes' own, and those that no public host can have (RFC 6761, RFC
/// 8375, ICANN's `.internal`).
const PRIVATE: [&str; 8] =
    ["cluster.local", "svc", "local", "internal", "lan", "localdomain", "home.arpa", "test"];

/// A list of registries without TLS. Their credentials travel unencrypted, so the list covers only what it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Insecure(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The host, or with `below` the ending of its name.
    name: String,
    below: bool,
    /// The port. `None` means every port.
    port: Option<u16>,
}

impl Insecure {
    /// Parses a list of hosts with an optional port: `registry.tools:5000`, and `*.svc.cluster.local` or
    /// `.svc.cluster.local` for all names below. Also returns warnings about patterns that are refused because they
    /// would cover public hosts.
    ///
    /// # Errors
    /// If an entry is not a host.
    pub fn read(words: &[String]) -> Result<(Self, Vec<String>), OciError> {
        let mut list = Self::default();
        let mut warnings = Vec::new();
        for word in words {
            let entry = Entry::read(word).ok_or_else(|| OciError::NotAHost { text: word.clone() })?;
            let private = is_private_name(&entry.name);
            if entry.below && !private {
                warnings.push(format!(
                    "`insecure-registries`: {word} covers public hosts, so it is ignored and they are reached over TLS: \
                     give each host its full name"
                ));
            } else {
                list.0.push(entry);
            }
        }
        Ok((list, warnings))
    }

    /// Whether the host of a URL is on the list.
    pub(super) fn lists(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let port = url.port_or_known_default();
        self.0.iter().any(|entry| {
            let named = if entry.below {
                host.len() > entry.name.len() && ends_with(host, &entry.name)
            } else {
                host == entry.name
            };
            named && (entry.port.is_none() || entry.port == port)
        })
    }
}

impl Entry {
    fn read(word: &str) -> Option<Self> {
        let below = word.strip_prefix('*').unwrap_or(word).strip_prefix('.');
        // `*` alone covers everything.
        let name = if word == "*" { "" } else { below.unwrap_or(word) };
        if !name.is_empty() && !valid_host(name) {
            return None;
        }
        let url = if name.is_empty() { None } else { Some(Url::parse(&format!("http://{name}/")).ok()?) };
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        // The parser hides the default port.
        let port =
            name.rsplit_once(':').filter(|_| !name.ends_with(']')).and_then(|(_, port)| port.parse().ok());
        Some(Self { name: host.to_owned(), below: below.is_some() || name.is_empty(), port })
    }
}

/// Whether only private networks can have this name.
pub(super) fn is_private_name(name: &str) -> bool {
    PRIVATE.iter().any(|end| ends_with(name, end))
}

/// Whether a name equals `end` or is below it.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn read(text: &str) -> Result<(Insecure, Vec<String>), OciError> {
        Insecure::read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn covers_what_it_names() {
        let (list, refused) =
            read("Registry.tools *.svc.cluster.local .lan:5000 zot.example.com 10.0.0.7:80 [fd00::1]:5000")
                .unwrap();
        assert!(refused.is_empty());
        for (url, expected) in [
            ("http://registry.tools/", true),
            ("http://registry.tools:5000/", true),
            ("http://my.registry.tools/", false),
            ("http://zot.ci.svc.cluster.local:5000/", true),
            ("http://zot.ci.svc.cluster.local./", true),
            ("http://svc.cluster.local/", false),
            ("http://evilsvc.cluster.local/", false),
            ("http://a.lan:5000/", true),
            ("http://a.lan/", false),
            ("http://zot.example.com:8080/", true),
            ("http://zot.example.com.evil.example/", false),
            ("http://10.0.0.7/", true),
            ("http://10.0.0.7:5000/", false),
            ("http://10.0.0.8/", false),
            ("http://[fd00::1]:5000/", true),
            ("http://[fd00::1]/", false),
        ] {
            assert_eq!(list.lists(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_pattern_for_public_hosts_is_refused() {
        for word in ["*.example.com", ".com", "*", "*.dev:5000", ".notlocal"] {
            let (list, warnings) = read(&format!("{word} r.lan")).unwrap();
            assert!(matches!(warnings.as_slice(), [warning] if warning.contains(word)), "{warnings:?}");
            let lists = |url| list.lists(&Url::parse(url).unwrap());
            assert!(
                lists("http://r.lan/") && !lists("http://a.example.com/") && !lists("http://a.dev:5000/")
            );
        }
    }

    #[test]
    fn what_is_not_a_host_is_an_error() {
        for word in
            ["http://r.lan", "r.lan/team", "10.0.0.0/8", "r.*.lan", "r.lan:port", "a@b", "r.lan:0", "-"]
        {
            let error = read(word).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
