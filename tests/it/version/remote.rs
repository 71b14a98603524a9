//! Reading the remote's tags: what is sent, what comes back, and how it fails.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ::workflow_commands::Secret;
use p2p::domain::version::Prefix;
use p2p::edges::git::{Git, GitError};

use super::{IMPATIENT, env, git, shown, token, watcher};
use crate::support::git::{Bare, Checkout};
use crate::support::github::{Fault, Github};

/// An executable shell script.
pub(super) fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn one_tag() -> Bare {
    let bare = Bare::new();
    bare.tag("v1.2.3", &bare.commit("first"));
    bare
}

async fn read(git: &Git, github: &Github, token: Option<&Secret>) -> Result<Vec<String>, GitError> {
    let prefix = Prefix::default();
    let tags = git.ls_remote_tags(&github.git_url(), &prefix, token).await?;
    Ok(tags.iter().map(|tag| prefix.tag(tag.version)).collect())
}

#[tokio::test]
async fn annotated_tags_lead_to_their_commits() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.annotate("v1.0.0", &first);
    bare.annotate("v1.0.1", "v1.0.0");
    bare.tag("v1.0.2", &second);
    let github = Github::start(bare.path());
    let tags =
        git().ls_remote_tags(&github.git_url(), &Prefix::default(), Some(&token(&github))).await.unwrap();
    let commits: Vec<&str> = tags.iter().map(|tag| tag.commit.as_str()).collect();
    assert_eq!(commits, [&first, &first, &second]);
}

#[tokio::test]
async fn the_token_is_no_argument_and_no_other_header_goes_with_it() {
    let bare = one_tag();
    let github = Github::start(bare.path());
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("arguments");
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|path| path.join("git"))
        .find(|path| path.exists())
        .unwrap();
    script(
        &directory.path().join("git"),
        &format!("printf '%s\\n' \"$PWD\" \"$@\" >> '{}'; exec '{}' \"$@\"", log.display(), real.display()),
    );
    // What a checkout action, a user and a job may all have configured for this server.
    let home = directory.path().join("config");
    let header = "AUTHORIZATION: basic b3RoZXI6b3RoZXI=";
    let sections = [
        format!("http \"{}/\"", github.server_url),
        format!("http \"{}/acme\"", github.server_url),
        "http".into(),
    ];
    let text: Vec<String> =
        sections.iter().map(|section| format!("[{section}]\n\textraHeader = {header}\n")).collect();
    std::fs::write(&home, text.concat()).unwrap();
    let mut env = env();
    let path = env.get("PATH").unwrap().to_owned();
    env.set("PATH", format!("{}:{path}", directory.path().display()));
    env.set("GIT_CONFIG_GLOBAL", &home);
    env.set("GIT_CONFIG_COUNT", "1");
    env.set("GIT_CONFIG_KEY_0", format!("http.{}/.extraheader", github.server_url));
    env.set("GIT_CONFIG_VALUE_0", header);
    env.set("GIT_TRACE_CURL", "1");
    env.set("GIT_TRACE_REDACT", "0");

    let tags = read(&Git::new(&env), &github, Some(&token(&github))).await.unwrap();
    assert_eq!(tags, ["v1.2.3"]);
    let arguments = std::fs::read_to_string(log).unwrap();
    assert!(arguments.contains("ls-remote") && !arguments.contains(github.token), "{arguments}");
    assert!(github.requests().iter().all(|seen| seen.headers.get_all("authorization").iter().count() == 1));
}

/// A checkout's own configuration, which holds the checkout action's token, plays no part.
#[tokio::test]
async fn it_runs_outside_any_checkout() {
    let bare = one_tag();
    let github = Github::start(bare.path());
    let checkout = Checkout::new();
    let url = github.git_url();
    checkout.git(&["config", "url.http://127.0.0.1:1/.insteadOf", &url]);
    let mut env = env();
    env.set("GIT_DIR", checkout.path().join(".git"));
    assert_eq!(read(&Git::new(&env), &github, Some(&token(&github))).await.unwrap(), ["v1.2.3"]);
}

#[tokio::test]
async fn a_refused_token_asks_no_credential_helper_and_is_not_shown() {
    let bare = one_tag();
    let github = Github::start(bare.path());
    let directory = tempfile::tempdir().unwrap();
    let (helper, asked, config) =
        (directory.path().join("helper"), directory.path().join("asked"), directory.path().join("config"));
    script(&helper, &format!("touch '{}'", asked.display()));
    std::fs::write(&config, format!("[credential]\n\thelper = {}\n", helper.display())).unwrap();
    let mut env = env();
    env.set("GIT_CONFIG_GLOBAL", &config);
    let error = read(&Git::new(&env), &github, Some(&Secret::new("ghs_wrong"))).await.unwrap_err();
    assert!(!asked.exists());
    assert!(!format!("{error:?}").contains("ghs_wrong"));
    // Without a token of ours the helper is the user's way to give one.
    read(&Git::new(&env), &github, None).await.unwrap_err();
    assert!(asked.exists());
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again_and_told() {
    let bare = one_tag();
    let github = Github::start(bare.path());
    let mut left = 2;
    github.fault(move |_| {
        left -= 1;
        match left {
            1 => Some(Fault::error(503, "Unavailable")),
            0 => Some(Fault::hang_up()),
            _ => None,
        }
    });
    let (watcher, message) = watcher();
    let git = git().retrying(IMPATIENT, watcher);
    assert_eq!(read(&git, &github, Some(&token(&github))).await.unwrap(), ["v1.2.3"]);
    let message = message.lock().unwrap();
    assert_eq!(message.iter().map(|again| (again.attempt, again.of)).collect::<Vec<_>>(), [(1, 6), (2, 6)]);
    assert!(message[0].why.contains("503"), "{:?}", message[0]);
}

/// A failed read is an error, never an empty list.
#[tokio::test]
async fn each_failure_has_its_own_message_and_help() {
    let bare = one_tag();
    let github = Github::start(bare.path());
    let (git, prefix, token) = (git(), Prefix::default(), token(&github));
    let mut texts = vec![
        shown(read(&git, &github, Some(&Secret::new("ghs_wrong"))).await.unwrap_err()),
        shown(read(&git, &github, None).await.unwrap_err()),
    ];
    let other = format!("{}/acme/other", github.server_url);
    texts.push(shown(git.ls_remote_tags(&other, &prefix, Some(&token)).await.unwrap_err()));

    github.fault(|_| Some(Fault::error(500, "Server Error")));
    texts.push(shown(read(&git, &github, Some(&token)).await.unwrap_err()));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://user:pass@{closed}/acme/shop");
    let text = shown(git.ls_remote_tags(&nobody, &prefix, Some(&token)).await.unwrap_err());
    // curl says how long it took.
    texts.push(text.replace(|c: char| c.is_ascii_digit(), "N"));

    bare.tag("v1.2.99999999999999999999", &bare.commit("second"));
    github.fault(|_| None);
    texts.push(shown(read(&git, &github, Some(&token)).await.unwrap_err()));
    insta::assert_snapshot!(texts.join("\n\n"));
}
