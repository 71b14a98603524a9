//! The secrets of a user in a kubeconfig.

use serde_json::Value as Json;

use workflow_commands::Secret;

/// Collects the secret texts below `value`, by their names in client-go's `AuthInfo`. Variables and arguments of a
/// credential plugin, and settings of an old provider, are secret if their name says so. Most are not
/// (`AWS_PROFILE=prod`), and masking a common word would make the output unreadable.
pub(super) fn gather(value: &Json, secrets: &mut Vec<Secret>) {
    const NAMES: [&str; 3] = ["token", "password", "client-key-data"];
    let Json::Object(fields) = value else { return };
    for (name, field) in fields {
        match (name.as_str(), field) {
            (name, Json::String(text)) if NAMES.contains(&name) => secrets.push(Secret::new(text)),
            ("env", Json::Array(items)) => items.iter().for_each(|item| variable(item, secrets)),
            ("args", Json::Array(words)) => arguments(words, secrets),
            ("config", Json::Object(_)) => texts(name, field, secrets),
            _ => gather(field, secrets),
        }
    }
}

fn texts(name: &str, value: &Json, secrets: &mut Vec<Secret>) {
    match value {
        Json::String(text) if is_secret(name) => secrets.push(Secret::new(text)),
        Json::Object(fields) => fields.iter().for_each(|(name, field)| texts(name, field, secrets)),
        _ => {}
    }
}

/// A variable: `{"name": …, "value": …}`.
fn variable(item: &Json, secrets: &mut Vec<Secret>) {
    if let (Some(name), Some(value)) =
        (item.get("name").and_then(Json::as_str), item.get("value").and_then(Json::as_str))
        && is_secret(name)
    {
        secrets.push(Secret::new(value));
    }
}

/// Arguments: `--token=…`, and the word after `--token`.
fn arguments(words: &[Json], secrets: &mut Vec<Secret>) {
    let mut words = words.iter().filter_map(Json::as_str).peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix('-') else { continue };
        match flag.split_once('=') {
            Some((name, value)) if is_secret(name) => secrets.push(Secret::new(value)),
            None if is_secret(flag) => {
                secrets.extend(words.next_if(|next| !next.starts_with('-')).map(Secret::new));
            }
            _ => {}
        }
    }
}

/// Whether the name of a variable, a flag or a setting says that its value is secret, and not only where a secret is
/// or what kind it has.
fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 6] = ["TOKEN", "SECRET", "PASSW", "PASSPHRASE", "KEY", "CREDENTIAL"];
    const ABOUT: [&str; 9] = ["FILE", "PATH", "DIR", "URL", "URI", "NAME", "TYPE", "STORAGE", "EXPIRY"];
    let name = name.to_ascii_uppercase();
    SECRET.iter().any(|word| name.contains(word)) && !ABOUT.iter().any(|word| name.ends_with(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_its_name_calls_a_secret_is_masked() {
        let user = json!({
            "token": "t0", "username": "me", "password": "p0", "client-key-data": "k0",
            "client-certificate-data": "public",
            "exec": {
                "command": "aws",
                "env": [
                    {"name": "AWS_PROFILE", "value": "prod"},
                    {"name": "AWS_SECRET_ACCESS_KEY", "value": "e0"},
                    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/token"},
                    {"name": "my_password", "value": "e1"},
                    {"name": "USE_GKE_GCLOUD_AUTH_PLUGIN", "value": "True"},
                    {"name": "TOKEN"},
                ],
                "args": ["get-token", "--client-id", "id", "--client-secret", "a0", "--token=a1", "-password", "a2",
                         "--token-cache-storage=disk", "--force-token", "--region", "prod", "--secret"],
            },
            "auth-provider": {"name": "oidc", "config": {
                "client-secret": "c0", "refresh-token": "c1", "idp-issuer-url": "https://issuer", "client-id": "id",
                "expiry": "tomorrow",
            }},
        });
        let mut secrets = Vec::new();
        gather(&user, &mut secrets);
        let mut texts: Vec<_> = secrets.iter().map(Secret::expose).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["a0", "a1", "a2", "c0", "c1", "e0", "e1", "k0", "p0", "t0"]);
    }
}
