//! The auth file of skopeo, buildah and podman (containers-auth.json(5)). Keys of `auths` may have a path, and the
//! longest match wins.

use std::collections::BTreeSet;

use super::file::LoginFile;
use super::key::{canonical, host, longest_prefix, normal};
use super::login::Login;

/// Merges the user's login files. Earlier files win. If `REGISTRY_AUTH_FILE` is set, podman and similar tools read
/// only that file.
pub(super) fn merged(files: &[LoginFile]) -> LoginFile {
    let mut merged = LoginFile::default();
    for file in files {
        add(&mut merged, file);
    }
    merged
}

/// Adds the logins that no earlier file decides. The first file with a login for an image wins, even if a later one
/// has a longer key, and helpers come before any `auths`.
fn add(merged: &mut LoginFile, file: &LoginFile) {
    let known: Vec<String> = merged.auths.keys().chain(merged.helpers.keys()).cloned().collect();
    let decided = |key: &str| longest_prefix(known.iter().map(|known| (known.as_str(), ())), key).is_some();
    for (key, helper) in &file.helpers {
        // In docker, an empty name means "no helper". skopeo would look for a program without a name.
        let named = helper.as_str().is_some_and(|helper| !helper.is_empty());
        if named && !known.iter().any(|known| host(known) == host(key)) {
            merged.helpers.entry(normal(key)).or_insert_with(|| helper.clone());
        }
    }
    for (key, login) in &file.auths {
        let name = normal(key);
        // In docker, an empty entry means that a store has the login. Here it would mean that there is none.
        let empty = login.get("auth").or_else(|| login.get("identitytoken")).is_none();
        if empty || decided(&name) {
            continue;
        }
        if *key == name || !merged.auths.contains_key(&name) {
            merged.auths.insert(name, login.clone());
        }
    }
}

/// Adds the logins, each under its path. A host without a login of the user, or with only a helper (which would win
/// over every path below it, so it is removed), gets our first login for the whole host, as in docker. Returns these
/// hosts.
pub(super) fn log_in(file: &mut LoginFile, logins: &[Login]) -> BTreeSet<String> {
    let hosts: BTreeSet<&str> = logins.iter().map(|login| canonical(login.host())).collect();
    file.helpers.retain(|key, _| !hosts.contains(host(key).as_str()));
    let own_hosts: BTreeSet<String> =
        hosts.into_iter().filter(|host| !file.auths.contains_key(*host)).map(str::to_owned).collect();
    renew(file, logins, &own_hosts);
    own_hosts
}

/// Replaces the logins and changes nothing else.
pub(super) fn renew(file: &mut LoginFile, logins: &[Login], own_hosts: &BTreeSet<String>) {
    // Backwards, so that the first login to a host is the one for the host itself.
    for login in logins.iter().rev() {
        let host = canonical(login.host());
        if own_hosts.contains(host) {
            file.auths.insert(host.to_owned(), login.entry());
        }
    }
    for login in logins {
        let path = login.registry.trim_end_matches('/').strip_prefix(login.host()).unwrap_or_default();
        file.auths.insert(format!("{}{path}", canonical(login.host())), login.entry());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{file, login};
    use super::*;

    // base64 of u:a, u:b and u:c.
    const A: &str = "dTph";
    const B: &str = "dTpi";
    const C: &str = "dTpj";

    #[test]
    fn two_logins_on_one_host_stand_side_by_side() {
        let mut file = LoginFile::default();
        let own = log_in(&mut file, &[login("r.example/one", "a"), login("r.example/two/", "b")]);
        assert_eq!(
            file.json(),
            json!({"auths": {
                "r.example": {"auth": A}, "r.example/one": {"auth": A}, "r.example/two": {"auth": B}
            }})
        );
        renew(&mut file, &[login("r.example/one", "c")], &own);
        assert_eq!(
            file.json(),
            json!({"auths": {
                "r.example": {"auth": C}, "r.example/one": {"auth": C}, "r.example/two": {"auth": B}
            }})
        );
    }

    #[test]
    fn the_user_s_login_to_the_host_stays_beside_ours() {
        let mut file = file(&json!({
            "auths": {"r.example": {"auth": "x"}}, "credHelpers": {"r.example": "gcloud", "ecr.example": "ecr"}
        }));
        let own = log_in(&mut file, &[login("r.example/one", "a")]);
        assert!(own.is_empty());
        assert_eq!(
            file.json(),
            json!({
                "auths": {"r.example": {"auth": "x"}, "r.example/one": {"auth": A}},
                "credHelpers": {"ecr.example": "ecr"}
            })
        );
    }

    #[test]
    fn a_login_to_the_host_itself_replaces_the_user_s() {
        let mut file = file(&json!({"auths": {"r.example": {"auth": "x"}}}));
        log_in(&mut file, &[login("r.example", "a")]);
        assert_eq!(file.json()["auths"], json!({"r.example": {"auth": A}}));
    }

    #[test]
    fn docker_hub_has_one_name() {
        let mut file = LoginFile::default();
        log_in(&mut file, &[login("index.docker.io/acme", "a")]);
        assert_eq!(file.json()["auths"], json!({"docker.io": {"auth": A}, "docker.io/acme": {"auth": A}}));
    }

    #[test]
    fn the_user_s_files_become_one() {
        let first = file(&json!({"auths": {"a.example/team": {"auth": "1"}, "b.example": {"auth": "1"}}}));
        let second = file(&json!({
            "auths": {
                "a.example": {"auth": "2"}, "b.example/part": {"auth": "2"}, "c.example": {"auth": "2"},
                "https://c.example/v1/": {"auth": "old"}
            },
            "credHelpers": {"a.example": "late", "d.example": "helper", "e.example": ""}
        }));
        let docker = file(&json!({
            "auths": {
                "https://index.docker.io/v1/": {"auth": "3"}, "stored.example": {}, "c.example": {"auth": "3"},
                "d.example": {"auth": "3"}
            },
            "credsStore": "desktop"
        }));
        let expected = json!({
            "auths": {
                "a.example/team": {"auth": "1"}, "b.example": {"auth": "1"}, "a.example": {"auth": "2"},
                "c.example": {"auth": "2"}, "docker.io": {"auth": "3"}
            },
            "credHelpers": {"d.example": "helper"}
        });
        assert_eq!(merged(&[first, second, docker]).json(), expected);
    }
}
