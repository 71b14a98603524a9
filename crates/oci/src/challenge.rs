//! The header `WWW-Authenticate`, and the scopes of tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::reference::Repository;

/// How a registry authenticates its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password in each request.
    Basic,
    /// A token from `realm` (distribution's token authentication specification).
    ///
    /// The scope in it is ignored: the client requests only what it needs, and a registry that wants more would give
    /// the token more rights than we use.
    Bearer(TokenServer),
}

/// The server that issues a registry's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenServer {
    /// Its URL.
    pub(super) realm: String,
    /// The registry's name at that server.
    pub(super) service: Option<String>,
}

impl Challenge {
    /// The best challenge of an answer. Bearer is better than Basic.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<_> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse)
            .collect();
        let bearer = all.iter().find_map(|(scheme, parameters)| {
            let realm = parameters.get("realm").filter(|_| scheme == "bearer")?;
            Some(Self::Bearer(TokenServer {
                realm: realm.clone(),
                service: parameters.get("service").cloned(),
            }))
        });
        bearer.or_else(|| all.iter().any(|(scheme, _)| scheme == "basic").then_some(Self::Basic))
    }
}

/// Parses `Scheme key=value, key="value", Scheme2 …` (RFC 9110, section 11.6.1). Stops at the first error, and keeps
/// what was parsed before.
fn parse(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after = after.trim_start();
        if let Some(value) = after.strip_prefix('=').filter(|_| !found.is_empty()) {
            let (text, left) = parse_value(value.trim_start());
            if let Some((_, parameters)) = found.last_mut() {
                parameters.insert(word.to_ascii_lowercase(), text);
            }
            rest = left;
        } else if word.is_empty() {
            break;
        } else {
            found.push((word.to_ascii_lowercase(), BTreeMap::new()));
            rest = after;
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    found
}

fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// What a token must allow: the actions by resource, for example `repository:acme/shop` → pull, push.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Scope(BTreeMap<String, BTreeSet<String>>);

impl Scope {
    /// The right to read from a repository.
    pub(super) fn pull(repository: &Repository) -> Self {
        Self::default().and(repository, &["pull"])
    }

    /// The right to read from and write to a repository.
    pub(super) fn push(repository: &Repository) -> Self {
        Self::default().and(repository, &["pull", "push"])
    }

    /// Adds these actions on a repository.
    pub(super) fn and(mut self, repository: &Repository, actions: &[&str]) -> Self {
        let resource = format!("repository:{}", repository.name());
        self.0.entry(resource).or_default().extend(actions.iter().map(|&action| action.to_owned()));
        self
    }

    /// The `scope` parameters of a token request, one per resource.
    pub(super) fn parameters(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<_> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parameters().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn reads_challenges() {
        let challenge = of(&[
            r#"Bearer realm="https://auth.example/token?a=1,2",service="reg \"x\"",scope="repository:a/b:pull,push repository:c:pull""#,
        ]);
        let Some(Challenge::Bearer(TokenServer { realm, service })) = challenge else {
            unreachable!("{challenge:?}")
        };
        assert_eq!(realm, "https://auth.example/token?a=1,2");
        assert_eq!(service.unwrap(), "reg \"x\"");
        assert_eq!(of(&["Basic realm=\"Registry Realm\""]), Some(Challenge::Basic));
        assert!(matches!(of(&["Basic realm=x, Bearer realm=y , error = z"]).unwrap(),
            Challenge::Bearer(server) if server.realm == "y"));
        assert!(matches!(of(&["Basic realm=x", "bearer REALM=y"]).unwrap(), Challenge::Bearer(_)));
        for nonsense in ["", "=", "Negotiate", "Bearer", "Bearer realm", ",,,=,", "Bearer =\"", "\"\"\""] {
            assert_eq!(of(&[nonsense]), None, "{nonsense}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn scopes_add_up() {
        let (a, b): (Repository, Repository) = ("r.io/a".parse().unwrap(), "r.io/b/c".parse().unwrap());
        let scope = Scope::push(&a).and(&b, &["pull"]).and(&a, &["pull"]);
        assert_eq!(scope.to_string(), "repository:a:pull,push repository:b/c:pull");
    }
}
