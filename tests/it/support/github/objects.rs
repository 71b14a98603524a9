//! GitHub's REST API for commits, trees and blobs, on the real repository.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::rest::{Refusal, json, paged, refusal, text, url};
use super::{Answer, Seen, Shared, git, git_with};

pub(super) async fn answer(
    method: &str,
    path: &str,
    seen: &Seen,
    shared: &Shared,
    body: &Value,
) -> Result<Answer, Refusal> {
    match (method, path) {
        ("POST", "/git/blobs") => {
            let content = STANDARD.decode(text(body, "content")?).map_err(|_| refusal(422, "Not base64"))?;
            created(store(shared, &content).await)
        }
        ("POST", "/git/trees") => created(tree(shared, body).await),
        ("POST", "/git/commits") => {
            let id = commit(shared, body).await.map_err(|error| refusal(422, &error))?;
            facts(shared, &id, 201).await
        }
        ("GET", path) => match (path.strip_prefix("/git/commits/"), path.strip_prefix("/compare/")) {
            (Some(id), _) => facts(shared, id, 200).await,
            (_, Some(range)) => compare(shared, seen, range).await,
            _ => Err(refusal(404, "Not Found")),
        },
        _ => Err(refusal(404, "Not Found")),
    }
}

fn created(id: Result<String, String>) -> Result<Answer, Refusal> {
    id.map(|id| json(201, &json!({ "sha": id, "url": url(&id), "tree": [], "truncated": false })))
        .map_err(|error| refusal(422, &error))
}

async fn store(shared: &Shared, content: &[u8]) -> Result<String, String> {
    git_with(shared, &["hash-object", "-w", "--stdin"], &[], content).await
}

async fn tree(shared: &Shared, body: &Value) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let index = directory.path().join("index");
    let variables = [("GIT_INDEX_FILE", index.to_str().unwrap())];
    let base = body["base_tree"].as_str().ok_or("base_tree wasn't supplied")?;
    git_with(shared, &["read-tree", base], &variables, &[]).await?;
    for entry in body["tree"].as_array().ok_or("tree wasn't supplied")? {
        let id = match (entry["sha"].as_str(), entry["content"].as_str()) {
            (Some(id), None) => id.to_owned(),
            (None, Some(content)) => store(shared, content.as_bytes()).await?,
            _ => return Err("Must supply either tree.sha or tree.content".to_owned()),
        };
        let (mode, path) = (entry["mode"].as_str().unwrap(), entry["path"].as_str().unwrap());
        let info = format!("{mode},{id},{path}");
        git_with(shared, &["update-index", "--add", "--cacheinfo", &info], &variables, &[]).await?;
    }
    git_with(shared, &["write-tree"], &variables, &[]).await
}

async fn commit(shared: &Shared, body: &Value) -> Result<String, String> {
    let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
    let variables = names.map(|name| (name, "bot"));
    let mut arguments = vec!["commit-tree", body["tree"].as_str().unwrap(), "-F", "-"];
    for parent in body["parents"].as_array().unwrap() {
        arguments.extend(["-p", parent.as_str().unwrap()]);
    }
    git_with(shared, &arguments, &variables, body["message"].as_str().unwrap().as_bytes()).await
}

async fn facts(shared: &Shared, id: &str, status: u16) -> Result<Answer, Refusal> {
    let missing = |_| refusal(404, "Not Found");
    let printed = git(shared, &["show", "--no-patch", "--format=%T%n%P%n%B", id]).await.map_err(missing)?;
    let mut lines = printed.splitn(3, '\n');
    let (tree, parents) = (lines.next().unwrap(), lines.next().unwrap());
    let parents: Vec<_> = parents.split_whitespace().map(|id| json!({ "sha": id, "url": url(id) })).collect();
    let message = lines.next().unwrap_or_default();
    let who = json!({ "name": "bot", "email": "bot@example.com", "date": "2026-01-01T00:00:00Z" });
    let body = json!({
        "sha": id, "node_id": "", "url": url(id), "html_url": url(id), "author": who, "committer": who,
        "tree": { "sha": tree, "url": url(tree) }, "parents": parents, "message": message,
        "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null },
    });
    Ok(json(status, &body))
}

async fn compare(shared: &Shared, seen: &Seen, range: &str) -> Result<Answer, Refusal> {
    let missing = |_| refusal(404, "Not Found");
    let (base, head) = range.split_once("...").ok_or_else(|| refusal(404, "Not Found"))?;
    let common = git(shared, &["merge-base", base, head]).await.map_err(missing)?;
    let status = match (common == base, common == head) {
        (true, true) => "identical",
        (true, false) => "ahead",
        (false, true) => "behind",
        (false, false) => "diverged",
    };
    let range = format!("{base}..{head}");
    let printed = git(shared, &["log", "-z", "--reverse", "--format=%B", &range]).await.map_err(missing)?;
    let messages = printed.split('\0').map(str::trim_end).filter(|message| !message.is_empty());
    let commits: Vec<_> = messages.map(|message| json!({ "commit": { "message": message } })).collect();
    let body = |page: &[Value]| json!({ "status": status, "total_commits": commits.len(), "commits": page });
    Ok(paged(seen, &commits, body))
}
