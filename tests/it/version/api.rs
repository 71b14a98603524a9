//! Creating and reading tags through the REST API, over real HTTP.

use std::net::TcpListener;
use std::time::Duration;

use ::sys::retry::Watcher;
use ::workflow_commands::Secret;
use p2p::domain::version::Commit;
use p2p::edges::github::{Creation, GitHub};

use super::{IMPATIENT, client, shown, watcher};
use crate::support::git::Bare;
use crate::support::github::{Fault, Github, REPOSITORY, Seen};

fn served() -> (Bare, Commit, Github) {
    let bare = Bare::new();
    let commit = bare.commit("first").parse().unwrap();
    let github = Github::start(bare.path());
    (bare, commit, github)
}

#[tokio::test]
async fn a_tag_is_created_once() {
    let (bare, commit, github) = served();
    let other = bare.commit("second").parse().unwrap();
    let client = client(&github);
    assert_eq!(client.create_tag("v1.2.3", &commit).await.unwrap(), Creation::Created);
    let again = client.create_tag("v1.2.3", &other).await.unwrap();
    let answer = "Reference already exists".to_owned();
    assert_eq!(again, Creation::Taken { after_failure: false, answer });
    assert_eq!(bare.tags()["v1.2.3"], commit.as_str());

    let request = github.requests().into_iter().find(Seen::creates_ref).unwrap();
    let header = |name: &str| request.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("authorization"), format!("Bearer {}", github.token));
    assert_eq!(header("accept"), "application/vnd.github+json");
    assert_eq!(header("x-github-api-version"), "2022-11-28");
    assert!(header("user-agent").starts_with("p2p/"));
    assert_eq!(request.headers.get_all("user-agent").iter().count(), 1);
    let body = format!(r#"{{"ref":"refs/tags/v1.2.3","sha":"{commit}"}}"#);
    assert_eq!(request.body, body);
}

#[tokio::test]
async fn a_tag_is_followed_to_its_commit() {
    let (bare, commit, github) = served();
    bare.tag("team/api/v1.0.0", commit.as_str());
    bare.annotate("v1.0.0", commit.as_str());
    bare.annotate("ü#%41", "v1.0.0");
    let client = client(&github);
    for tag in ["team/api/v1.0.0", "v1.0.0", "ü#%41"] {
        assert_eq!(client.tag_commit(tag).await.unwrap(), Some(commit.clone()), "{tag}");
    }
    for tag in ["v1.0", "v9.9.9", "team/api"] {
        assert_eq!(client.tag_commit(tag).await.unwrap(), None, "{tag}");
    }
}

/// "No such tag" and "no such repository" are both 404, and only one of them is an answer.
#[tokio::test]
async fn a_hidden_repository_is_not_a_missing_tag() {
    let (_bare, _, github) = served();
    github.fault(|_| Some(Fault::error(404, "Not Found")));
    let error = client(&github).tag_commit("v1.0.0").await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn a_short_rate_limit_is_waited_for() {
    let (_bare, commit, github) = served();
    let mut left = 3;
    github.fault(move |_| {
        left -= 1;
        let secondary =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        match left {
            2 => Some(Fault::error(403, secondary).header("retry-after", "0")),
            1 => Some(Fault::error(429, "Too Many Requests").header("retry-after", "1")),
            _ => None,
        }
    });
    let (watcher, message) = watcher();
    let client = client(&github).retrying(IMPATIENT, watcher);
    assert_eq!(client.create_tag("v1.2.3", &commit).await.unwrap(), Creation::Created);
    let message = message.lock().unwrap();
    assert_eq!(message.len(), 2);
    assert!(message[0].why.starts_with("403: You have exceeded a secondary"), "{:?}", message[0]);
    assert!(
        message[1].wait >= Duration::from_secs(1) && message[1].wait < Duration::from_secs(2),
        "{:?}",
        message[1]
    );
}

#[tokio::test]
async fn a_failure_that_hid_its_effect_is_said() {
    for fault in [Fault::error(502, "Bad Gateway"), Fault::hang_up()] {
        let (bare, commit, github) = served();
        let mut fault = Some(fault.after_effect());
        github.fault(move |_| fault.take());
        let creation = client(&github).create_tag("v1.2.3", &commit).await.unwrap();
        assert!(matches!(creation, Creation::Taken { after_failure: true, .. }), "{creation:?}");
        assert_eq!(bare.tags()["v1.2.3"], commit.as_str());
    }
}

#[tokio::test]
async fn each_failure_has_its_own_message_and_help() {
    let (bare, commit, github) = served();
    let with = |token: Option<&str>| {
        let client = GitHub::new(&github.api_url, REPOSITORY, token.map(Secret::new)).unwrap();
        client.retrying(IMPATIENT, Watcher::default())
    };
    let create = async |client: &GitHub| shown(client.create_tag("v1.2.4", &commit).await.unwrap_err());
    let mut texts = vec![
        create(&with(None)).await,
        create(&with(Some("ghs_line\nbreak"))).await,
        create(&with(Some("ghs_wrong"))).await,
    ];
    assert_eq!(github.requests().len(), 1, "the first two send nothing");
    let missing: Commit = "1".repeat(40).parse().unwrap();
    texts.push(shown(client(&github).create_tag("v1.2.4", &missing).await.unwrap_err()));
    for fault in [
        Fault::error(403, "Resource not accessible by integration"),
        Fault::error(
            422,
            "Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n",
        ),
        Fault::error(404, "Not Found"),
        Fault::error(403, "API rate limit exceeded for installation.").header("retry-after", "3000"),
        Fault::answer(200, "<html>Please log in</html>"),
        Fault::error(500, "Server Error"),
        Fault::hang_up(),
    ] {
        github.fault(move |_| Some(fault.clone()));
        texts.push(create(&client(&github)).await);
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = GitHub::new(&format!("http://{closed}"), REPOSITORY, Some(Secret::new("x"))).unwrap();
    texts.push(create(&nobody.retrying(IMPATIENT, Watcher::default())).await);
    assert!(bare.tags().is_empty());
    insta::assert_snapshot!(texts.join("\n\n"));
}
