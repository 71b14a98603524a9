//! Sending one request and reading what came back: time limits, failures, refusals.

use std::future::Future;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use reqwest::header::CONTENT_ENCODING;
use reqwest::{Request, Response};
use serde::Deserialize;
use tokio::time::Instant;

use super::client::Client;
use super::credentials::Origin;
use super::error::{Again, Answer, Asked, OciError, Trouble};
use super::lenient::optional;
use sys::http::{chain, retry_after, words};
use sys::retry;
use sys::sync::Mutex;

/// The most bytes of a refusal that are read.
const LARGEST_REFUSAL: u64 = 16 * 1024;

/// How many times longer than a stall a registry may take to store what it received whole.
const SETTLE: u32 = 5;

/// Sends a request with a small body. An answer of whatever status is `Ok`.
pub(super) async fn execute(client: &Client, asked: &Asked, request: Request) -> Result<Response, Trouble> {
    let http = client.http(request.url())?;
    let stall = client.settings().stall;
    match tokio::time::timeout(stall, http.execute(request)).await {
        Ok(answer) => answer.map_err(|error| lost(asked, error)),
        Err(_) => Err(silent(asked, stall)),
    }
}

/// Sends a request whose body streams; it may take as long as it likes while something moves.
pub(super) async fn execute_streaming(
    client: &Client,
    asked: &Asked,
    request: Request,
    pulse: &Pulse,
) -> Result<Response, Trouble> {
    let http = client.http(request.url())?;
    let stall = client.settings().stall;
    // Twice: where the source stands still, its own limit comes first and it is resumed.
    match pulse.guard(stall * 2, http.execute(request)).await {
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
    // What only claims to be packed is taken as it is.
    match MultiGzDecoder::new(&*body).take(limit + 1).read_to_end(&mut plain) {
        Err(_) => Ok(body.freeze()),
        Ok(length) if length as u64 > limit => Err(too_long().into()),
        Ok(_) => Ok(plain.into()),
    }
}

/// Whether an answer came compressed. We do not ask for that, and some proxies and storage hosts do it.
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
    let error = OciError::Unreachable { asked: Box::new(asked.clone()), reason, tls: false };
    Trouble { error, again: Again::After(None) }
}

/// A transport error. URLs are left out: those of storage hosts hold signatures.
fn lost(asked: &Asked, error: reqwest::Error) -> Trouble {
    let builder = error.is_builder();
    let reason = chain(&error.without_url());
    let tls = ["certificate", "Certificate", "TLS", "tls", "corrupt message"]
        .iter()
        .any(|word| reason.contains(word));
    // A certificate stays wrong; a handshake that broke off may work the next time.
    let hopeless = builder || reason.contains("ertificate");
    Trouble {
        error: OciError::Unreachable { asked: Box::new(asked.clone()), reason, tls },
        again: if hopeless { Again::No } else { Again::After(None) },
    }
}

/// Distribution's error document, and what token servers make of it.
#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "optional")]
    errors: Vec<Said>,
    #[serde(default, deserialize_with = "optional")]
    details: String,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "optional")]
    code: String,
    #[serde(default, deserialize_with = "optional")]
    message: String,
    #[serde(default)]
    detail: serde_json::Value,
}

/// The error that an unwelcome answer is.
pub(super) async fn refusal(asked: &Asked, response: Response, origin: &Origin) -> Trouble {
    let status = response.status().as_u16();
    let after = retry_after(response.headers());
    let body = read_some(response).await;
    let (codes, says) = said(&body);
    let answer = Box::new(Answer { asked: asked.clone(), status, codes, says });
    if matches!(status, 401 | 403) {
        return OciError::Denied { answer, origin: origin.clone() }.into();
    }
    let error = OciError::Refused(answer);
    if retry::transient(status) { Trouble { error, again: Again::After(after) } } else { error.into() }
}

/// The beginning of a body, whatever happens to it: it only explains a failure.
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

/// Error codes and a line of text out of a refusal's body.
fn said(body: &[u8]) -> (Vec<String>, String) {
    let Ok(document) = serde_json::from_slice::<Document>(body) else {
        let text = String::from_utf8_lossy(body);
        // A proxy's error page tells nothing that the status does not.
        let html = text.trim_start().starts_with('<');
        return (Vec::new(), if html { String::new() } else { words(&text) });
    };
    let mut codes = Vec::new();
    let mut says = Vec::new();
    for Said { code, message, detail } in document.errors.into_iter().take(3) {
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

/// When something last moved in a streaming request.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Something moved, or will at the latest after `pause`.
    pub(super) fn beat(&self, pause: Duration) {
        *self.0.lock() = Instant::now() + pause;
    }

    /// The body is out; now it is the registry's turn.
    pub(super) fn settle(&self, stall: Duration) {
        self.beat(stall * (SETTLE - 1));
    }

    fn last(&self) -> Instant {
        *self.0.lock()
    }

    /// The future's output, or `None` when nothing moved for as long as `stall`.
    async fn guard<T>(&self, stall: Duration, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            let deadline = self.last() + stall;
            tokio::select! {
                output = &mut future => return Some(output),
                () = tokio::time::sleep_until(deadline) => {
                    if self.last() + stall <= Instant::now() {
                        return None;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_short_and_on_said() {
        let (codes, says) = said(
            br#"{"errors":[{"code":"NAME_UNKNOWN","message":"not\n::error::known","detail":{"name":"a"}}]}"#,
        );
        assert_eq!(codes, ["NAME_UNKNOWN"]);
        assert_eq!(says, "NAME_UNKNOWN not ::error::known ({\"name\":\"a\"})");
        assert_eq!(said(br#"{"details":"incorrect username"}"#).1, "incorrect username");
        assert_eq!(said(b"<html>nginx</html>"), (Vec::new(), String::new()));
        assert_eq!(said("Bad\r\n\u{1b}[31mGateway\u{7}".as_bytes()).1, "Bad Gateway");
        assert_eq!(said(b"").1, "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_long_but_not_stand_still() {
        let stall = Duration::from_secs(10);
        let pulse = Pulse::new();
        let moving = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                pulse.beat(Duration::ZERO);
            }
            pulse.settle(stall);
            tokio::time::sleep(Duration::from_secs(45)).await;
        };
        assert_eq!(pulse.guard(stall, moving).await, Some(()));
        let pulse = Pulse::new();
        let standing = tokio::time::sleep(Duration::from_secs(11));
        assert_eq!(pulse.guard(stall, standing).await, None);
    }
}
