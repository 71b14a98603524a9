//! The input `registry-logins`: logins to further registries, one per line.

use super::{InputKind, Value};
use workflow_commands::Secret;

/// The logins, in the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryLogins(Vec<RegistryLogin>);

/// A login to a registry, or to a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// A host with an optional path, without a scheme and without a slash at the end.
    pub registry: String,
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

impl RegistryLogins {
    pub fn iter(&self) -> impl Iterator<Item = &RegistryLogin> {
        self.0.iter()
    }

    /// The login for a registry or repository: the one with the longest matching path.
    pub fn of(&self, registry: &str) -> Option<&RegistryLogin> {
        let fits = |login: &&RegistryLogin| {
            registry
                .strip_prefix(&login.registry)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().filter(fits).max_by_key(|login| login.registry.len())
    }
}

impl Value for RegistryLogins {
    const KIND: InputKind = InputKind::Secret;

    /// Parses the lines. Errors name a line by its number only, because its text may be secret.
    fn parse(text: &str) -> Result<Self, String> {
        let mut logins: Vec<RegistryLogin> = Vec::new();
        let mut wrong = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match read(line) {
                Ok(login) if logins.iter().any(|known| known.registry == login.registry) => {
                    wrong.push(format!("line {number} names the registry of an earlier line"));
                }
                Ok(login) => logins.push(login),
                Err(problem) => wrong.push(format!("line {number} {problem}")),
            }
        }
        if wrong.is_empty() {
            return Ok(Self(logins));
        }
        wrong.push("expected one `REGISTRY USER PASSWORD` per line".to_owned());
        Err(wrong.join("; "))
    }

    /// The passwords. In an invalid line, any word could be the password: mask all but registry and user, or the
    /// last one.
    fn secrets(text: &str) -> Vec<Secret> {
        let words = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(Secret::new).collect();
            let open = words.len().saturating_sub(1).min(2);
            words.into_iter().skip(open)
        };
        text.lines().map(str::trim).filter(|line| !line.starts_with('#')).flat_map(words).collect()
    }
}

fn read(line: &str) -> Result<RegistryLogin, &'static str> {
    let mut words = line.split_whitespace();
    let (Some(registry), Some(username), Some(password)) = (words.next(), words.next(), words.next()) else {
        return Err("lacks the registry, the user or the password");
    };
    if words.next().is_some() {
        return Err("has more than a registry, a user and a password, and a password holds no white space");
    }
    let registry = registry.strip_prefix("https://").unwrap_or(registry).trim_end_matches('/');
    if registry.contains("://") || registry.starts_with('/') || registry.is_empty() {
        return Err("begins with no host, such as `ghcr.io`");
    }
    let (host, path) = registry.split_once('/').unwrap_or((registry, ""));
    if !path.is_empty() && path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
        return Err("has a path with `//`, `/./` or `/../`");
    }
    if registry.contains(['%', '?', '#', '@', '\\']) {
        return Err("has a registry with one of `% ? # @ \\`, which no registry's name holds");
    }
    let host = host.to_ascii_lowercase();
    let registry = if path.is_empty() { host } else { format!("{host}/{path}") };
    if username.contains(':') {
        return Err("has a user with a `:`, which no registry takes");
    }
    let password = Secret::new(password);
    Ok(RegistryLogin { registry, username: username.to_owned(), password })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_login_a_line_with_any_password() {
        let text = "\n# the tenant's own\r\nhttps://ghcr.io/acme/ robot  p#s:w=\"ö\\'$\r\n\tr.example:5000\tme\tx\n\n";
        let logins = RegistryLogins::parse(text).unwrap();
        let read: Vec<_> = logins
            .iter()
            .map(|login| (login.registry.as_str(), login.username.as_str(), login.password.expose()))
            .collect();
        assert_eq!(read, [("ghcr.io/acme", "robot", "p#s:w=\"ö\\'$"), ("r.example:5000", "me", "x")]);
        assert_eq!(RegistryLogins::parse("# none\n").unwrap().iter().count(), 0);
    }

    #[test]
    fn the_longest_path_wins() {
        let logins =
            RegistryLogins::parse("r.example a 1\nr.example/team/app b 2\nr.example/team c 3\n").unwrap();
        let user = |registry| logins.of(registry).map(|login| login.username.as_str());
        assert_eq!(user("r.example"), Some("a"));
        assert_eq!(user("r.example/team/apple"), Some("c"));
        assert_eq!(user("r.example/team/app/test"), Some("b"));
        assert_eq!(user("r.example/teams"), Some("a"));
        assert_eq!(user("r.example.org/team"), None);
    }

    #[test]
    fn a_registry_has_one_spelling() {
        let read = |registry: &str| RegistryLogins::parse(&format!("{registry} me s3cret\n"));
        let login = read("https://GHCR.io/Acme/").unwrap();
        assert_eq!(login.iter().next().unwrap().registry, "ghcr.io/Acme");
        for odd in
            ["r.io//prod", "r.io/a/../prod", "r.io/./prod", "r.io/%70rod", "r.io/prod?x", "me@r.io/prod"]
        {
            let error = read(odd).unwrap_err();
            assert!(error.starts_with("line 1 has a ") && !error.contains("s3cret"), "{odd}: {error}");
        }
    }

    #[test]
    fn every_wrong_line_is_named_and_none_is_shown() {
        let text = "s3cret\nr.example s3cret\n# s3cret\nr.example me s3cret s3cret\nhttp://r.example me s3cret\n\
                    r.example m:e s3cret\nr.example me fine\nhttps://r.example you s3cret\n/s3cret me s3cret\n";
        assert_eq!(
            RegistryLogins::parse(text).unwrap_err().split("; line").collect::<Vec<_>>(),
            [
                "line 1 lacks the registry, the user or the password",
                " 2 lacks the registry, the user or the password",
                " 4 has more than a registry, a user and a password, and a password holds no white space",
                " 5 begins with no host, such as `ghcr.io`",
                " 6 has a user with a `:`, which no registry takes",
                " 8 names the registry of an earlier line",
                " 9 begins with no host, such as `ghcr.io`; expected one `REGISTRY USER PASSWORD` per line",
            ]
        );
    }
}
