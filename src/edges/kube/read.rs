//! Parses a kubeconfig (v1 of `client-go`'s clientcmd API).

use std::path::Path;

use serde_json::{Map, Number, Value as Json};

use super::error::KubeError;
use super::kubeconfig::{Kubeconfig, Named};
use sys::yaml::{self, Node, NodeContent};

/// The keys with a path as value. Relative paths start at the kubeconfig.
const PATHS: [&str; 4] = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];
/// The only keys whose value is not a text. A token that looks like a number is still a token.
const BOOLEANS: [&str; 3] = ["insecure-skip-tls-verify", "disable-compression", "provideClusterInfo"];

/// Parses a kubeconfig from `place`. Relative paths start at `directory`.
pub(super) fn parse(text: &str, place: &str, directory: &Path) -> Result<Kubeconfig, KubeError> {
    let wrong = |line: usize, problem: &str| KubeError::Malformed {
        place: place.to_owned(),
        line,
        problem: problem.to_owned(),
    };
    // The parser's own message may quote a key.
    let root = yaml::parse(text).map_err(|error| wrong(error.line, "this is not valid YAML"))?;
    if root.is_null() {
        return Ok(Kubeconfig::default());
    }
    if root.entries().is_none() {
        return Err(wrong(root.line, "a map with clusters, users and contexts is expected"));
    }
    let list = |lists: &str, kind: &str| -> Result<Vec<Named>, KubeError> {
        let Some(node) = root.get(lists).filter(|node| !node.is_null()) else { return Ok(Vec::new()) };
        let items = node.items().ok_or_else(|| wrong(node.line, &format!("{lists} must be a list")))?.iter();
        items
            .map(|item| {
                let name = item.get("name").and_then(Node::text);
                let name = name.ok_or_else(|| wrong(item.line, &format!("a {kind} has no name")))?;
                let value = match item.get(kind).map(|node| (json(node, kind), node.line)) {
                    None | Some((Json::Null, _)) => Map::new(),
                    Some((Json::Object(value), _)) => value,
                    Some((_, line)) => return Err(wrong(line, &format!("{kind} must be a map"))),
                };
                Ok(Named { name: name.to_owned(), value: anchored(value, directory) })
            })
            .collect()
    };
    Ok(Kubeconfig {
        current: root
            .get("current-context")
            .and_then(Node::text)
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        clusters: list("clusters", "cluster")?,
        users: list("users", "user")?,
        contexts: list("contexts", "context")?,
        made: false,
    })
}

/// Converts a value to JSON. Nulls in maps count as missing.
fn json(node: &Node, key: &str) -> Json {
    match &node.content {
        NodeContent::Text { .. } if node.is_null() => Json::Null,
        NodeContent::Text { text, plain: true } if BOOLEANS.contains(&key) => boolean(text),
        NodeContent::Text { text, .. } => Json::String(text.clone()),
        NodeContent::List(items) => items.iter().map(|item| json(item, key)).collect(),
        NodeContent::Map(entries) => entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| {
                // Extensions belong to other programs, so their numbers stay numbers.
                (key.clone(), if key == "extensions" { untyped(value) } else { json(value, key) })
            })
            .collect(),
    }
}

/// Converts a value of unknown type, according to YAML's core schema.
fn untyped(node: &Node) -> Json {
    match &node.content {
        NodeContent::Text { .. } if node.is_null() => Json::Null,
        NodeContent::Text { text, plain: true } => {
            text.parse::<Number>().map_or_else(|_| boolean(text), Json::Number)
        }
        NodeContent::Text { text, .. } => Json::String(text.clone()),
        NodeContent::List(items) => items.iter().map(untyped).collect(),
        NodeContent::Map(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), untyped(value))).collect()
        }
    }
}

fn boolean(text: &str) -> Json {
    match text {
        "true" | "True" | "TRUE" => Json::Bool(true),
        "false" | "False" | "FALSE" => Json::Bool(false),
        text => Json::String(text.to_owned()),
    }
}

/// Makes relative paths absolute, because the text moves to another directory. The command of an exec plugin is a
/// path only if it contains a slash. Otherwise it is found on the `PATH`.
fn anchored(mut value: Map<String, Json>, directory: &Path) -> Map<String, Json> {
    let anchor = |json: &mut Json| {
        if let Some(path) = json.as_str().filter(|path| !path.is_empty()) {
            *json = Json::String(directory.join(path).to_string_lossy().into_owned());
        }
    };
    for key in PATHS {
        value.get_mut(key).into_iter().for_each(anchor);
    }
    value
        .get_mut("exec")
        .and_then(|exec| exec.get_mut("command"))
        .filter(|command| command.as_str().is_some_and(|command| command.contains('/')))
        .into_iter()
        .for_each(anchor);
    value
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Kubeconfig {
        parse(text, "config", Path::new("/etc/kube")).unwrap()
    }

    #[test]
    fn a_token_stays_what_was_written() {
        let config = read(
            "users:\n- name: u\n  user: {token: 0123e5, username: true, password: 'x', exec: {args: [1, no], env: null}}\n",
        );
        assert_eq!(
            Json::Object(config.users[0].value.clone()),
            json!({"token": "0123e5", "username": "true", "password": "x", "exec": {"args": ["1", "no"]}})
        );
    }

    #[test]
    fn booleans_and_extensions_have_their_kinds() {
        let config = read(
            "clusters:\n- name: c\n  cluster:\n    insecure-skip-tls-verify: true\n    extensions:\n    - name: x\n      extension: {n: 3, on: false, s: 'true', v: v1}\n",
        );
        assert_eq!(
            Json::Object(config.clusters[0].value.clone()),
            json!({
                "insecure-skip-tls-verify": true,
                "extensions": [{"name": "x", "extension": {"n": 3, "on": false, "s": "true", "v": "v1"}}]
            })
        );
    }

    #[test]
    fn relative_paths_start_at_the_kubeconfig() {
        let config = read(
            "clusters:\n- {name: c, cluster: {certificate-authority: ca.crt}}\nusers:\n\
             - {name: files, user: {client-certificate: pki/c.crt, client-key: /abs/c.key, tokenFile: ../token}}\n\
             - {name: near, user: {exec: {command: ./bin/plugin}}}\n\
             - {name: far, user: {exec: {command: gke-gcloud-auth-plugin}}}\n",
        );
        assert_eq!(config.clusters[0].value["certificate-authority"], "/etc/kube/ca.crt");
        let users: Vec<&Map<String, Json>> = config.users.iter().map(|user| &user.value).collect();
        assert_eq!(users[0]["client-certificate"], "/etc/kube/pki/c.crt");
        assert_eq!(users[0]["client-key"], "/abs/c.key");
        assert_eq!(users[0]["tokenFile"], "/etc/kube/../token");
        assert_eq!(users[1]["exec"]["command"], "/etc/kube/./bin/plugin");
        assert_eq!(users[2]["exec"]["command"], "gke-gcloud-auth-plugin");
    }

    #[test]
    fn what_is_no_kubeconfig_is_named_by_line_and_not_quoted() {
        let cases = [
            ("s3cret: 1\ns3cret: 2", "config, line 2: this is not valid YAML"),
            ("a: *s3cret", "config, line 1: this is not valid YAML"),
            ("s3cret", "config, line 1: a map with clusters, users and contexts is expected"),
            ("users: s3cret", "config, line 1: users must be a list"),
            ("users:\n- user: {token: s3cret}\n", "config, line 2: a user has no name"),
            ("users:\n- name: u\n  user: s3cret\n", "config, line 3: user must be a map"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, "config", Path::new("/")).unwrap_err().to_string(), expected);
        }
        assert_eq!(read("users:\ncontexts: null\n"), Kubeconfig::default());
    }
}
