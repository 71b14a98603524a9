//! GitHub's REST API for git references and tags, as far as the product uses it.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Answer, REPOSITORY, Seen, Shared, comments, git, git_with, objects, releases};

/// What GraphQL calls the repository.
const NODE: &str = "R_shop";

/// Status and message of an error.
pub(super) type Refusal = (u16, String);

pub(super) fn refusal(status: u16, message: &str) -> Refusal {
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
    if let Some(kind) = path.strip_prefix("/orgs/acme/artifacts/metadata/") {
        return linked(kind, seen);
    }
    let Some(path) = path.strip_prefix(&format!("/repos/{REPOSITORY}")) else {
        return error(404, "Not Found");
    };
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    if path.starts_with("/releases") {
        return releases::answer(path, seen, shared, &body)
            .await
            .unwrap_or_else(|(status, message)| error(status, &message));
    }
    if path.starts_with("/issues") {
        return comments::answer(path, seen, shared, &body)
            .unwrap_or_else(|(status, message)| error(status, &message));
    }
    let answer = match (seen.method.as_str(), path) {
        ("GET", "") => {
            Ok(json(200, &json!({ "node_id": NODE, "full_name": REPOSITORY, "default_branch": "main" })))
        }
        ("POST", "/git/refs") => create(shared, &body).await,
        ("POST", "/attestations") if body["bundle"]["dsseEnvelope"].is_object() => {
            Ok(json(201, &json!({ "id": 1 })))
        }
        ("GET", path) if path.starts_with("/git/matching-refs/") => {
            matching(shared, seen, &path["/git/matching-refs/".len()..]).await
        }
        (method, path)
            if ["/git/commits", "/git/trees", "/git/blobs", "/compare/"]
                .iter()
                .any(|front| path.starts_with(front)) =>
        {
            objects::answer(method, path, seen, shared, &body).await
        }
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

/// Records of linked artifacts. Strict: what the real one does not know, it refuses.
fn linked(kind: &str, seen: &Seen) -> Answer {
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let (required, optional): (&[&str], &[&str]) = match kind {
        "storage-record" => (
            &["name", "digest", "registry_url"],
            &["version", "repository", "status", "github_repository", "artifact_url", "path"],
        ),
        "deployment-record" => (
            &["name", "digest", "status", "logical_environment", "deployment_name"],
            &["version", "physical_environment", "cluster", "github_repository"],
        ),
        _ => return error(404, "Not Found"),
    };
    let known = |key: &String| required.contains(&key.as_str()) || optional.contains(&key.as_str());
    let Some(fields) = body.as_object().filter(|_| seen.method == "POST") else {
        return error(400, "Problems parsing JSON");
    };
    if !required.iter().all(|key| body[*key].is_string()) || !fields.keys().all(known) {
        return error(422, "Validation Failed");
    }
    json(200, &json!({ "total_count": 1 }))
}

/// The refs that begin with a text.
async fn matching(shared: &Shared, seen: &Seen, prefix: &str) -> Result<Answer, Refusal> {
    let format = "--format=%(refname) %(objecttype) %(objectname)";
    let printed = git(shared, &["for-each-ref", format]).await.map_err(|error| refusal(500, &error))?;
    let prefix = format!("refs/{prefix}");
    let refs = printed.lines().filter(|line| line.starts_with(&prefix)).map(|line| {
        let mut words = line.rsplitn(3, ' ');
        let (id, kind, name) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        json!({ "ref": name, "node_id": "", "url": url(name), "object": object(kind, id) })
    });
    Ok(paged(seen, &refs.collect::<Vec<_>>(), |page| json!(page)))
}

/// The GraphQL mutation `updateRefs`: all or none, each only from where it was expected.
pub(super) async fn graphql(seen: &Seen, shared: &Shared) -> Answer {
    if seen.token().as_deref() != Some(shared.token) {
        return error(401, "Bad credentials");
    }
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let input = &body["variables"]["input"];
    assert!(body["query"].as_str().unwrap().contains("updateRefs"), "{body}");
    assert_eq!(input["repositoryId"], NODE);
    let mut commands = String::from("start\n");
    for update in input["refUpdates"].as_array().unwrap() {
        let word = |name: &str| update[name].as_str().unwrap().to_owned();
        assert_eq!(update["force"], true);
        let line = ["update", &word("name"), &word("afterOid"), &word("beforeOid")].join(" ");
        commands.push_str(&line);
        commands.push('\n');
    }
    commands.push_str("prepare\ncommit\n");
    let _one_at_a_time = shared.writing.lock().await;
    match git_with(shared, &["update-ref", "--stdin"], &[], commands.as_bytes()).await {
        Ok(_) => json(200, &json!({ "data": { "updateRefs": { "clientMutationId": null } } })),
        Err(_) => json(
            200,
            &json!({ "data": { "updateRefs": null }, "errors": [
                { "message": "Something went wrong while executing your query.", "path": ["updateRefs"] }
            ] }),
        ),
    }
}

/// The most things on a page: fewer than GitHub's hundred, so that every list has pages.
const PAGE: usize = 4;

/// A page of a list, with the link to the next.
pub(super) fn paged(seen: &Seen, all: &[Value], body: impl Fn(&[Value]) -> Value) -> Answer {
    let query = reqwest::Url::parse(&format!("http://x/?{}", seen.query)).unwrap();
    let number = |name: &str| query.query_pairs().find(|(key, _)| key == name)?.1.parse::<usize>().ok();
    let (size, page) = (number("per_page").unwrap_or(30).min(PAGE), number("page").unwrap_or(1));
    let from = ((page - 1) * size).min(all.len());
    let to = (from + size).min(all.len());
    let mut answer = json(200, &body(&all[from..to]));
    if to < all.len() {
        let link = format!("<http://x{}?page={}>; rel=\"next\"", seen.path, page + 1);
        answer.headers_mut().insert("link", link.parse().unwrap());
    }
    answer
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
    let body = json!({ "ref": name, "node_id": "", "url": url(name), "object": object(&kind, &id) });
    Ok(json(status, &body))
}

async fn tag(shared: &Shared, id: &str) -> Result<Answer, Refusal> {
    let missing = |_| refusal(404, "Not Found");
    let content = git(shared, &["cat-file", "tag", id]).await.map_err(missing)?;
    let header =
        |name: &str| content.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    Ok(json(
        200,
        &json!({
            "node_id": "", "tag": header("tag "), "sha": id, "message": "", "url": url("tag"),
            "object": object(header("type "), header("object ")),
            "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null },
        }),
    ))
}

fn object(kind: &str, id: &str) -> Value {
    json!({ "type": kind, "sha": id, "url": url(&format!("{kind}s/{id}")) })
}

/// Where an object is; GitHub's answers are full of such URLs.
pub(super) fn url(name: &str) -> String {
    format!("https://api.github.example/repos/{REPOSITORY}/git/{name}")
}

pub(super) fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let missing = || refusal(422, &format!("Invalid request.\n\n\"{name}\" wasn't supplied."));
    body.get(name).and_then(Value::as_str).ok_or_else(missing)
}

pub(super) fn json(status: u16, body: &Value) -> Answer {
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
