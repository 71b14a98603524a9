//! Version tags that vanish or move while a run is under way.

use std::sync::Mutex;

use p2p::inputs::Bump;
use p2p::tagging::{self, Subject, Unread};
use p2p::version::{Commit, Kind, Prefix, VersionTag};

use super::{IMPATIENT, client, shown};
use crate::support::git::Bare;
use crate::support::github::Github;

/// Settles with these lists of tags, one a read; the next version is taken at first.
async fn settle(
    github: &Github,
    commit: &str,
    lists: Vec<Vec<VersionTag>>,
) -> Result<String, tagging::Error> {
    let (prefix, commit): (Prefix, Commit) = (Prefix::default(), commit.parse().unwrap());
    let kind = Kind::MainBranch;
    let subject = Subject { prefix: &prefix, commit: &commit, kind: &kind, bump: Bump::Patch };
    let lists = Mutex::new(lists.into_iter());
    let next = || lists.lock().unwrap().next().unwrap_or_default();
    let first = next();
    let read = async || Ok::<_, Unread>(next());
    let settled = tagging::settle(subject, first, read, &client(github), &IMPATIENT).await?;
    Ok(settled.version)
}

fn tag(version: &str, commit: &str) -> VersionTag {
    VersionTag { version: version.parse().unwrap(), commit: commit.parse().unwrap() }
}

#[tokio::test]
async fn a_list_that_is_behind_is_no_deletion() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    for name in ["v0.0.1", "v0.0.2", "v0.0.3"] {
        bare.tag(name, &first);
    }
    let github = Github::start(bare.path());
    // The second read knows less than the first, and v0.0.3 is known to nobody but the API.
    let lists = vec![vec![tag("0.0.1", &first), tag("0.0.2", &first)], vec![tag("0.0.1", &first)]];
    assert_eq!(settle(&github, &second, lists).await.unwrap(), "0.0.4");
}

#[tokio::test]
async fn a_tag_that_vanished_or_moved_is_reported_and_no_number_is_given_twice() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    let github = Github::start(bare.path());
    let mut texts = Vec::new();
    bare.tag("v0.0.3", &first);
    for now in [None, Some(&second)] {
        if let Some(commit) = now {
            bare.tag("v0.0.2", commit);
        }
        let after = now.map(|commit| tag("0.0.2", commit));
        let lists = vec![vec![tag("0.0.2", &first)], after.into_iter().collect()];
        texts.push(shown(settle(&github, &bare.commit("third"), lists).await.unwrap_err()));
    }
    assert!(!bare.tags().contains_key("v0.0.4"));
    insta::assert_snapshot!(texts.join("\n\n"));
}
