//! Docker's `config.json` with our logins.

use std::collections::BTreeSet;

use serde_json::json;

use super::file::LoginFile;
use super::key::{canonical, host};
use super::login::Login;

/// Adds the logins. The docker CLI asks `credHelpers[host]` first, then `credsStore`, and reads `auths` only without
/// either. So a helper for one of our hosts is removed. If there is a `credsStore`, which still serves the other
/// hosts, an empty helper says that there is none for ours (docker/cli, `getConfiguredCredentialStore`). skopeo and
/// similar tools would fail at the empty one, but they read the auth file instead.
pub(super) fn log_in(config: &mut LoginFile, logins: &[Login]) {
    config.helpers.retain(|key, _| !logins.iter().any(|login| canonical(login.host()) == host(key)));
    if config.store().is_some() {
        config.helpers.extend(first_of_each_host(logins).map(|login| (key(login), json!(""))));
    }
    renew(config, logins);
}

/// Replaces the logins and changes nothing else.
pub(super) fn renew(config: &mut LoginFile, logins: &[Login]) {
    config.auths.extend(first_of_each_host(logins).map(|login| (key(login), login.entry())));
}

fn first_of_each_host(logins: &[Login]) -> impl Iterator<Item = &Login> {
    let mut hosts = BTreeSet::new();
    logins.iter().filter(move |login| hosts.insert(canonical(login.host())))
}

/// The key under which docker looks up a host.
fn key(login: &Login) -> String {
    match canonical(login.host()) {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        host => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::super::tests::{file, login};
    use super::*;

    fn after(config: &Json, logins: &[Login]) -> Json {
        let mut config = file(config);
        log_in(&mut config, logins);
        config.json()
    }

    // base64 of u:a, u:b and u:c.
    const A: &str = "dTph";
    const C: &str = "dTpj";

    #[test]
    fn every_key_of_the_user_s_is_kept() {
        let config = json!({
            "HttpHeaders": {"X": "y"}, "currentContext": "remote", "auths": {"ghcr.io": {"auth": "eDp5"}},
            "proxies": {"default": {}}, "credHelpers": {"other.example": "gcloud"}, "unknown": [1]
        });
        let mut expected = config.clone();
        expected["auths"]["r.example"] = json!({"auth": A});
        assert_eq!(after(&config, &[login("r.example/p", "a")]), expected);
        assert_eq!(after(&json!({}), &[]), json!({"auths": {}}));
    }

    #[test]
    fn one_login_a_host() {
        let logins = [login("r.example/one", "a"), login("r.example/two", "b"), login("docker.io", "c")];
        assert_eq!(
            after(&json!({"auths": {"r.example": {"auth": "x", "identitytoken": "y"}}}), &logins),
            json!({"auths": {"r.example": {"auth": A}, "https://index.docker.io/v1/": {"auth": C}}})
        );
    }

    #[test]
    fn a_helper_of_a_host_of_ours_is_removed_in_every_spelling() {
        let config = json!({"credHelpers": {
            "r.example": "gcloud", "https://r.example": "gcloud", "r.example:5000": "x", "index.docker.io": "y"
        }});
        assert_eq!(
            after(&config, &[login("r.example/p", "a"), login("docker.io/acme", "c")])["credHelpers"],
            json!({"r.example:5000": "x"})
        );
    }

    #[test]
    fn a_store_serves_the_other_hosts_and_not_ours() {
        let after = after(
            &json!({"credsStore": "desktop", "auths": {"ghcr.io": {}}}),
            &[login("r.example/p", "a"), login("registry-1.docker.io", "c")],
        );
        assert_eq!(
            after,
            json!({
                "credsStore": "desktop",
                "auths": {
                    "ghcr.io": {}, "r.example": {"auth": A}, "https://index.docker.io/v1/": {"auth": C}
                },
                "credHelpers": {"r.example": "", "https://index.docker.io/v1/": ""}
            })
        );
    }

    #[test]
    fn renewing_leaves_what_a_target_configured() {
        let config = json!({"auths": {"x": {"auth": "y"}}, "credHelpers": {"r.example": "gcloud"}});
        let mut config = file(&config);
        renew(&mut config, &[login("r.example", "a")]);
        assert_eq!(
            config.json(),
            json!({
                "auths": {"x": {"auth": "y"}, "r.example": {"auth": A}}, "credHelpers": {"r.example": "gcloud"}
            })
        );
    }
}
