//! Who may do what: Basic, tokens, redirects, and what is never told to whom.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::oci::{Client, Credentials, Keyring, OciError, Settings};
use ::sys::error::{Exit, Help};
use ::sys::world::Env;
use ::workflow_commands::Secret;

use super::{assert_whole, client, options, repository, settings, shop, tag};
use crate::support::docker_registry::{DockerRegistry, PASSWORD, USER};
use crate::support::front::{Act, Front, Seen};

fn password(username: &str, password: &str) -> Credentials {
    Credentials::Password { username: username.into(), password: Secret::new(password) }
}

fn as_user(host: &str, name: &str, secret: &str) -> Client {
    Client::new(Settings { keyring: Keyring::default().with(host, password(name, secret)), ..settings() })
}

#[tokio::test]
async fn basic_logins_are_given_or_found() {
    let registry = DockerRegistry::start_with_login();
    let at = repository(registry.host(), "shop/app");
    let good = as_user(registry.host(), USER, PASSWORD);
    let image = shop(&good, &at).await;

    let error = client().resolve(&at, &tag("1.2.3")).await.unwrap_err();
    assert!(error.is_denied() && error.exit() == Exit::Unavailable, "{error}");
    assert!(error.to_string().contains("no credentials") && error.to_string().contains("401"), "{error}");
    assert!(error.help().unwrap().contains("registry-username"), "{error}");

    let error = as_user(registry.host(), USER, "wrong-secret").tags(&at).await.unwrap_err();
    assert!(error.is_denied() && error.to_string().contains("the given credentials"), "{error}");
    assert!(!format!("{error} {error:?} {:?}", error.help()).contains("wrong-secret"));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let env: Env = [("DOCKER_CONFIG", directory.path())].into_iter().collect();
    for (secret, works) in [(PASSWORD, true), ("old", false)] {
        let login = serde_json::json!({"username": USER, "password": secret});
        std::fs::write(&path, serde_json::json!({"auths": {registry.host(): login}}).to_string()).unwrap();
        let keyring = Keyring::from_env(&env).unwrap();
        let found = Client::new(Settings { keyring, ..settings() }).resolve(&at, &tag("1.2.3")).await;
        if works {
            assert_eq!(found.unwrap(), Some(image.descriptor()));
        } else {
            let error = found.unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(error.help().unwrap().contains("docker login"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_copy_between_two_logins() {
    let (from, to) = (DockerRegistry::start_with_login(), DockerRegistry::start_with_login());
    let keyring = Keyring::default()
        .with(from.host(), password(USER, PASSWORD))
        .with(&format!("{}/prod", to.host()), password(USER, PASSWORD))
        .with(to.host(), password("nobody", "nothing"));
    let client = Client::new(Settings { keyring, ..settings() });
    let source = repository(from.host(), "test/app");
    let image = shop(&client, &source).await;
    let to_prod = repository(to.host(), "prod/app");
    let report =
        client.copy(&source.digest(&image.digest), &to_prod, &["1".into()], &options()).await.unwrap();
    assert_eq!(report.moved.blobs, 4);
    let to_test = repository(to.host(), "test/app");
    let error =
        client.copy(&source.digest(&image.digest), &to_test, &["1".into()], &options()).await.unwrap_err();
    assert!(error.is_denied(), "{error}");
    assert_eq!((to.tags("prod/app"), to.tags("test/app")), (vec!["1".to_owned()], vec![]));
}

/// A token server and the check of its tokens: each is good for `uses` requests, and `grants` says
/// whether a scope is given.
struct Issuer {
    uses: usize,
    issued: Mutex<Vec<(String, usize)>>,
    grants: fn(&str) -> bool,
}

impl Issuer {
    fn new(uses: usize, grants: fn(&str) -> bool) -> Self {
        Self { uses, issued: Mutex::default(), grants }
    }

    fn act(&self, seen: &Seen) -> Act {
        let mut issued = self.issued.lock().unwrap();
        if seen.uri.path() == "/token" {
            let query = seen.uri.query().unwrap().replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
            if !query.contains("service=front")
                || !query.split('&').filter_map(|part| part.strip_prefix("scope=")).all(self.grants)
            {
                return Act::Answer(403, vec![], r#"{"details":"not for you"}"#.to_owned());
            }
            issued.push((query, 0));
            return Act::Answer(200, vec![], format!(r#"{{"token":"t{}","expires_in":300}}"#, issued.len()));
        }
        let shown =
            seen.header("authorization").strip_prefix("Bearer t").and_then(|n| n.parse::<usize>().ok());
        if let Some((_, used)) = shown.and_then(|number| issued.get_mut(number - 1))
            && *used < self.uses
        {
            *used += 1;
            return Act::Pass;
        }
        let host = seen.header("host");
        let challenge =
            format!(r#"Bearer realm="http://{host}/token",service="front",error="invalid_token""#);
        Act::Answer(401, vec![("www-authenticate", challenge)], String::new())
    }
}

fn token_requests(front: &Front) -> Vec<String> {
    front.seen().iter().filter(|seen| seen.uri.path() == "/token").map(Seen::line).collect()
}

#[tokio::test]
async fn one_token_serves_a_whole_copy() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "test/app")).await;
    let issuer = Issuer::new(1000, |_| true);
    let front = Front::start(registry.host(), move |seen| issuer.act(seen)).await;
    let (from, to) = (repository(front.host(), "test/app"), repository(front.host(), "prod/app"));
    let client = as_user(front.host(), "u", "p");
    let report = client.copy(&from.digest(&image.digest), &to, &["1".into()], &options()).await.unwrap();
    assert_eq!(report.mounted.blobs, 4);
    let asked = token_requests(&front);
    assert_eq!(asked.len(), 1, "{asked:?}");
    for scope in ["repository%3Atest%2Fapp%3Apull", "repository%3Aprod%2Fapp%3Apull%2Cpush"] {
        assert!(asked[0].contains(scope), "{asked:?}");
    }
    let basic = front
        .seen()
        .iter()
        .find(|seen| seen.uri.path() == "/token")
        .unwrap()
        .header("authorization")
        .to_owned();
    assert_eq!(basic, "Basic dTpw");
}

#[tokio::test]
async fn tokens_that_end_in_mid_copy_are_renewed() {
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    let source = repository(from.host(), "test/app");
    let image = shop(&client(), &source).await;
    let issuer = Issuer::new(3, |_| true);
    let front = Front::start(to.host(), move |seen| issuer.act(seen)).await;
    let at = repository(front.host(), "prod/app");
    let one_by_one = ::oci::CopyOptions { concurrency: 1, ..options() };
    client().copy(&source.digest(&image.digest), &at, &["1".into()], &one_by_one).await.unwrap();
    assert!(token_requests(&front).len() >= 4);
    assert_whole(&repository(to.host(), "prod/app"), "1", &image).await;
}

#[tokio::test]
async fn rights_to_one_side_at_a_time_are_enough() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "test/app")).await;
    // It gives no token that is good for both.
    let both = AtomicUsize::new(0);
    let issuer = Issuer::new(1000, |_| true);
    let front = Front::start(registry.host(), move |seen| {
        if seen.uri.path() == "/token" && seen.uri.query().unwrap().matches("scope=").count() > 1 {
            both.fetch_add(1, Ordering::Relaxed);
            return Act::Answer(403, vec![], String::new());
        }
        issuer.act(seen)
    })
    .await;
    let (from, to) = (repository(front.host(), "test/app"), repository(front.host(), "prod/app"));
    let report = client().copy(&from.digest(&image.digest), &to, &["1".into()], &options()).await.unwrap();
    assert_eq!((report.moved.blobs, report.mounted.blobs), (4, 0));
    assert_whole(&repository(registry.host(), "prod/app"), "1", &image).await;
}

#[tokio::test]
async fn a_token_server_that_says_no_is_quoted() {
    let registry = DockerRegistry::start();
    let issuer = Issuer::new(1000, |scope| !scope.contains("push"));
    let front = Front::start(registry.host(), move |seen| issuer.act(seen)).await;
    let at = repository(front.host(), "app");
    let client = as_user(front.host(), "u", "p");
    assert_eq!(client.resolve(&at, &tag("1")).await.unwrap(), None);
    let manifest = ::oci::Manifest::new("{}".into(), None);
    let error = client.push_manifest(&at, &manifest, &tag("1")).await.unwrap_err();
    let OciError::Denied { answer, .. } = &error else { unreachable!("{error}") };
    assert_eq!((answer.status, answer.says.as_str()), (403, "not for you"));
    assert!(error.to_string().contains("repository:app:pull,push"), "{error}");
    assert!(error.help().unwrap().contains("the right to push"), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_without_credentials() {
    let registry = DockerRegistry::start();
    let image = shop(&client(), &repository(registry.host(), "app")).await;
    let storage = Front::start(registry.host(), |_| Act::Pass).await;
    let host = storage.host().to_owned();
    let issuer = Issuer::new(1000, |_| true);
    let front = Front::start(registry.host(), move |seen| match issuer.act(seen) {
        Act::Pass if seen.reads_blob() => Act::Answer(
            307,
            vec![("location", format!("http://{host}{}?signature=hidden", seen.uri))],
            String::new(),
        ),
        other => other,
    })
    .await;
    let at = repository(front.host(), "app");
    let client = as_user(front.host(), "u", "p");
    for blob in image.contents().unwrap().blobs {
        client.blob_bytes(&at, &blob, 1_000_000).await.unwrap();
    }
    let seen = storage.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|seen| seen.header("authorization").is_empty()));

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let front = Front::start(registry.host(), move |_| {
        Act::Answer(307, vec![("location", format!("http://{closed}/x?signature=hidden"))], String::new())
    })
    .await;
    let blob = &image.contents().unwrap().blobs[0];
    let error = client.blob_bytes(&repository(front.host(), "app"), blob, 1_000_000).await.unwrap_err();
    assert!(matches!(&error, OciError::Unreachable { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
}

#[tokio::test]
async fn secrets_do_not_travel_without_tls() {
    let registry = DockerRegistry::start();
    let challenge = r#"Bearer realm="http://auth.example/token",service="front""#;
    let front = Front::start(registry.host(), move |_| {
        Act::Answer(401, vec![("www-authenticate", challenge.to_owned())], String::new())
    })
    .await;
    let at = repository(front.host(), "app");
    let error = as_user(front.host(), "u", "p").tags(&at).await.unwrap_err();
    assert!(matches!(&error, OciError::Insecure { .. }), "{error}");
    assert!(error.to_string().contains("http://auth.example"), "{error}");

    // An upload that is to go on elsewhere without TLS.
    let front = Front::start(registry.host(), move |seen| match seen.method.as_str() {
        "POST" => {
            Act::Answer(202, vec![("location", "http://storage.example/upload".to_owned())], String::new())
        }
        _ => Act::Pass,
    })
    .await;
    let content = ::oci::Content::Bytes("x".into());
    let error = client().push_blob(&repository(front.host(), "app"), &content).await.unwrap_err();
    assert!(matches!(&error, OciError::Insecure { .. }), "{error}");
}

#[tokio::test]
async fn nobody_home_and_nobody_we_understand() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = repository(&format!("127.0.0.1:{port}"), "app");
    let (client, message) = super::watched(settings());
    let error = client.tags(&at).await.unwrap_err();
    assert!(matches!(&error, OciError::Unreachable { class: ::sys::http::Class::Refused, .. }), "{error}");
    assert!(error.to_string().contains(&format!("GET /v2/app/tags/list at 127.0.0.1:{port}")), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(message.lock().unwrap().len(), 5);

    let registry = DockerRegistry::start();
    let page = "<html><body>Welcome</body></html>";
    let front = Front::start(registry.host(), |_| Act::Answer(200, vec![], page.to_owned())).await;
    let at = repository(front.host(), "app");
    let error = client.tags(&at).await.unwrap_err();
    assert!(matches!(&error, OciError::Nonsense { .. }), "{error}");
    assert!(error.help().unwrap().contains("OCI distribution API"), "{error}");
}
