//! Sends one request and reads the answer: time limits, failures, refusals.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use reqwest::header::CONTENT_ENCODING;
use reqwest::{Request, Response};
use serde::Deserialize;

use super::client::Client;
use super::error::{Again, Asked, OciError, RegistryAnswer, Trouble};
use super::lenient::optional;
use super::origin::CredentialsOrigin;
use sys::http::{Class, NoAnswer, StallTimer, retry_after, words};
use sys::retry;

/// The most bytes of a refusal that are read.
const LARGEST_REFUSAL: u64 = 16 * 1024;

/// Sends a request with a small body. Any answer is `Ok`, whatever its status.
pub(super) async fn execute(client: &Client, asked: &Asked, request: Request) -> Result<Response, Trouble> {
    let http = client.http(request.url())?;
    let stall = client.settings().stall;
    match tokio::time::timeout(stall, http.execute(request)).await {
        Ok(answer) => answer.map_err(|error| lost(asked, error)),
        Err(_) => Err(silent(asked, stall)),
    }
}

/// Sends a request with a streaming body. It may take any time as long as bytes move.
pub(super) async fn execute_streaming(
    client: &Client,
    asked: &Asked,
    request: Request,
    timer: &StallTimer,
) -> Result<Response, Trouble> {
    let http = client.http(request.url())?;
    let stall = client.settings().stall;
    // Twice the limit: if the source stalls, its own limit ends first, and the source is opened again.
    match timer.guard(stall * 2, http.execute(request)).await {
        Some(answer) => answer.map_err(|error| lost(asked, error)),
        None => Err(silent(asked, stall)),
    }
}

/// The whole body of an answer, at most `limit` bytes.
pub(super) async fn body_of(
    client: &Client,
    asked: &Asked,
    mut response: Response,
    limit: u64,
) -> Result<Bytes, Trouble> {
    let too_long = || OciError::Nonsense {
        asked: Box::new(asked.clone()),
        reason: format!("it is longer than {limit} bytes"),
    };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_long().into());
    }
    let packed = is_packed(&response);
    let mut body = BytesMut::new();
    while let Some(chunk) = next_chunk(client, asked, &mut response).await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_long().into());
        }
        body.extend_from_slice(&chunk);
    }
    if !packed {
        return Ok(body.freeze());
    }
    let mut plain = Vec::new();
    // A body that is not really compressed is used unchanged.
    match MultiGzDecoder::new(&*body).take(limit + 1).read_to_end(&mut plain) {
        Err(_) => Ok(body.freeze()),
        Ok(length) if length as u64 > limit => Err(too_long().into()),
        Ok(_) => Ok(plain.into()),
    }
}

/// Whether an answer is compressed. p2p does not request that, but some proxies and storage hosts do it.
pub(super) fn is_packed(response: &Response) -> bool {
    let encoding = response.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    encoding.is_some_and(|encoding| matches!(encoding.trim(), "gzip" | "x-gzip"))
}

/// The next piece of a body.
pub(super) async fn next_chunk(
    client: &Client,
    asked: &Asked,
    response: &mut Response,
) -> Result<Option<Bytes>, Trouble> {
    let stall = client.settings().stall;
    match tokio::time::timeout(stall, response.chunk()).await {
        Ok(chunk) => chunk.map_err(|error| lost(asked, error)),
        Err(_) => Err(silent(asked, stall)),
    }
}

fn silent(asked: &Asked, stall: Duration) -> Trouble {
    let reason = format!("nothing moved for {} s", stall.as_secs_f64());
    unreachable(asked, reason, Class::Stalled)
}

fn lost(asked: &Asked, error: reqwest::Error) -> Trouble {
    let NoAnswer { reason, class, .. } = NoAnswer::new(error, sys::http::CONNECT, 1);
    unreachable(asked, reason, class)
}

/// The error for a request without a complete answer.
pub(super) fn unreachable(asked: &Asked, reason: String, class: Class) -> Trouble {
    let error = OciError::Unreachable { asked: Box::new(asked.clone()), reason, class };
    Trouble { error, again: class.again(None) }
}

/// The error document of the distribution API, and its variant for token servers.
#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "optional")]
    errors: Vec<Problem>,
    #[serde(default, deserialize_with = "optional")]
    details: String,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default, deserialize_with = "optional")]
    code: String,
    #[serde(default, deserialize_with = "optional")]
    message: String,
    #[serde(default)]
    detail: serde_json::Value,
}

/// The error for an unexpected answer.
pub(super) async fn refusal(asked: &Asked, response: Response, origin: &CredentialsOrigin) -> Trouble {
    let status = response.status().as_u16();
    let after = retry_after(response.headers());
    let body = read_some(response).await;
    let (codes, says) = message(&body);
    let answer = Box::new(RegistryAnswer { asked: asked.clone(), status, codes, says });
    if matches!(status, 401 | 403) {
        return OciError::Denied { answer, origin: origin.clone() }.into();
    }
    let error = OciError::Refused(answer);
    if retry::transient(status) { Trouble { error, again: Again::After(after) } } else { error.into() }
}

/// The beginning of a body. Errors are ignored, because the body only explains a failure.
async fn read_some(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > LARGEST_REFUSAL {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
    body.freeze()
}

/// The error codes and a line of text from the body of a refusal.
fn message(body: &[u8]) -> (Vec<String>, String) {
    let Ok(document) = serde_json::from_slice::<Document>(body) else {
        let text = String::from_utf8_lossy(body);
        // The error page of a proxy adds nothing to the status.
        let html = text.trim_start().starts_with('<');
        return (Vec::new(), if html { String::new() } else { words(&text) });
    };
    let mut codes = Vec::new();
    let mut says = Vec::new();
    for Problem { code, message, detail } in document.errors.into_iter().take(3) {
        let detail = match detail {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => format!(" ({text})"),
            other => format!(" ({other})"),
        };
        says.push(format!("{} {message}{detail}", words(&code)));
        codes.push(words(&code));
    }
    if says.is_empty() {
        says.push(document.details);
    }
    (codes, words(&says.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_short_and_on_said() {
        let (codes, says) = message(
            br#"{"errors":[{"code":"NAME_UNKNOWN","message":"not\n::error::known","detail":{"name":"a"}}]}"#,
        );
        assert_eq!(codes, ["NAME_UNKNOWN"]);
        assert_eq!(says, "NAME_UNKNOWN not ::error::known ({\"name\":\"a\"})");
        assert_eq!(message(br#"{"details":"incorrect username"}"#).1, "incorrect username");
        assert_eq!(message(b"<html>nginx</html>"), (Vec::new(), String::new()));
        assert_eq!(message("Bad\r\n\u{1b}[31mGateway\u{7}".as_bytes()).1, "Bad Gateway");
        assert_eq!(message(b"").1, "");
    }
}
