//! GitHub's REST API for comments on issues and pull requests, in memory.

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use super::rest::{Refusal, json, paged, refusal, text, url};
use super::{Answer, Seen, Shared};

/// A comment as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    pub(crate) body: String,
    /// `author_association`; `NONE` for anybody, and for apps.
    pub(crate) association: &'static str,
    /// `User` or `Bot`.
    pub(crate) kind: &'static str,
}

impl Comment {
    /// A comment of somebody.
    pub(crate) fn of(issue: u64, body: &str, association: &'static str) -> Self {
        Self { id: 0, issue, body: body.to_owned(), association, kind: "User" }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "node_id": "", "url": url("comment"), "html_url": url("comment"), "body": self.body,
            "user": {"login": "somebody", "id": 1, "type": self.kind}, "author_association": self.association,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        })
    }
}

/// The comments, the oldest first.
#[derive(Default)]
pub(super) struct Comments {
    pub(super) list: Vec<Comment>,
    last: u64,
}

impl Comments {
    pub(super) fn add(&mut self, comment: Comment) -> &Comment {
        self.last += 1;
        self.list.push(Comment { id: self.last, ..comment });
        self.list.last().unwrap()
    }
}

/// GitHub counts characters.
fn checked(body: &Value) -> Result<String, Refusal> {
    let text = text(body, "body")?;
    if text.chars().count() > 65_536 {
        return Err(refusal(422, "Validation Failed: body is too long (maximum is 65536 characters)"));
    }
    Ok(text.to_owned())
}

pub(super) fn answer(path: &str, seen: &Seen, shared: &Shared, body: &Value) -> Result<Answer, Refusal> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut comments = shared.comments.lock().unwrap();
    let missing = || refusal(404, "Not Found");
    match (seen.method.as_str(), parts.as_slice()) {
        ("GET", ["issues", issue, "comments"]) => {
            let of_issue = comments.list.iter().filter(|comment| comment.issue.to_string() == *issue);
            let all: Vec<_> = of_issue.map(Comment::json).collect();
            Ok(paged(seen, &all, |page| json!(page)))
        }
        ("POST", ["issues", issue, "comments"]) => {
            let issue = issue.parse().map_err(|_| missing())?;
            let comment = Comment { id: 0, issue, body: checked(body)?, association: "NONE", kind: "Bot" };
            Ok(json(201, &comments.add(comment).json()))
        }
        ("PATCH", ["issues", "comments", id]) => {
            let found = comments.list.iter_mut().find(|comment| comment.id.to_string() == *id);
            let comment = found.ok_or_else(missing)?;
            comment.body = checked(body)?;
            Ok(json(200, &comment.json()))
        }
        ("DELETE", ["issues", "comments", id]) => {
            comments.list.retain(|comment| comment.id.to_string() != *id);
            Ok(Response::builder().status(204).body(Full::default()).unwrap())
        }
        _ => Err(missing()),
    }
}
