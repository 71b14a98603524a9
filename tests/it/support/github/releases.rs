//! GitHub's REST API for releases and their files, in memory.

use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::rest::{Refusal, json, paged, refusal, text, url};
use super::{Answer, REPOSITORY, Seen, Shared, git};

/// A release as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) id: u64,
    pub(crate) tag: String,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) draft: bool,
    pub(crate) latest: bool,
    pub(crate) assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asset {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    /// `uploaded` or `starter`.
    pub(crate) state: &'static str,
}

#[derive(Default)]
pub(super) struct Releases {
    pub(super) list: Vec<Release>,
    last: u64,
}

impl Releases {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn find(&mut self, id: &str) -> Result<&mut Release, Refusal> {
        let found = self.list.iter_mut().find(|release| release.id.to_string() == id);
        found.ok_or_else(|| refusal(404, "Not Found"))
    }
}

impl Release {
    fn json(&self, server: &str) -> Value {
        let page = if self.draft { format!("untagged-{}", self.id) } else { self.tag.clone() };
        json!({
            "url": url("release"), "assets_url": url("assets"), "node_id": "", "target_commitish": "main",
            "prerelease": false, "id": self.id, "tag_name": self.tag, "name": self.name, "body": self.body, "draft": self.draft,
            "html_url": format!("{server}/{REPOSITORY}/releases/tag/{page}"),
            "upload_url": format!("{server}/api/uploads/repos/{REPOSITORY}/releases/{}/assets{{?name,label}}", self.id),
            "assets": self.assets.iter().map(Asset::json).collect::<Vec<_>>(),
        })
    }
}

impl Asset {
    fn json(&self) -> Value {
        let digest = Sha256::digest(&self.content)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        json!({
            "url": url("asset"), "browser_download_url": url("asset"), "node_id": "", "label": null,
            "content_type": "application/octet-stream", "download_count": 0,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "id": self.id, "name": self.name, "size": self.content.len(), "state": self.state,
            "digest": if self.state == "uploaded" { json!(format!("sha256:{digest}")) } else { Value::Null },
        })
    }
}

pub(super) async fn answer(
    path: &str,
    seen: &Seen,
    shared: &Shared,
    body: &Value,
) -> Result<Answer, Refusal> {
    let server = &shared.server_url;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let tag_exists = match body["tag_name"].as_str() {
        Some(tag) => {
            git(shared, &["rev-parse", "--verify", "--quiet", &format!("refs/tags/{tag}")]).await.is_ok()
        }
        None => false,
    };
    let mut releases = shared.releases.lock().unwrap();
    match (seen.method.as_str(), parts.as_slice()) {
        ("GET", ["releases"]) => {
            let all: Vec<_> = releases.list.iter().rev().map(|release| release.json(server)).collect();
            Ok(paged(seen, &all, |page| json!(page)))
        }
        ("GET", ["releases", "latest"]) => one(releases.list.iter().find(|release| release.latest), server),
        ("GET", ["releases", "tags", tag @ ..]) => {
            let tag = tag.join("/");
            one(releases.list.iter().find(|release| !release.draft && release.tag == tag), server)
        }
        ("POST", ["releases", "generate-notes"]) => {
            let since = body["previous_tag_name"].as_str().unwrap_or("the beginning");
            let tag = text(body, "tag_name")?;
            Ok(json(200, &json!({ "name": tag, "body": format!("Changes since {since}") })))
        }
        ("POST", ["releases"]) => {
            // GitHub would make the tag itself when the release is published.
            assert!(tag_exists, "a release of a tag that does not exist: {body}");
            let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let release = Release {
                id: releases.next(),
                tag: text(body, "tag_name")?.to_owned(),
                name: word("name"),
                body: word("body"),
                draft: body["draft"] == true,
                latest: false,
                assets: Vec::new(),
            };
            let answer = json(201, &release.json(server));
            releases.list.push(release);
            Ok(answer)
        }
        ("PATCH", ["releases", id]) => {
            assert!(tag_exists, "a release of a tag that does not exist: {body}");
            let tag = releases.find(id)?.tag.clone();
            if releases.list.iter().any(|other| !other.draft && other.tag == tag) {
                return Err(refusal(422, "Validation Failed"));
            }
            if body["make_latest"] == "true" {
                releases.list.iter_mut().for_each(|release| release.latest = false);
            }
            let release = releases.find(id)?;
            release.draft = body["draft"] == true;
            release.latest = body["make_latest"] == "true";
            Ok(json(200, &release.json(server)))
        }
        ("DELETE", ["releases", "assets", id]) => {
            for release in &mut releases.list {
                release.assets.retain(|asset| asset.id.to_string() != *id);
            }
            Ok(nothing())
        }
        ("DELETE", ["releases", id]) => {
            releases.list.retain(|release| release.id.to_string() != *id);
            Ok(nothing())
        }
        ("GET", ["releases", id, "assets"]) => {
            let all: Vec<_> = releases.find(id)?.assets.iter().map(Asset::json).collect();
            Ok(paged(seen, &all, |page| json!(page)))
        }
        ("POST", ["releases", id, "assets"]) => {
            let number = releases.next();
            let release = releases.find(id)?;
            let query = reqwest::Url::parse(&format!("http://x/?{}", seen.query)).unwrap();
            let name = query.query_pairs().find(|(key, _)| key == "name").unwrap().1.into_owned();
            if release.assets.iter().any(|asset| asset.name == name) {
                let errors =
                    [json!({ "resource": "ReleaseAsset", "code": "already_exists", "field": "name" })];
                return Ok(json(422, &json!({ "message": "Validation Failed", "errors": errors })));
            }
            let asset = Asset { id: number, name, content: seen.body.to_vec(), state: "uploaded" };
            let answer = json(201, &asset.json());
            release.assets.push(asset);
            Ok(answer)
        }
        _ => Err(refusal(404, "Not Found")),
    }
}

fn one(release: Option<&Release>, server: &str) -> Result<Answer, Refusal> {
    release.map(|release| json(200, &release.json(server))).ok_or_else(|| refusal(404, "Not Found"))
}

fn nothing() -> Answer {
    Response::builder().status(204).body(Full::default()).unwrap()
}
