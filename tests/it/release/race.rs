//! Many releases at once, and what the floating tags go through meanwhile.

use std::time::Duration;

use ::sys::retry::{Policy, Watcher};
use ::sys::world::Env;
use ::workflow_commands::Secret;
use futures_util::future::join_all;
use p2p::domain::version::{Line, Motion, Version};
use p2p::edges::git::Git;
use p2p::edges::github::GitHub;
use p2p::gate::allocation::Remote;
use p2p::gate::release::follow;
use p2p::inputs::ReleaseCommit;

use crate::support::git::{Bare, git};
use crate::support::github::{Fault, Github, REPOSITORY, Seen};

fn remote(github: &Github) -> Remote {
    let policy = Policy {
        attempts: 6,
        base: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        patience: Duration::from_secs(5),
    };
    let env: Env = [("PATH", std::env::var_os("PATH").unwrap())].into_iter().collect();
    let client = GitHub::new(&github.api_url, REPOSITORY, Some(Secret::new(github.token))).unwrap();
    Remote {
        git: Git::new(&env),
        github: client.retrying(policy, Watcher::default()),
        url: github.git_url(),
        token: Some(Secret::new(github.token)),
        prefix: "v".parse().unwrap(),
        release_commit: ReleaseCommit::Own,
    }
}

/// Releases of several lines, whose commits are no history of each other, as releases with a commit of
/// their own are; the server keeps what each tag went through.
fn scene() -> (Bare, Vec<Version>) {
    let bare = Bare::new();
    bare.git(&["config", "core.logAllRefUpdates", "always"]);
    let root = bare.commit("root");
    let versions: Vec<Version> = [(1, 1), (1, 2), (2, 0)]
        .iter()
        .flat_map(|(major, minor)| (0..4).map(|patch| Version::new(*major, *minor, patch)))
        .collect();
    for version in &versions {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let commit = bare.git(&["commit-tree", tree, "-p", &root, "-m", &version.to_string()]);
        bare.tag(&format!("v{version}"), &commit);
    }
    (bare, versions)
}

/// The releases that a floating tag was on, in order.
fn history(bare: &Bare, tag: &str) -> Vec<Version> {
    let printed = bare.git(&["log", "--walk-reflogs", "--format=%s", &format!("refs/tags/{tag}")]);
    let mut versions: Vec<Version> = printed.lines().map(|line| line.parse().unwrap()).collect();
    versions.reverse();
    versions
}

fn check(bare: &Bare) {
    for (tag, last) in
        [("v1", (1, 2, 3)), ("v1.1", (1, 1, 3)), ("v1.2", (1, 2, 3)), ("v2", (2, 0, 3)), ("v2.0", (2, 0, 3))]
    {
        let history = history(bare, tag);
        assert!(history.is_sorted(), "{tag} went backwards: {history:?}");
        assert_eq!(history.last(), Some(&Version::new(last.0, last.1, last.2)), "{tag}");
    }
}

/// Each release moves the tags of its lines, all at the same time.
async fn all_at_once(github: &Github, versions: &[Version]) {
    let remotes: Vec<_> = versions.iter().map(|_| remote(github)).collect();
    let lines = [Line::Major, Line::Minor];
    let runs = versions.iter().zip(&remotes).map(|(version, remote)| follow(remote, *version, None, &lines));
    for moved in join_all(runs).await {
        moved.unwrap();
    }
}

#[tokio::test]
async fn floating_tags_never_go_backwards_whoever_comes_first() {
    let (bare, versions) = scene();
    let github = Github::start(bare.path());
    all_at_once(&github, &versions).await;
    check(&bare);
}

/// Every other move fails, before or after its effect; each release is moved to in the end.
#[tokio::test]
async fn trouble_changes_nothing() {
    let (bare, versions) = scene();
    let github = Github::start(bare.path());
    let mut count = 0;
    github.fault(move |seen| {
        count += u32::from(Seen::moves_tags(seen));
        match (seen.moves_tags(), count % 6) {
            (true, 1) => Some(Fault::error(502, "Bad Gateway")),
            (true, 3) => Some(Fault::error(502, "Bad Gateway").after_effect()),
            (true, 5) => Some(Fault::hang_up().after_effect()),
            _ => None,
        }
    });
    all_at_once(&github, &versions).await;
    check(&bare);
}

/// A higher release moves the tags after we have read them and before we move them.
#[tokio::test]
async fn a_tag_that_moved_since_it_was_read_is_read_again() {
    let (bare, _) = scene();
    let github = Github::start(bare.path());
    let lines = [Line::Major, Line::Minor];
    let remote = remote(&github);
    follow(&remote, Version::new(1, 2, 0), None, &lines).await.unwrap();
    let path = bare.path().to_owned();
    let mut other = Some("refs/tags/v1.2.3");
    github.fault(move |seen| {
        if let Some(higher) = other.take_if(|_| seen.moves_tags()) {
            for name in ["refs/tags/v1", "refs/tags/v1.2"] {
                git(&path, &["update-ref", name, higher]);
            }
        }
        None
    });
    let moved = follow(&remote, Version::new(1, 2, 1), None, &lines).await.unwrap();
    assert!(moved.iter().all(|moved| moved.motion == Motion::Stay(Version::new(1, 2, 3))), "{moved:?}");
    for tag in ["v1", "v1.2"] {
        assert_eq!(history(&bare, tag), [Version::new(1, 2, 0), Version::new(1, 2, 3)]);
    }
}

/// Each tag is decided for itself.
#[tokio::test]
async fn one_may_move_and_the_other_stay() {
    let (bare, _) = scene();
    let github = Github::start(bare.path());
    let remote = remote(&github);
    // The minor line is there already, by hand; the major one lags behind.
    bare.tag("v1", &bare.tags()["v1.1.0"]);
    bare.tag("v1.2", &bare.tags()["v1.2.2"]);
    let moved = follow(&remote, Version::new(1, 2, 1), None, &[Line::Major, Line::Minor]).await.unwrap();
    let motions: Vec<_> = moved.iter().map(|moved| moved.motion).collect();
    assert_eq!(motions, [Motion::Move(Version::new(1, 1, 0)), Motion::Stay(Version::new(1, 2, 2))]);
    let tags = bare.tags();
    assert_eq!((&tags["v1"], &tags["v1.2"]), (&tags["v1.2.1"], &tags["v1.2.2"]));
}
