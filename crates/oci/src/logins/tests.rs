#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use serde_json::{Value as Json, json};

use super::file::Helper;
use super::{Credentials, Login, LoginFile, LoginsError, entry};
use workflow_commands::Secret;

fn read(text: impl AsRef<[u8]>) -> Result<LoginFile, LoginsError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, text).unwrap();
    LoginFile::read(&path)
}

/// A file with this content.
pub(super) fn file(json: &Json) -> LoginFile {
    read(json.to_string()).unwrap()
}

/// A login of the user `u`.
pub(super) fn login(registry: &str, password: &str) -> Login {
    Login { registry: registry.to_owned(), username: "u".to_owned(), password: Secret::new(password) }
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with is an option")]
fn password(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Password { username: username.into(), password: Secret::new(password) })
}

/// The login to `r.io/x` in a file whose entry of `r.io` is this.
fn of_entry(entry: &Json) -> Result<Option<Credentials>, String> {
    let file = file(&json!({"auths": {"r.io": entry}}));
    file.login("r.io/x").map_err(|error| error.to_string())
}

#[test]
fn reads_logins_of_docker_and_podman() {
    // dTpw is u:p, dTpwOnE= is u:p:q, PHRva2VuPjpy is <token>:r
    let file = read(
        r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dTpw"},
            "r.io": {"username": "host", "password": "1"},
            "r.io/a": {"auth": "dTpwOnE="},
            "r.io/a/empty": {}, "r.io/a/null": null,
            "https://l.io/v1/": {"auth": "dTpw"},
            "i.io": {"auth": "dTpw", "identitytoken": "refresh"},
            "t.io": {"auth": "PHRva2VuPjpy"},
            "b.io": {"registrytoken": "bearer"}}, "HttpHeaders": {"x": 1}, "unknown": [null]}"#,
    )
    .unwrap();
    let token = |text| Secret::new(text);
    for (name, expected) in [
        ("docker.io/library/alpine", password("u", "p")),
        ("r.io/x", password("host", "1")),
        ("r.io/a/b", password("u", "p:q")),
        ("r.io/a/empty", password("u", "p:q")),
        ("r.io/a/null", password("u", "p:q")),
        ("l.io/x", password("u", "p")),
        ("i.io/x", Some(Credentials::Identity(token("refresh")))),
        ("t.io/x", Some(Credentials::Identity(token("r")))),
        ("b.io/x", Some(Credentials::Bearer(token("bearer")))),
        ("other.io/x", None),
    ] {
        assert_eq!(file.login(name).unwrap(), expected, "{name}");
    }
}

#[test]
fn takes_base64_as_people_paste_it() {
    // The password has characters that differ between the alphabets, and a length that needs padding.
    let auth = entry::encode("robot$shop", "~~~???>>>:a");
    let (begin, end) = auth.split_at(10);
    for text in [
        auth.clone(),
        format!("{begin}\n{end}\n"),
        format!(" {begin} \r\n\t{end}"),
        auth.trim_end_matches('=').to_owned(),
        auth.replace('+', "-").replace('/', "_"),
        format!("{auth}=="),
    ] {
        assert_eq!(
            of_entry(&json!({"auth": text})).unwrap(),
            password("robot$shop", "~~~???>>>:a"),
            "{text:?}"
        );
    }
    let padded = entry::encode("u", "p\0\0");
    assert_eq!(of_entry(&json!({"auth": padded})).unwrap(), password("u", "p"));
}

#[test]
fn an_unreadable_field_is_absent_and_an_empty_entry_is_none() {
    for entry in [
        json!(null),
        json!({}),
        json!({"auth": ""}),
        json!({"auth": null, "email": 7, "username": null, "password": ""}),
        json!({"identitytoken": null, "more": {"of": ["it"]}}),
    ] {
        assert_eq!(of_entry(&entry).unwrap(), None, "{entry}");
    }
    for entry in [
        json!({"auth": "dTpw", "email": null, "identitytoken": 3, "registrytoken": [], "unknown": {}}),
        json!({"username": "u", "password": "p", "auth": null}),
        json!({"username": "u", "password": "p", "auth": 1}),
    ] {
        assert_eq!(of_entry(&entry).unwrap(), password("u", "p"), "{entry}");
    }
}

#[test]
fn a_wrong_entry_is_an_error_for_its_own_host_alone() {
    let utf16: Vec<u8> = "hunter2:p".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, utf16);
    for (entry, reason) in [
        (json!("hunter2"), "it is not a JSON object"),
        (json!(["hunter2"]), "it is not a JSON object"),
        (json!({"auth": "hunter2!"}), "not the base64 of user:password"),
        (json!({"auth": "aHVudGVyMg=="}), "not the base64 of user:password"),
        (json!({"auth": utf16}), "UTF-16"),
        (json!({"auth": {"hunter2": 1}}), "neither an \"auth\" nor a user name"),
        (json!({"password": "hunter2"}), "neither an \"auth\" nor a user name"),
    ] {
        let text = json!({"auths": {"bad.io": entry, "good.io": {"auth": "dTpw"}}}).to_string();
        let file = read(text).unwrap();
        assert_eq!(file.login("good.io/x").unwrap(), password("u", "p"), "{entry}");
        let error = file.login("bad.io/x").unwrap_err().to_string();
        assert!(
            error.contains("bad.io") && error.contains("config.json") && error.contains(reason),
            "{error}"
        );
        assert!(!format!("{error} {file:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn parts_that_are_missing_hold_nothing() {
    for text in [
        "",
        " \n",
        "\u{FEFF}",
        "null",
        "{}",
        "\u{FEFF}{}",
        r#"{"auths": null}"#,
        r#"{"auths": []}"#,
        r#"{"auths": {}, "credHelpers": null, "credsStore": null}"#,
        r#"{"credHelpers": 5, "credsStore": ""}"#,
        r#"{"credsStore": ["x"], "credHelpers": {"r.io": 5}}"#,
    ] {
        let file = read(text).unwrap();
        assert_eq!((file.login("r.io/x").unwrap(), file.helper("r.io/x")), (None, Helper::Nobody), "{text}");
    }
    let marked = read(
        "\u{FEFF}{\"auths\": {\"r.io\": {\"auth\": \"dTpw\"}}, \"auths\": {\"s.io\": {\"auth\": \"dTpw\"}}}",
    );
    assert_eq!(marked.unwrap().login("s.io/x").unwrap(), password("u", "p"));
    for text in ["hunter2", r#"{"auths": "hunter2"}"#, r#"["hunter2"]"#, r#"{"auths": {"r.io": hunter2}}"#] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.ends_with("config.json holds no logins in JSON (line 1)"), "{error}");
    }
}

#[test]
fn a_helper_of_a_host_comes_before_the_store() {
    let file = read(
        json!({"credsStore": "all", "credHelpers": {
            "https://r.io/v1/": "one", "none.io": "", "null.io": null, "wrong.io": 5, "p.io/team": "part"
        }})
        .to_string(),
    )
    .unwrap();
    for (name, expected) in [
        ("r.io/x", Helper::OfHost("one")),
        ("none.io/x", Helper::Nobody),
        ("null.io/x", Helper::Nobody),
        ("wrong.io/x", Helper::OfAll("all")),
        ("p.io/team/x", Helper::OfHost("part")),
        ("p.io/x", Helper::OfAll("all")),
    ] {
        assert_eq!(file.helper(name), expected, "{name}");
    }
}

#[test]
fn a_clean_file_has_only_what_docker_and_podman_read() {
    let file = read(
        json!({
            "auths": {
                "wrapped.io": {"auth": "dT\npw", "email": null, "more": [1]},
                "plain.io": {"username": "u", "password": "p"},
                "identity.io": {"auth": "dTo=", "identitytoken": "i"},
                "bad.io": {"auth": "!", "registrytoken": "b"},
                "empty.io": null, "text.io": "hunter2", "list.io": [],
            },
            "credHelpers": {"a.io": "x", "b.io": null, "c.io": 1}, "credsStore": "s", "unknown": [1]
        })
        .to_string(),
    );
    assert_eq!(
        file.unwrap().cleaned().json(),
        json!({
            "auths": {
                "wrapped.io": {"auth": "dTpw", "more": [1]}, "plain.io": {"auth": "dTpw"},
                "identity.io": {"auth": "dTo=", "identitytoken": "i"}, "bad.io": {"registrytoken": "b"},
                "empty.io": {}
            },
            "credHelpers": {"a.io": "x"}, "credsStore": "s", "unknown": [1]
        })
    );
}
