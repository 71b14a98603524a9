//! git's smart HTTP protocol, by `git http-backend` (a CGI program; RFC 3875).

use std::process::Stdio;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Answer, Seen, Shared, rest};

pub(super) async fn answer(path: &str, seen: &Seen, shared: &Shared) -> Answer {
    if seen.token().as_deref() != Some(shared.token) {
        let mut refusal = rest::error(401, "Invalid username or token.");
        refusal
            .headers_mut()
            .insert("www-authenticate", http::HeaderValue::from_static("Basic realm=\"GitHub\""));
        return refusal;
    }
    let header =
        |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_HTTP_EXPORT_ALL", "1"),
        ])
        // As GitHub has it.
        .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "uploadpack.allowFilter")])
        .env("GIT_CONFIG_VALUE_0", "true")
        .env("GIT_PROJECT_ROOT", &shared.repository)
        .envs([("PATH_INFO", path), ("REQUEST_METHOD", &seen.method), ("QUERY_STRING", &seen.query)])
        .envs([("CONTENT_TYPE", header("content-type")), ("GIT_PROTOCOL", header("git-protocol"))])
        .envs([("HTTP_CONTENT_ENCODING", header("content-encoding")), ("REMOTE_USER", "x-access-token")])
        .env("CONTENT_LENGTH", seen.body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = seen.body.clone();
    let (_written, output) = tokio::join!(async move { stdin.write_all(&body).await }, async {
        child.wait_with_output().await.unwrap().stdout
    });
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut builder = Response::builder();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        builder = match (name, value.get(..3)) {
            ("Status", Some(status)) => builder.status(status),
            _ => builder.header(name, value),
        };
    }
    builder.body(Full::new(Bytes::from(output).slice(end + 4..))).unwrap()
}
