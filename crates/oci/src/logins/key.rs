//! The keys of login files: hosts, hosts with a path, and the URLs that docker used to write.

/// A key in its normal form `host[/path]`. A URL (`https://ghcr.io/v1/`) stands for its host only. An API version
/// after the host is not a path. All hosts of Docker Hub have the same name.
pub(crate) fn normal(key: &str) -> String {
    let key = key.trim();
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = bare.unwrap_or(key).split_once('/').unwrap_or((bare.unwrap_or(key), ""));
    let host = host.to_ascii_lowercase();
    match path.trim_end_matches('/') {
        _ if bare.is_some() => canonical(&host).to_owned(),
        "" | "v1" | "v2" => canonical(&host).to_owned(),
        path => format!("{}/{path}", canonical(&host)),
    }
}

/// The host of a key, in its normal form.
pub(super) fn host(key: &str) -> String {
    let mut name = normal(key);
    name.truncate(name.find('/').unwrap_or(name.len()));
    name
}

/// The normal name for Docker Hub's several hosts.
pub(super) fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// Whether a key in its normal form covers `name`, a host with an optional path.
fn covers(key: &str, name: &str) -> bool {
    name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The value with the longest key that covers `name`. If a key has two spellings, the normal one wins.
pub fn longest_prefix<'a, T>(entries: impl Iterator<Item = (&'a str, T)>, name: &str) -> Option<T> {
    // The path of a name may look like an API version, so a name is not normalised like a key.
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let name = format!("{}/{path}", canonical(&host.to_ascii_lowercase()));
    entries
        .map(|(key, value)| (normal(key), key, value))
        .filter(|(normal, ..)| covers(normal, name.trim_end_matches('/')))
        .max_by_key(|(normal, key, _)| (normal.len(), normal == key))
        .map(|(.., value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_form() {
        for (key, expected) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io/v2/", "docker.io"),
            ("http://localhost:5000/", "localhost:5000"),
            (" GHCR.io ", "ghcr.io"),
            ("https://r.example/artifactory/docker", "r.example"),
            ("r.example/Team/v1", "r.example/Team/v1"),
            ("r.example/a/", "r.example/a"),
            ("", ""),
        ] {
            assert_eq!(normal(key), expected, "{key}");
        }
        assert_eq!(host("https://r.example:5000/v1/"), "r.example:5000");
        assert_eq!(host("r.example/a/b"), "r.example");
    }

    #[test]
    fn the_longest_key_wins_at_path_boundaries() {
        let keys = ["https://r.io/v1/", "r.io/a", "r.io/a/b", "https://r.io/v2/", "r.io", "s.io/v1/x"];
        let found = |name| longest_prefix(keys.iter().map(|key| (*key, *key)), name);
        assert_eq!(found("r.io/ab"), Some("r.io"), "the plain spelling");
        assert_eq!(found("R.io/a/bc"), Some("r.io/a"));
        assert_eq!(found("r.io/a/b/c"), Some("r.io/a/b"));
        assert_eq!(found("r.io"), Some("r.io"));
        assert_eq!(found("r.io.evil.example/a"), None);
        assert_eq!(found("r.io:5000/a"), None);
        assert_eq!(found("s.io/v1/x"), Some("s.io/v1/x"));
        assert_eq!(longest_prefix([("", 1)].into_iter(), "r.io/a"), None);
    }
}
