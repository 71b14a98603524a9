//! Credentials that end before a copy does: a helper is asked again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use ::oci::{Client, Keyring, OciError, Settings};
use ::sys::world::Env;

use super::{assert_whole, client, options, repository, settings, shop, tag};
use crate::support::docker_registry::DockerRegistry;
use crate::support::front::{Act, Front, Seen};

/// A home whose helper gives `u` with the passwords 1, 2, 3 …, up to `last`, then that again.
fn helper(last: usize) -> (tempfile::TempDir, Client) {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("docker-credential-short");
    let count = home.path().join("count");
    let script = format!(
        "#!/bin/sh\nread -r host || true\necho x >> {count}\nn=$(wc -l < {count})\n[ $n -lt {last} ] || n={last}\n\
         printf '{{\"Username\":\"u\",\"Secret\":\"%s\"}}' $n\n",
        count = count.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(home.path().join("config.json"), r#"{"credsStore": "short"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let env: Env =
        [("PATH", path.as_str()), ("DOCKER_CONFIG", home.path().to_str().unwrap())].into_iter().collect();
    let keyring = Keyring::from_env(&env).unwrap();
    (home, Client::new(Settings { keyring, ..settings() }))
}

fn times_asked(home: &Path) -> usize {
    fs::read_to_string(home.join("count")).unwrap_or_default().lines().count()
}

/// Takes each password so many times: what is newer is good, what is older is not.
struct Guard {
    uses: usize,
    state: Mutex<(usize, usize)>,
}

impl Guard {
    fn new(uses: usize) -> Self {
        Self { uses, state: Mutex::new((0, 0)) }
    }

    fn takes(&self, seen: &Seen) -> bool {
        // Basic dTox is u:1.
        let shown = (1..10).find(|n| seen.header("authorization") == format!("Basic {}", base64(*n)));
        let (newest, used) = &mut *self.state.lock().unwrap();
        match shown {
            Some(shown) if shown > *newest => (*newest, *used) = (shown, 1),
            Some(shown) if shown == *newest && *used < self.uses => *used += 1,
            _ => return false,
        }
        true
    }
}

fn base64(number: usize) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(format!("u:{number}"))
}

#[tokio::test]
async fn passwords_that_end_in_mid_copy_are_asked_for_again() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let guard = Guard::new(4);
    let front = Front::start(to.host(), move |seen| {
        if guard.takes(seen) {
            return Act::Pass;
        }
        Act::Answer(401, vec![("www-authenticate", "Basic realm=\"front\"".to_owned())], String::new())
    })
    .await;
    let (home, client) = helper(9);
    let at = repository(front.host(), "prod/app");
    client.copy(&source.digest(&image.digest), &at, &["1".into()], &options()).await.unwrap();
    let asked = times_asked(home.path());
    // One for the source, which wants none, and one whenever a password ended.
    assert!((4..10).contains(&asked), "{asked}");
    assert_whole(&repository(to.host(), "prod/app"), "1", &image).await;
}

#[tokio::test]
async fn what_the_token_server_takes_no_more_is_asked_for_again() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "app")).await;
    // Each password is good for one token, and each token for three requests.
    let (guard, tokens) = (Guard::new(1), Mutex::new(Vec::<usize>::new()));
    let front = Front::start(registry.host(), move |seen| {
        let mut tokens = tokens.lock().unwrap();
        if seen.uri.path() == "/token" {
            if !guard.takes(seen) {
                return Act::Answer(401, vec![], r#"{"details":"expired"}"#.to_owned());
            }
            tokens.push(0);
            return Act::Answer(200, vec![], format!(r#"{{"token":"t{}"}}"#, tokens.len()));
        }
        let shown = seen.header("authorization").strip_prefix("Bearer t").and_then(|n| n.parse().ok());
        if let Some(used) = shown.and_then(|number: usize| tokens.get_mut(number - 1))
            && *used < 3
        {
            *used += 1;
            return Act::Pass;
        }
        let challenge = format!(r#"Bearer realm="http://{}/token",service="front""#, seen.header("host"));
        Act::Answer(401, vec![("www-authenticate", challenge)], String::new())
    })
    .await;
    let (home, client) = helper(9);
    let at = repository(front.host(), "app");
    for _ in 0..10 {
        assert_eq!(client.resolve(&at, &tag("1.2.3")).await.unwrap(), Some(image.descriptor()));
    }
    assert_eq!(times_asked(home.path()), 4);
}

#[tokio::test]
async fn a_helper_with_nothing_new_is_not_asked_for_ever() {
    let registry = DockerRegistry::start();
    let front = Front::start(registry.host(), |_| {
        Act::Answer(401, vec![("www-authenticate", "Basic realm=\"front\"".to_owned())], String::new())
    })
    .await;
    let at = repository(front.host(), "app");
    let (home, client) = helper(1);
    for asked in 1..3 {
        let error = client.tags(&at).await.unwrap_err();
        assert!(matches!(&error, OciError::Denied { .. }), "{error}");
        assert!(error.to_string().contains("docker-credential-short"), "{error}");
        assert_eq!(times_asked(home.path()), asked);
    }
    assert!(front.seen().len() < 6);
}
