//! The kubeconfig of a target as the real kubectl reads it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ::sys::error::Failure;
use ::workflow_commands::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p2p::edges::kube::{KubeError, Kubeconfig};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::kube::Cluster;

const TWO_CONTEXTS: &str = "\
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev-cluster
  cluster: {server: 'https://dev.example', certificate-authority: pki/ca.crt}
- name: prod-cluster
  cluster: {server: 'https://prod.example', insecure-skip-tls-verify: true}
users:
- name: dev-user
  user: {tokenFile: token}
- name: prod-user
  user: {token: '0123456789e5'}
contexts:
- name: dev
  context: {cluster: dev-cluster, user: dev-user, namespace: from-the-user}
- name: prod
  context: {cluster: prod-cluster, user: prod-user}
";

fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Output {
    Command::new("kubectl")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", kubeconfig.parent().unwrap())
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap_or_else(|error| panic!("kubectl is not installed: {error}"))
}

fn stdout(kubeconfig: &Path, arguments: &[&str]) -> String {
    let output = kubectl(kubeconfig, arguments);
    assert!(output.status.success(), "kubectl {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A directory with a kubeconfig of two contexts.
fn scene() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    fs::write(&path, TWO_CONTEXTS).unwrap();
    (directory, path)
}

fn load(path: &Path) -> Kubeconfig {
    Kubeconfig::load(path.as_os_str(), "KUBECONFIG", Path::new("/")).unwrap()
}

fn written(config: &Kubeconfig, context: Option<&str>, namespace: Option<&str>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    config.for_target(context, namespace).unwrap().write(&path).unwrap();
    (directory, path)
}

fn view(path: &Path) -> Json {
    serde_json::from_str(&stdout(path, &["config", "view", "--raw", "-o", "json"])).unwrap()
}

#[test]
fn kubectl_sees_one_context_with_the_target_s_namespace() {
    let (directory, path) = scene();
    let (_kept, target) = written(&load(&path), None, Some("shop-basket-nft"));
    let root = directory.path().display();
    assert_eq!(
        view(&target),
        json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "dev",
            "clusters": [{"name": "dev-cluster", "cluster": {
                "server": "https://dev.example", "certificate-authority": format!("{root}/pki/ca.crt")
            }}],
            "users": [{"name": "dev-user", "user": {"tokenFile": format!("{root}/token")}}],
            "contexts": [{"name": "dev", "context": {
                "cluster": "dev-cluster", "user": "dev-user", "namespace": "shop-basket-nft"
            }}],
        })
    );
    let namespace = ["config", "view", "--minify", "-o", "jsonpath={..namespace}"];
    assert_eq!(stdout(&target, &namespace), "shop-basket-nft");
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), TWO_CONTEXTS, "the user's file is left alone");
}

#[test]
fn another_context_can_be_asked_for() {
    let (_directory, path) = scene();
    let (_kept, target) = written(&load(&path), Some("prod"), None);
    let seen = view(&target);
    assert_eq!(seen["current-context"], "prod");
    assert_eq!(seen["clusters"][0]["cluster"]["insecure-skip-tls-verify"], true);
    assert_eq!(seen["users"], json!([{"name": "prod-user", "user": {"token": "0123456789e5"}}]));
    assert_eq!(seen["contexts"][0]["context"].get("namespace"), None);
    let (_kept, target) = written(&load(&path), Some("dev"), None);
    assert_eq!(view(&target)["contexts"][0]["context"]["namespace"], "from-the-user");
}

#[test]
fn several_files_are_merged_like_kubectl_merges_them() {
    let (directory, first) = scene();
    let second = directory.path().join("sub/second");
    fs::create_dir(directory.path().join("sub")).unwrap();
    let more = json!({
        "current-context": "late",
        "clusters": [
            {"name": "dev-cluster", "cluster": {"server": "https://late.example"}},
            {"name": "late-cluster", "cluster": {"server": "https://late.example", "certificate-authority": "ca"}}
        ],
        "contexts": [{"name": "late", "context": {"cluster": "late-cluster", "user": "dev-user"}}],
    });
    fs::write(&second, more.to_string()).unwrap();
    let list =
        format!("{}:{}:{}", first.display(), directory.path().join("absent").display(), second.display());
    let config = Kubeconfig::load(OsStr::new(&list), "KUBECONFIG", Path::new("/")).unwrap();
    for context in ["dev", "late"] {
        let (_kept, target) = written(&config, Some(context), None);
        let theirs = ["config", "view", "--raw", "-o", "json", "--minify", "--context", context];
        let theirs: Json = serde_json::from_str(&stdout(Path::new(&list), &theirs)).unwrap();
        let mut ours = view(&target);
        // kubectl resolves paths only when it uses them; ours stand in another directory.
        for (cluster, theirs) in
            ours["clusters"].as_array_mut().unwrap().iter_mut().zip(theirs["clusters"].as_array().unwrap())
        {
            assert_eq!(cluster["cluster"]["server"], theirs["cluster"]["server"]);
            assert!(Path::new(cluster["cluster"]["certificate-authority"].as_str().unwrap()).is_absolute());
        }
        assert_eq!(ours["contexts"], theirs["contexts"]);
        assert_eq!(ours["current-context"], theirs["current-context"]);
    }
    assert_eq!(config.contexts().collect::<Vec<_>>(), ["dev", "prod", "late"]);
}

#[test]
fn the_empty_one_is_valid_and_reaches_nothing() {
    let (_kept, path) = written(&Kubeconfig::empty(), None, Some("shop"));
    assert_eq!(stdout(&path, &["config", "get-contexts", "-o", "name"]), "");
    let refused = kubectl(&path, &["get", "pods"]);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    assert!(message.contains("context was not found for specified context: no-cluster"), "{message}");
}

#[test]
fn the_input_is_a_path_or_the_content_plain_or_in_base64() {
    let (directory, path) = scene();
    let expected = load(&path);
    let encoded = STANDARD.encode(TWO_CONTEXTS);
    let wrapped: String =
        encoded.as_bytes().chunks(76).flat_map(|line| [line, b"\n"].concat()).map(char::from).collect();
    let windows = format!("\u{feff}{}", TWO_CONTEXTS.replace('\n', "\r\n"));
    for input in [
        path.to_str().unwrap(),
        "config",
        "config\n",
        TWO_CONTEXTS,
        &format!("\n{TWO_CONTEXTS}"),
        &windows,
        &encoded,
        &wrapped,
        &STANDARD.encode(&windows),
        &URL_SAFE_NO_PAD.encode(TWO_CONTEXTS),
    ] {
        let read = Kubeconfig::of_input(&Secret::new(input), directory.path()).unwrap();
        assert!(read == expected, "{input}");
    }
    fs::write(directory.path().join("windows"), &windows).unwrap();
    assert!(load(&directory.path().join("windows")) == expected);
}

#[test]
fn no_error_holds_a_part_of_the_input() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("c2VjcmV0LWJ5dGVz"), b"c2VjcmV0 \xFF").unwrap();
    fs::write(directory.path().join("c2VjcmV0LWxpbmU"), "c2VjcmV0: [").unwrap();
    fs::create_dir(directory.path().join("c2VjcmV0LWRpcg")).unwrap();
    let long = "c2VjcmV0".repeat(1000);
    let split = format!("{}:{}", &long[..400], &long[400..800]);
    let sealed = STANDARD.encode("c2VjcmV0: [\nmore");
    for input in [
        "c2VjcmV0LWJ5dGVz",
        "c2VjcmV0LWxpbmU",
        "c2VjcmV0LWRpcg",
        "c2VjcmV0",
        "./c2VjcmV0/c2VjcmV0",
        "a\0c2VjcmV0",
        "c2VjcmV0\nc2VjcmV0",
        "c2VjcmV0: x\n c2VjcmV0: [",
        &long,
        &long[..1000],
        &split,
        &sealed,
    ] {
        let error = Kubeconfig::of_input(&Secret::new(input), directory.path()).unwrap_err();
        let text = Failure::from(error).to_string();
        assert!(!text.contains("c2VjcmV0") && text.contains("the input kubeconfig"), "{text}");
        // The first letters of a value are a part of it too.
        assert!(!text.contains(&sealed[..8]), "{text}");
    }
    let content = Kubeconfig::load(OsStr::new(TWO_CONTEXTS), "KUBECONFIG", directory.path()).unwrap_err();
    assert_eq!(content.to_string(), "there is no kubeconfig at KUBECONFIG");
}

#[test]
fn what_is_wrong_is_said_with_what_there_is() {
    let (directory, path) = scene();
    let shown = |error: KubeError| Failure::from(error).to_string();
    let refused = |config: &Kubeconfig, context| shown(config.for_target(context, None).unwrap_err());
    let config = load(&path);
    assert_eq!(
        refused(&config, Some("gke")),
        "error: the kubeconfig has no context \"gke\"\nhelp: give the input kube-context, one of dev, prod"
    );
    let inline =
        |text: &str| Kubeconfig::of_input(&Secret::new(format!("{text}\n")), directory.path()).unwrap();
    assert_eq!(
        refused(&inline("contexts:\n- name: a"), None),
        "error: the kubeconfig has no current context\nhelp: give the input kube-context, one of a"
    );
    assert_eq!(
        refused(&inline("kind: Config\nusers:"), None),
        "error: the kubeconfig has no current context\nhelp: it has no contexts at all; give another kubeconfig"
    );
    assert!(
        refused(&inline("contexts:\n- name: a\n  context: {cluster: c, user: u}\n"), Some("a")).starts_with(
            "error: the context \"a\" of the kubeconfig names the cluster \"c\", which is not in it"
        )
    );
}

#[test]
fn kubectl_works_in_the_namespace_with_the_token_beside_the_user_s_file() {
    let cluster = Cluster::start(&["shop-basket-nft"], |seen| seen.bearer() == "from-the-file");
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("pki")).unwrap();
    fs::write(directory.path().join("pki/ca.crt"), &cluster.authority).unwrap();
    fs::write(directory.path().join("token"), "from-the-file").unwrap();
    let path = directory.path().join("config");
    fs::write(&path, TWO_CONTEXTS.replace("https://dev.example", &cluster.url())).unwrap();
    let (_kept, target) = written(&load(&path), None, Some("shop-basket-nft"));
    let listed = stdout(&target, &["get", "configmaps", "-o", "name"]);
    assert_eq!(listed, "configmap/gate\n");
    let seen = cluster.server().requests();
    let wanted = "/api/v1/namespaces/shop-basket-nft/configmaps";
    assert!(seen.iter().any(|seen| seen.path == wanted), "{seen:?}");
}
