//! Version tags that vanish or move while a run is under way.

use std::sync::Mutex;
use std::time::Duration;

use p2p::domain::version::{Commit, Kind, Prefix, VersionTag};
use p2p::gate::allocation::{self, Allocated, Listing, Subject, Unread};
use p2p::inputs::Bump;
use tokio::time::Instant;

use super::{IMPATIENT, client, shown};
use crate::support::gate::{Gate, MAKEFILE};
use crate::support::git::Bare;
use crate::support::github::Github;

/// Settles with these lists of tags, one a read; the next version is taken at first.
async fn allocate(
    github: &Github,
    commit: &str,
    lists: Vec<Vec<VersionTag>>,
) -> Result<String, allocation::AllocationError> {
    Ok(settle_after(Duration::ZERO, github, commit, lists).await?.version)
}

/// The same, where the first list was read a while ago.
async fn settle_after(
    while_ago: Duration,
    github: &Github,
    commit: &str,
    lists: Vec<Vec<VersionTag>>,
) -> Result<Allocated, allocation::AllocationError> {
    let (prefix, commit): (Prefix, Commit) = (Prefix::default(), commit.parse().unwrap());
    let kind = Kind::MainBranch;
    let subject = Subject { prefix: &prefix, commit: &commit, kind: &kind, bump: Bump::Patch };
    let lists = Mutex::new(lists.into_iter());
    let next = || lists.lock().unwrap().next().unwrap_or_default();
    let first = next();
    let read = async || Ok::<_, Unread>(next());
    let listing = Listing { tags: first, at: Instant::now().checked_sub(while_ago).unwrap() };
    allocation::allocate(subject, listing, read, &client(github), &IMPATIENT).await
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
    assert_eq!(allocate(&github, &second, lists).await.unwrap(), "0.0.4");
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
        texts.push(shown(allocate(&github, &bare.commit("third"), lists).await.unwrap_err()));
    }
    assert!(!bare.tags().contains_key("v0.0.4"));
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[tokio::test]
async fn what_was_pushed_since_the_tags_were_read_counts() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.tag("v1.2.3", &first);
    let github = Github::start(bare.path());
    let before = vec![tag("1.2.3", &first)];
    let settled = async |ago, now: &VersionTag| {
        let lists = vec![before.clone(), vec![tag("1.2.3", &first), now.clone()]];
        settle_after(ago, &github, &second, lists).await
    };
    let ago = Duration::from_secs(3);
    // Another run on the commit created it.
    let found = settled(ago, &tag("1.2.4", &second)).await.unwrap();
    assert_eq!((found.version.as_str(), found.created), ("1.2.4", false));
    assert_eq!(github.requests().len(), 0);
    // Somebody began a new major.
    let found = settled(ago, &tag("2.0.0", &first)).await.unwrap();
    assert_eq!((found.version.as_str(), found.created), ("2.0.1", true));
    // Tags that were read just now are not read again.
    let found = settled(Duration::ZERO, &tag("3.0.0", &first)).await.unwrap();
    assert_eq!((found.version.as_str(), found.created), ("1.2.4", true));
    // A tag that vanished is as bad as during a race.
    bare.git(&["tag", "--delete", "v1.2.3"]);
    let lists = vec![before.clone(), Vec::new()];
    let error = settle_after(ago, &github, &bare.commit("third"), lists).await.unwrap_err();
    assert!(error.to_string().contains("the version tag 'v1.2.3' is not in the remote"), "{error}");
}

/// Reading the Makefile takes longer than the tags stay fresh, which counts from the request for them.
#[test]
fn a_run_reads_the_tags_again_where_time_has_passed() {
    let marks = tempfile::tempdir().unwrap();
    let (asked, read) = (marks.path().join("asked"), marks.path().join("read"));
    let (asked_for, read_once) = (asked.display(), read.display());
    let slow = format!(
        "$(shell until test -e {asked_for}; do sleep 0.01; done; test -e {read_once} || sleep 2.1; touch {read_once})\n"
    );
    let gate = Gate::new(&format!("{MAKEFILE}{slow}")).tag("v1.2.3").commit("second");
    gate.github.fault(move |seen| {
        if seen.path.ends_with("/git-upload-pack") {
            std::fs::write(&asked, "").unwrap();
        }
        None
    });
    assert_eq!(gate.run(&["fast-feedback"]).passed().output("version"), "1.2.4");
    let requests = gate.github.requests();
    assert!(requests.iter().filter(|seen| seen.path.ends_with("/git-upload-pack")).count() > 1);
}
