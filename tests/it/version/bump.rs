//! What a new version counts up.

use p2p::domain::version::{Commit, Kind, Prefix};
use p2p::gate::allocation::{self, Subject};
use p2p::inputs::Bump;

use super::{PATIENT, git, just_read, remote, shown};
use crate::support::gate::{Gate, MAKEFILE};
use crate::support::git::Bare;
use crate::support::github::{Fault, Github};

async fn allocate(github: &Github, commit: &str, bump: Bump) -> Result<String, allocation::AllocationError> {
    let (prefix, commit): (Prefix, Commit) = (Prefix::default(), commit.parse().unwrap());
    let kind = Kind::MainBranch;
    let subject = Subject { prefix: &prefix, commit: &commit, kind: &kind, bump };
    let remote = remote(github, &prefix, git());
    let tags = just_read(remote.tags().await?);
    let settled =
        allocation::allocate(subject, tags, async || remote.tags().await, &remote.github, &PATIENT).await?;
    Ok(settled.version)
}

#[tokio::test]
async fn messages_since_the_last_tag_decide_however_many_there_are() {
    let bare = Bare::new();
    let github = Github::start(bare.path());
    let first = bare.commit("feat: begin");
    assert_eq!(allocate(&github, &first, Bump::Conventional).await.unwrap(), "0.1.0", "the first version");
    // What the tag has already does not count; more commits than a page has.
    for number in 0..9 {
        bare.commit(&format!("fix: number {number}"));
    }
    let patch = bare.commit("docs: words");
    assert_eq!(allocate(&github, &patch, Bump::Conventional).await.unwrap(), "0.1.1");
    bare.commit("feat: a thing");
    for number in 0..9 {
        bare.commit(&format!("fix: number {number}"));
    }
    let minor = bare.commit("chore: tidy");
    assert_eq!(allocate(&github, &minor, Bump::Conventional).await.unwrap(), "0.2.0");
    let major = bare.commit("fix: it\n\nBREAKING CHANGE: it is another now");
    assert_eq!(allocate(&github, &major, Bump::Conventional).await.unwrap(), "1.0.0");
    // An old commit that has none yet brings nothing that the tag has not.
    let old = bare.git(&["rev-parse", &format!("{minor}~3")]);
    assert_eq!(allocate(&github, &old, Bump::Conventional).await.unwrap(), "1.0.1");
    assert_eq!(allocate(&github, &minor, Bump::Conventional).await.unwrap(), "0.2.0", "a re-run");
    let next = bare.commit("whatever");
    assert_eq!(allocate(&github, &next, Bump::Minor).await.unwrap(), "1.1.0");
    let next = bare.commit("whatever");
    assert_eq!(allocate(&github, &next, Bump::Major).await.unwrap(), "2.0.0");
}

/// Another run was first with a feature: what is counted up is seen anew from there.
#[tokio::test]
async fn a_loser_looks_again_what_is_new() {
    let bare = Bare::new();
    let github = Github::start(bare.path());
    let first = bare.commit("first");
    bare.tag("v1.0.0", &first);
    let feature = bare.commit("feat: a thing");
    let after = bare.commit("fix: a bug");
    // Both plan 1.1.0; the other run gets it between our read and our creation.
    let path = bare.path().to_owned();
    let mut other = Some(feature.clone());
    github.fault(move |seen| {
        if let Some(commit) = other.take_if(|_| seen.creates_ref()) {
            crate::support::git::git(&path, &["update-ref", "refs/tags/v1.1.0", &commit]);
        }
        None
    });
    assert_eq!(allocate(&github, &after, Bump::Conventional).await.unwrap(), "1.1.1");
    assert_eq!(bare.tags()["v1.1.0"], feature);
}

#[tokio::test]
async fn messages_that_cannot_be_read_are_an_error() {
    let bare = Bare::new();
    let github = Github::start(bare.path());
    bare.tag("v1.0.0", &bare.commit("first"));
    let second = bare.commit("feat: a thing");
    github.fault(|seen| seen.path.contains("/compare/").then(|| Fault::error(404, "Not Found")));
    let error = allocate(&github, &second, Bump::Conventional).await.unwrap_err();
    let text = shown(error);
    assert!(text.contains("could not compare commit"), "{text}");
    assert_eq!(bare.tags().len(), 1);
}

#[test]
fn the_input_bump_counts_and_the_plan_says_so() {
    let gate = Gate::new(MAKEFILE).tag("v1.2.3").commit("feat: a thing").input("bump", "conventional");
    let plan = gate.run(&["plan", "version"]);
    let message = &plan.passed().stdout;
    assert!(message.contains("1.3.0 (the next minor after v1.2.3)"), "{message}");
    let run = gate.run(&["version"]);
    assert_eq!((run.passed().output("version"), run.output("previous-version")), ("1.3.0", "1.2.3"));
    assert_eq!(gate.remote.tags()["v1.3.0"], gate.head());
}
