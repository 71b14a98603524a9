//! The rules of versions, each against the remote repository.

use p2p::domain::version::{Kind, Version};

use super::allocate;
use crate::support::git::Bare;
use crate::support::github::Github;

/// Version, previous version, tag and whether it was created, on one line.
async fn outcome(github: &Github, prefix: &str, commit: &str, kind: &Kind) -> String {
    let settled = allocate(github, prefix, commit, kind).await.unwrap();
    let previous = settled.previous.map_or("none".into(), |version| version.to_string());
    let tag = settled.tag.unwrap_or_else(|| "no tag".into());
    format!(
        "{} after {previous}, {tag}, {}",
        settled.version,
        if settled.created { "created" } else { "kept" }
    )
}

#[tokio::test]
async fn the_main_branch_counts_up_and_a_rerun_gives_the_same() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.tag("v1.2.3", &first);
    bare.annotate("v1.10.0", &first);
    let github = Github::start(bare.path());
    let main = Kind::MainBranch;

    assert_eq!(outcome(&github, "v", &second, &main).await, "1.10.1 after 1.10.0, v1.10.1, created");
    assert_eq!(bare.tags()["v1.10.1"], second);
    let third = bare.commit("third");
    assert_eq!(outcome(&github, "v", &third, &main).await, "1.10.2 after 1.10.1, v1.10.2, created");

    let tags = bare.tags();
    assert_eq!(outcome(&github, "v", &second, &main).await, "1.10.1 after 1.10.0, v1.10.1, kept");
    assert_eq!(outcome(&github, "v", &first, &main).await, "1.10.0 after 1.2.3, v1.10.0, kept");
    assert_eq!(bare.tags(), tags);
}

#[tokio::test]
async fn a_repository_without_version_tags_begins_after_zero() {
    let bare = Bare::new();
    let commit = bare.commit("first");
    bare.tag("latest", &commit);
    bare.tag("v1", &commit);
    bare.tag("v3.0.0-rc.1", &commit);
    let github = Github::start(bare.path());
    assert_eq!(outcome(&github, "v", &commit, &Kind::MainBranch).await, "0.0.1 after 0.0.0, v0.0.1, created");
}

#[tokio::test]
async fn a_tag_pushed_by_hand_starts_a_new_major() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.tag("v1.2.3", &first);
    bare.tag("v2.0.0", &first);
    let github = Github::start(bare.path());
    assert_eq!(outcome(&github, "v", &second, &Kind::MainBranch).await, "2.0.1 after 2.0.0, v2.0.1, created");
}

#[tokio::test]
async fn the_apps_of_a_monorepo_do_not_see_each_other() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    for tag in ["v9.0.0", "api-v1.0.0", "web-api-v7.0.0", "team/api/3.0.0", "team/api/v4.0.0", "5.0.0"] {
        bare.tag(tag, &first);
    }
    let github = Github::start(bare.path());
    for (prefix, wanted) in [
        ("v", "9.0.1 after 9.0.0, v9.0.1, created"),
        ("api-v", "1.0.1 after 1.0.0, api-v1.0.1, created"),
        ("team/api/", "3.0.1 after 3.0.0, team/api/3.0.1, created"),
        ("", "5.0.1 after 5.0.0, 5.0.1, created"),
        ("ünï#%-v", "0.0.1 after 0.0.0, ünï#%-v0.0.1, created"),
    ] {
        assert_eq!(outcome(&github, prefix, &second, &Kind::MainBranch).await, wanted);
    }
}

#[tokio::test]
async fn a_pushed_tag_is_the_version_and_nothing_is_created() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    for (tag, commit) in [("v1.2.3", &first), ("v2.0.0", &second), ("v3.0.0", &second)] {
        bare.tag(tag, commit);
    }
    let github = Github::start(bare.path());
    let kind = Kind::VersionTag(Version::new(2, 0, 0));
    assert_eq!(outcome(&github, "v", &second, &kind).await, "2.0.0 after 1.2.3, v2.0.0, kept");
    assert!(!github.requests().iter().any(|request| request.path.starts_with("/api")));
}

#[tokio::test]
async fn elsewhere_the_commit_is_part_of_the_version_and_nothing_is_created() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.tag("v1.2.3", &first);
    let github = Github::start(bare.path());
    let wanted = format!("1.2.3-{second} after 1.2.3, no tag, kept");
    assert_eq!(outcome(&github, "v", &second, &Kind::Elsewhere).await, wanted);
    assert!(!github.requests().iter().any(|request| request.path.starts_with("/api")));
}

#[tokio::test]
async fn a_given_version_asks_nobody() {
    let bare = Bare::new();
    let commit = bare.commit("first");
    let github = Github::start(bare.path());
    let kind = Kind::Given("1.2.3".into());
    assert_eq!(outcome(&github, "v", &commit, &kind).await, "1.2.3 after none, no tag, kept");
    assert!(github.requests().is_empty());
}

#[tokio::test]
async fn a_shallow_checkout_without_tags_is_enough() {
    let bare = Bare::new();
    let first = bare.commit("first");
    bare.tag("v1.2.3", &first);
    bare.commit("second");
    let checkout = bare.shallow();
    assert_eq!(checkout.git(&["tag"]), "");
    let head = super::git().head(&checkout.path()).await.unwrap();
    let github = Github::start(bare.path());
    let wanted = "1.2.4 after 1.2.3, v1.2.4, created";
    assert_eq!(outcome(&github, "v", head.as_str(), &Kind::MainBranch).await, wanted);
}

#[tokio::test]
async fn fifty_thousand_tags_are_no_trouble() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.many_tags(50_000, &first);
    let github = Github::start(bare.path());
    let wanted = "0.0.50001 after 0.0.50000, v0.0.50001, created";
    assert_eq!(outcome(&github, "v", &second, &Kind::MainBranch).await, wanted);
}
