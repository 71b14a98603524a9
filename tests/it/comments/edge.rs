//! The edge to GitHub's comments.

use std::cell::Cell;

use p2p::edges::github::{GitHub, comment_marker};
use workflow_commands::Secret;

use crate::support::git::Bare;
use crate::support::github::{Comment, Fault, Github, REPOSITORY, Seen};

fn client(github: &Github) -> GitHub {
    GitHub::new(&github.api_url, REPOSITORY, Some(Secret::new(github.token))).unwrap()
}

fn lines(github: &Github) -> Vec<String> {
    github.requests().iter().map(Seen::line).collect()
}

fn bodies(github: &Github) -> Vec<String> {
    github.comments().into_iter().map(|comment| comment.body).collect()
}

#[tokio::test]
async fn one_comment_is_created_and_then_changed_in_place() {
    let remote = Bare::new();
    let github = Github::start(remote.path());
    let (client, marker) = (client(&github), comment_marker("shop"));
    // Other comments fill more than a page.
    for number in 0..6 {
        github.comment(Comment::of(7, &format!("comment {number}"), "NONE"));
    }
    github.comment(Comment::of(8, &format!("{marker}\nof another pull request"), "MEMBER"));
    for text in ["one", "two", "two"] {
        client.keep_comment(7, &marker, |_| Some(text.to_owned())).await.unwrap();
    }
    assert_eq!(bodies(&github)[7..], [format!("{marker}\ntwo")]);
    let written: Vec<_> = lines(&github).into_iter().filter(|line| !line.starts_with("GET")).collect();
    assert_eq!(written, ["POST /issues/7/comments", "PATCH /issues/comments/8"]);
    client
        .keep_comment(7, &marker, |before| {
            assert_eq!(before, Some("two"));
            None
        })
        .await
        .unwrap();
    assert_eq!(bodies(&github).len(), 8);
}

#[tokio::test]
async fn a_stranger_with_our_marker_does_not_own_the_comment() {
    let remote = Bare::new();
    let github = Github::start(remote.path());
    let marker = comment_marker("shop");
    for association in ["NONE", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR"] {
        github.comment(Comment::of(7, &format!("{marker}\nall is well"), association));
    }
    github.comment(Comment::of(7, &format!("{marker} quoted\n"), "OWNER"));
    client(&github).keep_comment(7, &marker, |_| Some("failed".to_owned())).await.unwrap();
    assert_eq!(bodies(&github)[4..], [format!("{marker}\nfailed")]);
    github.comment(Comment::of(9, &format!("{marker}\r\nby a person"), "MEMBER"));
    client(&github).keep_comment(9, &marker, |_| Some("failed".to_owned())).await.unwrap();
    assert_eq!(bodies(&github)[5..], [format!("{marker}\nfailed")]);
}

#[tokio::test]
async fn of_two_jobs_that_create_it_at_once_one_gives_way() {
    let remote = Bare::new();
    let github = Github::start(remote.path());
    let (client, marker) = (client(&github), comment_marker("shop"));
    let first = Cell::new(true);
    client
        .keep_comment(7, &marker, |before| {
            if first.replace(false) {
                // The other job writes after our look and before our write.
                github
                    .comment(Comment { kind: "Bot", ..Comment::of(7, &format!("{marker}\nother"), "NONE") });
            }
            Some(
                before
                    .map_or_else(|| "own".to_owned(), |before| format!("{} own", before.replace(" own", ""))),
            )
        })
        .await
        .unwrap();
    assert_eq!(bodies(&github), [format!("{marker}\nother own")]);
}

#[tokio::test]
async fn a_text_that_another_job_overwrote_is_written_again() {
    let remote = Bare::new();
    let github = Github::start(remote.path());
    let (client, marker) = (client(&github), comment_marker("shop"));
    client.keep_comment(7, &marker, |_| Some("other".to_owned())).await.unwrap();
    let looks = Cell::new(0);
    client
        .keep_comment(7, &marker, |before| {
            looks.set(looks.get() + 1);
            let before = before.unwrap();
            Some(if before.contains("own") { before.to_owned() } else { format!("{before} own") })
        })
        .await
        .unwrap();
    assert_eq!(bodies(&github), [format!("{marker}\nother own")]);
    assert_eq!(looks.get(), 2, "what was written is read again");
}

#[tokio::test]
async fn missing_rights_become_one_sentence_that_names_the_permission() {
    let remote = Bare::new();
    let github = Github::start(remote.path());
    for (status, message, expected) in [
        (403, "Resource not accessible by integration", "pull-requests: write"),
        (403, "Resource not accessible by personal access token", "pull-requests: write"),
        (404, "Not Found", "pull-requests: write"),
        (422, "Validation Failed", "no comment on pull request 7: could not comment on pull request 7"),
        (410, "Issues are disabled for this repo", "Issues are disabled"),
    ] {
        github.fault(move |seen| (seen.method == "POST").then(|| Fault::error(status, message)));
        let kept =
            client(&github).keep_comment(7, &comment_marker("shop"), |_| Some("text".to_owned())).await;
        let notice = kept.unwrap_err();
        assert!(notice.contains(expected) && !notice.contains('\n'), "{notice}");
    }
    assert!(github.comments().is_empty());
}

#[test]
fn a_marker_stays_a_marker_whatever_the_name_is() {
    assert_eq!(comment_marker("shop scan"), "<!-- p2p: shop scan -->");
    let marker = comment_marker("a-->\n<b>--ü");
    assert_eq!(marker, "<!-- p2p: a%2d%2d%3e%0a%3cb%3e%2d%2d%c3%bc -->");
}
