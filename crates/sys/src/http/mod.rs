//! HTTP: one builder of clients, one classification of failures, and one way to send a request with retries
//! ([`Retrying`]). The edges interpret the answers.

mod class;
mod clients;
mod stall;
mod trust;
mod words;

pub use class::{Class, NoAnswer, chain};
pub use clients::{Clients, builder, is_loopback, is_safe};
pub use stall::StallTimer;
pub use trust::{AUTHORITY_HELP, trust, trusting};
pub use words::words;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::RequestBuilder;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::time::Instant;

use crate::retry::{Failed, Retrying};
use workflow_commands::Secret;

/// The time limit for a connection, including name look-up and TLS.
pub const CONNECT: Duration = Duration::from_secs(5);

/// How long a server may be silent: the time limit of an exchange with an API, and of the gap between two pieces of a
/// stream. All six tries may end like this, and a gate must not wait for minutes.
pub const SILENCE: Duration = Duration::from_secs(20);

/// What to do if a server does not answer.
pub const NETWORK_HELP: &str =
    "check the network of the runner, and HTTPS_PROXY and NO_PROXY if it needs a proxy; then run again";

/// The largest accepted answer of an API, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// The last answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// How often the request was sent.
    pub attempts: u32,
}

impl Answer {
    /// The message of a failed answer: one line, not too long, without control characters. For a known error object,
    /// only its message.
    pub fn words(&self) -> String {
        words::of_body(&self.body).unwrap_or_else(|| "no explanation".to_owned())
    }
}

/// Why a try is repeated.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("{} {}", .0.status, .0.words())]
    Answer(Answer),
    #[error(transparent)]
    None(#[from] NoAnswer),
}

/// Sends a request again until another try cannot help or the policy's tries are used up. `what` names it in the
/// log.
///
/// # Errors
/// If there was no answer. A persistent 5xx is an answer.
pub async fn send(
    retrying: &Retrying,
    what: &str,
    request: impl Fn() -> RequestBuilder,
) -> Result<Answer, NoAnswer> {
    send_for(retrying, what, LARGEST, request).await
}

/// As [`send`], for an answer of at most `largest` bytes.
///
/// # Errors
/// As [`send`], and if the answer is longer.
pub async fn send_for(
    retrying: &Retrying,
    what: &str,
    largest: usize,
    request: impl Fn() -> RequestBuilder,
) -> Result<Answer, NoAnswer> {
    let attempt = |number| {
        let request = request();
        async move {
            match read(request, number, largest).await {
                Ok(answer) => match Class::of_status(answer.status) {
                    Some(class @ Class::Transient(_)) => {
                        let again = class.again(retry_after(&answer.headers));
                        Err(Failed { error: Unfit::Answer(answer), again })
                    }
                    _ => Ok(answer),
                },
                Err(error) => Err(Failed { again: error.class.again(None), error: error.into() }),
            }
        }
    };
    match retrying.run(what, attempt).await {
        Ok(answer) | Err(Unfit::Answer(answer)) => Ok(answer),
        Err(Unfit::None(error)) => Err(error),
    }
}

/// Sends a request once, as try number `attempt`, and reads the whole answer, whatever its status.
///
/// # Errors
/// If there was no answer, or it is too long.
pub async fn once(request: RequestBuilder, attempt: u32) -> Result<Answer, NoAnswer> {
    read(request, attempt, LARGEST).await
}

async fn read(request: RequestBuilder, attempt: u32, largest: usize) -> Result<Answer, NoAnswer> {
    let begin = Instant::now();
    let lost = |error| NoAnswer::new(error, begin.elapsed(), attempt);
    let mut response = request.send().await.map_err(lost)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > largest {
            let reason = format!("the answer is longer than {largest} bytes");
            return Err(NoAnswer { class: Class::Setup, reason, attempts: attempt });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze(), attempts: attempt })
}

/// `Retry-After` in seconds or as a date; a date counts from the answer's own `Date`.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(asked).ok()?.timestamp();
    Duration::try_from(until.duration_since(date(headers)?)).ok()
}

/// The `Date` of an answer: the server's clock. An HTTP date (RFC 9110, section 5.6.7) is one
/// of RFC 2822 as well.
pub fn date(headers: &HeaderMap) -> Option<jiff::Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp())
}

/// `Bearer <token>`, marked as sensitive; `None` if the token contains a character that headers must not have.
pub fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// A header value that must not be logged.
pub fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |after: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, after.parse().unwrap());
            headers.insert(DATE, "Fri, 31 Dec 1999 23:59:50 GMT".parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::from_secs(9)));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:49 GMT"), None);
        assert_eq!(of("soon"), None);
    }

    #[test]
    fn a_token_with_a_line_break_is_no_header() {
        assert!(bearer(&Secret::new("a\nb")).is_none());
        assert!(bearer(&Secret::new("ya29.x")).unwrap().is_sensitive());
    }
}
