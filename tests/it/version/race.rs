//! Many runs at once, and servers that lag, fail and forget to say so.

use std::collections::{BTreeMap, BTreeSet};

use ::sys::retry::Policy;
use futures_util::future::join_all;
use p2p::domain::version::{BumpLevel, Commit, Kind, Prefix, Version};
use p2p::gate::allocation::{self, Allocated, AllocationError, Subject};
use p2p::inputs::Bump;

use super::{IMPATIENT, allocate, client, just_read, shown};
use crate::support::git::Bare;
use crate::support::github::{Fault, Github, Seen};

const RUNS: usize = 16;

/// Every run succeeds; versions are consecutive and each belongs to the commit of its run.
fn consecutive(bare: &Bare, commits: &[String], settled: &[Allocated]) {
    let tags = bare.tags();
    let versions: BTreeSet<Version> = settled.iter().map(|one| one.version.parse().unwrap()).collect();
    let wanted: BTreeSet<Version> =
        (1..=commits.len() as u64).map(|patch| Version::new(0, 0, patch)).collect();
    assert_eq!(versions, wanted);
    assert_eq!(tags.len(), commits.len());
    for (one, commit) in settled.iter().zip(commits) {
        let version: Version = one.version.parse().unwrap();
        assert_eq!(&tags[one.tag.as_ref().unwrap()], commit);
        assert_eq!(one.previous.unwrap().next(BumpLevel::Patch), Some(version));
        assert!(one.created);
    }
}

async fn all(github: &Github, commits: &[String]) -> Vec<Allocated> {
    let runs = commits.iter().map(|commit| allocate(github, "v", commit, &Kind::MainBranch));
    join_all(runs).await.into_iter().map(|settled| settled.unwrap()).collect()
}

#[tokio::test]
async fn many_commits_get_consecutive_versions() {
    let bare = Bare::new();
    let commits: Vec<String> = (0..RUNS).map(|number| bare.commit(&number.to_string())).collect();
    let github = Github::start(bare.path());
    consecutive(&bare, &commits, &all(&github, &commits).await);
    let posts = github.requests().iter().filter(|seen| seen.creates_ref()).count();
    // In lockstep, each loser at every turn, it would be more.
    assert!(posts < RUNS * RUNS / 2, "{posts} requests for {RUNS} tags");
}

#[tokio::test]
async fn many_runs_on_one_commit_get_one_version() {
    let bare = Bare::new();
    let commit = bare.commit("first");
    let github = Github::start(bare.path());
    let settled = all(&github, &vec![commit.clone(); RUNS]).await;
    assert!(settled.iter().all(|one| one.version == "0.0.1" && one.previous == Some(Version::ZERO)));
    assert_eq!(settled.iter().filter(|one| one.created).count(), 1);
    assert_eq!(bare.tags(), [("v0.0.1".to_owned(), commit)].into());
}

/// Every third creation fails: before it took effect, after it, by hanging up, by a rate limit.
#[tokio::test]
async fn faults_cost_nobody_a_version() {
    let bare = Bare::new();
    let commits: Vec<String> = (0..RUNS).map(|number| bare.commit(&number.to_string())).collect();
    let github = Github::start(bare.path());
    let (mut count, mut failed) = (0, BTreeMap::<_, u32>::new());
    github.fault(move |seen| {
        // Nobody meets more than three in a row: a request is tried six times.
        if !seen.creates_ref() || failed.get(&seen.body).is_some_and(|failed| *failed >= 3) {
            return None;
        }
        count += 1;
        if count % 3 == 0 {
            *failed.entry(seen.body.clone()).or_default() += 1;
        }
        match count % 12 {
            0 => Some(Fault::error(500, "Server Error")),
            3 => Some(Fault::error(502, "Bad Gateway").after_effect()),
            6 => Some(Fault::hang_up().after_effect()),
            9 => Some(
                Fault::error(403, "You have exceeded a secondary rate limit.").header("retry-after", "0"),
            ),
            _ => None,
        }
    });
    consecutive(&bare, &commits, &all(&github, &commits).await);
}

/// Settles with a reader that lags for ever behind what the API says.
async fn behind(github: &Github, commit: &str, patience: &Policy) -> Result<Allocated, AllocationError> {
    let (prefix, commit): (Prefix, Commit) = (Prefix::default(), commit.parse().unwrap());
    let (kind, bump) = (Kind::MainBranch, Bump::Patch);
    let subject = Subject { prefix: &prefix, commit: &commit, kind: &kind, bump };
    let nothing = just_read(Vec::new());
    allocation::allocate(subject, nothing, async || Ok(Vec::new()), &client(github), patience).await
}

#[tokio::test]
async fn a_listing_that_lags_behind_is_completed_by_the_api() {
    let bare = Bare::new();
    let (first, second) = (bare.commit("first"), bare.commit("second"));
    bare.tag("v0.0.1", &first);
    bare.annotate("v0.0.2", &first);
    let github = Github::start(bare.path());
    let settled = behind(&github, &second, &IMPATIENT).await.unwrap();
    assert_eq!((settled.version.as_str(), settled.created), ("0.0.3", true));
    // And the commit's own tag is found although it is not listed.
    let again = behind(&github, &second, &IMPATIENT).await.unwrap();
    assert_eq!(again, Allocated { created: false, ..settled });
}

#[tokio::test]
async fn a_creation_whose_every_answer_was_lost_is_a_success() {
    let bare = Bare::new();
    let commit = bare.commit("first");
    let github = Github::start(bare.path());
    github.fault(|seen| seen.creates_ref().then(|| Fault::error(500, "Server Error").after_effect()));
    let settled = allocate(&github, "v", &commit, &Kind::MainBranch).await.unwrap();
    assert_eq!((settled.version.as_str(), settled.created), ("0.0.1", true));
    assert_eq!(bare.tags()["v0.0.1"], commit);
}

#[tokio::test]
async fn a_creation_that_never_took_effect_is_an_error() {
    let bare = Bare::new();
    let commit = bare.commit("first");
    let github = Github::start(bare.path());
    github.fault(|seen| seen.creates_ref().then(|| Fault::error(500, "Server Error")));
    let error = allocate(&github, "v", &commit, &Kind::MainBranch).await.unwrap_err();
    assert!(
        matches!(error, AllocationError::Create(p2p::edges::github::GitHubError::Unavailable { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_tag_that_is_refused_and_does_not_exist_is_an_error_in_the_end() {
    let bare = Bare::new();
    let commit = bare.commit("first");
    let github = Github::start(bare.path());
    github.fault(|seen| seen.creates_ref().then(|| Fault::error(422, "Reference update failed")));
    insta::assert_snapshot!(shown(behind(&github, &commit, &IMPATIENT).await.unwrap_err()));
    assert_eq!(github.requests().iter().filter(|seen| Seen::creates_ref(seen)).count(), 6);
}

/// No tag of the prefix `v0.0.1/` can exist beside `v0.0.1`, nor the other way round.
#[tokio::test]
async fn a_tag_that_another_leaves_no_room_for_is_an_error_that_names_it() {
    for (prefix, other) in [("v", "v0.0.1/x/y"), ("team/api/", "team/api"), ("team/api/v", "team")] {
        let bare = Bare::new();
        let commit = bare.commit("first");
        bare.tag(other, &commit);
        let github = Github::start(bare.path());
        let error = allocate(&github, prefix, &commit, &Kind::MainBranch).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the tag {prefix}0.0.1 cannot be created: the tag {other} is in its way")
        );
        assert!(shown(error).contains(&format!("git push --delete origin '{other}'")));
        assert_eq!(github.requests().iter().filter(|seen| Seen::creates_ref(seen)).count(), 5);
    }
}
