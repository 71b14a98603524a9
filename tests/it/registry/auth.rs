//! Basic authentication, and tokens with scopes.

use std::time::Duration;

use crate::support::registry::{Account, Auth};
use ::oci::Digest;
use ::workflow_commands::Secret;
use serde_json::Value;

use super::{Got, Registry, got};

fn account(user: &str, pull: &[&str], push: &[&str]) -> Account {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Account { user: user.to_owned(), password: Secret::new("pass"), pull: owned(pull), push: owned(push) }
}

async fn token_registry(lifetime: Duration) -> Registry {
    let accounts = vec![
        Account::of_all("admin", Secret::new("pass")),
        account("reader", &["shop"], &[]),
        account("", &["public"], &[]),
    ];
    Registry::with(|options| options.auth = Some(Auth::Token { accounts, lifetime })).await
}

async fn token(registry: &Registry, user: Option<&str>, scopes: &[&str]) -> Value {
    let query = [&["/token?service=x"], scopes].concat().join("&scope=");
    let mut request = registry.request("GET", &query);
    if let Some(user) = user {
        request = request.basic_auth(user, Some("pass"));
    }
    got(request).await.unwrap().is(200, "").json()
}

async fn with(registry: &Registry, method: &str, path: &str, token: &Value) -> Got {
    got(registry.request(method, path).bearer_auth(token["token"].as_str().unwrap())).await.unwrap()
}

#[tokio::test]
async fn basic_asks_for_a_password_and_keeps_rights() {
    let accounts = vec![account("reader", &["shop"], &[])];
    let registry = Registry::with(|options| options.auth = Some(Auth::Basic(accounts))).await;
    let refused = registry.ask("GET", "/v2/").await.is(401, "UNAUTHORIZED");
    assert_eq!(refused.header("www-authenticate"), "Basic realm=\"registry\"");
    let ask = async |method, path, password| {
        got(registry.request(method, path).basic_auth("reader", Some(password))).await.unwrap()
    };
    ask("GET", "/v2/", "wrong").await.is(401, "UNAUTHORIZED");
    ask("GET", "/v2/", "pass").await.is(200, "");
    ask("GET", "/v2/shop/api/tags/list", "pass").await.is(404, "NAME_UNKNOWN");
    ask("GET", "/v2/shopping/tags/list", "pass").await.is(403, "DENIED");
    ask("POST", "/v2/shop/blobs/uploads/", "pass").await.is(403, "DENIED");
    ask("GET", "/v2/_catalog", "pass").await.is(403, "DENIED");
}

#[tokio::test]
async fn a_challenge_names_the_scopes() {
    let registry = token_registry(Duration::from_mins(1)).await;
    let address = registry.server.address();
    let realm = format!("Bearer realm=\"http://{address}/token\",service=\"{address}\"");
    let challenge = async |method: &str, path: &str| {
        let refused = registry.ask(method, path).await.is(401, "UNAUTHORIZED");
        refused.header("www-authenticate").strip_prefix(&realm).unwrap().to_owned()
    };
    assert_eq!(challenge("GET", "/v2/").await, "");
    assert_eq!(challenge("GET", "/v2/a/tags/list").await, ",scope=\"repository:a:pull\"");
    assert_eq!(challenge("DELETE", "/v2/a/manifests/1").await, ",scope=\"repository:a:delete\"");
    let digest = Digest::of(b"x");
    assert_eq!(
        challenge("POST", &format!("/v2/a/blobs/uploads/?mount={digest}&from=b/c")).await,
        ",scope=\"repository:a:pull,push repository:b/c:pull\""
    );
    assert_eq!(challenge("GET", "/v2/_catalog").await, ",scope=\"registry:catalog:*\"");
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_alone() {
    let registry = token_registry(Duration::from_mins(1)).await;
    let pull = token(&registry, Some("admin"), &["repository:shop:pull"]).await;
    assert_eq!(pull["expires_in"], 60);
    assert_eq!(pull["access_token"], pull["token"]);
    with(&registry, "GET", "/v2/", &pull).await.is(200, "");
    with(&registry, "GET", "/v2/shop/tags/list", &pull).await.is(404, "NAME_UNKNOWN");
    let refused = with(&registry, "POST", "/v2/shop/blobs/uploads/", &pull).await.is(401, "UNAUTHORIZED");
    assert!(refused.header("www-authenticate").ends_with(",error=\"insufficient_scope\""));

    // Scopes that the account has no right to are left out of its token.
    let reader = token(&registry, Some("reader"), &["repository:shop:pull,push"]).await;
    with(&registry, "GET", "/v2/shop/tags/list", &reader).await.is(404, "NAME_UNKNOWN");
    with(&registry, "POST", "/v2/shop/blobs/uploads/", &reader).await.is(401, "UNAUTHORIZED");
    let nobody = token(&registry, None, &["repository:public/x:pull", "repository:shop:pull"]).await;
    with(&registry, "GET", "/v2/public/x/tags/list", &nobody).await.is(404, "NAME_UNKNOWN");
    with(&registry, "GET", "/v2/shop/tags/list", &nobody).await.is(401, "UNAUTHORIZED");
    let wrong = registry.request("GET", "/token").basic_auth("admin", Some("wrong"));
    got(wrong).await.unwrap().is(401, "UNAUTHORIZED");

    // A mount needs to read its source.
    let two = ["repository:b:pull,push", "repository:a:pull"];
    let both = token(&registry, Some("admin"), &two).await;
    let one = token(&registry, Some("admin"), &two[..1]).await;
    let path = format!("/v2/b/blobs/uploads/?mount={}&from=a", Digest::of(b"x"));
    with(&registry, "POST", &path, &one).await.is(401, "UNAUTHORIZED");
    with(&registry, "POST", &path, &both).await.is(202, "");
}

#[tokio::test]
async fn a_token_expires() {
    let registry = token_registry(Duration::ZERO).await;
    let short = token(&registry, Some("admin"), &["repository:shop:pull"]).await;
    let refused = with(&registry, "GET", "/v2/shop/tags/list", &short).await.is(401, "UNAUTHORIZED");
    assert!(refused.header("www-authenticate").ends_with(",error=\"invalid_token\""));
}
