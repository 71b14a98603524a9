//! GitHub's REST API for git references and tags, as far as the product uses it.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Answer, REPOSITORY, Seen, Shared, git};

/// Status and message of an error.
type Refusal = (u16, String);

fn refusal(status: u16, message: &str) -> Refusal {
    (status, message.to_owned())
}

/// The answer to a request for `path` below the API.
pub(super) async fn answer(path: &str, seen: &Seen, shared: &Shared) -> Answer {
    match seen.token() {
        None => return error(401, "Requires authentication"),
        Some(token) if token != shared.token => return error(401, "Bad credentials"),
        Some(_) => {}
    }
    let path = decoded(path);
    let Some(path) = path.strip_prefix(&format!("/repos/{REPOSITORY}")) else {
        return error(404, "Not Found");
    };
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let answer = match (seen.method.as_str(), path) {
        ("GET", "") => Ok(json(200, &json!({ "full_name": REPOSITORY, "default_branch": "main" }))),
        ("POST", "/git/refs") => create(shared, &body).await,
        ("GET", path) => match (path.strip_prefix("/git/ref/"), path.strip_prefix("/git/tags/")) {
            (Some(name), _) => reference(shared, &format!("refs/{name}"), 200).await,
            (_, Some(id)) => tag(shared, id).await,
            _ => Err(refusal(404, "Not Found")),
        },
        ("PATCH", path) => match path.strip_prefix("/git/refs/") {
            Some(name) => update(shared, &format!("refs/{name}"), &body).await,
            None => Err(refusal(404, "Not Found")),
        },
        _ => Err(refusal(404, "Not Found")),
    };
    answer.unwrap_or_else(|(status, message)| error(status, &message))
}

async fn create(shared: &Shared, body: &Value) -> Result<Answer, Refusal> {
    let (name, id) = (text(body, "ref")?, text(body, "sha")?);
    if !name.starts_with("refs/") || name.matches('/').count() < 2 {
        return Err(refusal(422, "Reference name must start with 'refs/' and contain at least two slashes."));
    }
    let _one_at_a_time = shared.writing.lock().await;
    git(shared, &["cat-file", "-e", id]).await.map_err(|_| refusal(422, "Object does not exist"))?;
    if git(shared, &["rev-parse", "--verify", "--quiet", name]).await.is_ok() {
        return Err(refusal(422, "Reference already exists"));
    }
    let nothing = "0".repeat(id.len());
    git(shared, &["update-ref", name, id, &nothing])
        .await
        .map_err(|_| refusal(422, "Reference update failed"))?;
    reference(shared, name, 201).await
}

async fn update(shared: &Shared, name: &str, body: &Value) -> Result<Answer, Refusal> {
    let id = text(body, "sha")?;
    let _one_at_a_time = shared.writing.lock().await;
    let old = git(shared, &["rev-parse", "--verify", "--quiet", name])
        .await
        .map_err(|_| refusal(422, "Reference does not exist"))?;
    git(shared, &["cat-file", "-e", id]).await.map_err(|_| refusal(422, "Object does not exist"))?;
    let forced = body.get("force") == Some(&Value::Bool(true));
    if !forced && git(shared, &["merge-base", "--is-ancestor", &old, id]).await.is_err() {
        return Err(refusal(422, "Update is not a fast forward"));
    }
    git(shared, &["update-ref", name, id, &old])
        .await
        .map_err(|_| refusal(422, "Reference update failed"))?;
    reference(shared, name, 200).await
}

async fn reference(shared: &Shared, name: &str, status: u16) -> Result<Answer, Refusal> {
    let missing = |_| refusal(404, "Not Found");
    let id = git(shared, &["rev-parse", "--verify", "--quiet", name]).await.map_err(missing)?;
    let kind = git(shared, &["cat-file", "-t", &id]).await.map_err(missing)?;
    let url = format!("/repos/{REPOSITORY}/git/{name}");
    Ok(json(status, &json!({ "ref": name, "node_id": "", "url": url, "object": object(&kind, &id) })))
}

async fn tag(shared: &Shared, id: &str) -> Result<Answer, Refusal> {
    let missing = |_| refusal(404, "Not Found");
    let content = git(shared, &["cat-file", "tag", id]).await.map_err(missing)?;
    let header =
        |name: &str| content.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    Ok(json(
        200,
        &json!({
            "node_id": "", "tag": header("tag "), "sha": id, "message": "",
            "object": object(header("type "), header("object ")),
            "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null },
        }),
    ))
}

fn object(kind: &str, id: &str) -> Value {
    json!({ "type": kind, "sha": id, "url": format!("/repos/{REPOSITORY}/git/{kind}s/{id}") })
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let missing = || refusal(422, &format!("Invalid request.\n\n\"{name}\" wasn't supplied."));
    body.get(name).and_then(Value::as_str).ok_or_else(missing)
}

fn json(status: u16, body: &Value) -> Answer {
    let builder =
        Response::builder().status(status).header("content-type", "application/json; charset=utf-8");
    builder.header("x-ratelimit-remaining", "4999").body(Full::new(Bytes::from(body.to_string()))).unwrap()
}

/// GitHub's error object.
pub(super) fn error_body(status: u16, message: &str) -> String {
    let documentation = "https://docs.github.com/rest/git/refs#create-a-reference";
    json!({ "message": message, "documentation_url": documentation, "status": status.to_string() })
        .to_string()
}

pub(super) fn error(status: u16, message: &str) -> Answer {
    let builder =
        Response::builder().status(status).header("content-type", "application/json; charset=utf-8");
    builder.header("x-ratelimit-remaining", "4999").body(Full::from(error_body(status, message))).unwrap()
}

/// A path without percent-encoding.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hexadecimal = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code =
            hexadecimal.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}
