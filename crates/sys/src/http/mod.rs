//! One exchange with an API over HTTP: sent, repeated as `retry` says, read within bounds. Any edge
//! may use it; what an answer means is the edge's own business.

mod trust;
mod words;

pub use trust::{AUTHORITY_HELP, trust, trusting};
pub use words::words;

use std::error::Error;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, Url};

use tokio::time::Instant;

use crate::retry::{Again, Policy, Watcher, random, transient};
use workflow_commands::Secret;

/// How long a connection may take to be made, name look-up and TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an exchange may take in all. None of these APIs streams, and each of six tries may stall.
const EXCHANGE: Duration = Duration::from_secs(15);

/// The most bytes of an answer.
const LARGEST: usize = 4 * 1024 * 1024;

/// How the errors of reqwest and hyper begin that wrap the one that tells something.
const WRAPPERS: [&str; 4] =
    ["error sending request", "client error (", "tcp connect error", "error trying to connect"];

/// How patiently requests are repeated, and who is told of it.
#[derive(Debug, Clone, Default)]
pub struct Retrying {
    /// How often, and how long in between.
    pub policy: Policy,
    /// Who is told of each repetition.
    pub watcher: Watcher,
}

/// What came back in the end, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// How often the request was sent.
    pub attempts: u32,
}

impl Answer {
    /// What the answer says of a failure: one line, not too long, without control characters. Of an error
    /// object of the APIs that we know, its message alone.
    pub fn words(&self) -> String {
        words::of_body(&self.body).unwrap_or_else(|| "no explanation".to_owned())
    }
}

/// Nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Lost {
    /// Why, in the words of the system, without URLs.
    pub reason: String,
    /// What kind of failure it was.
    pub why: Why,
    /// How often it was tried.
    pub attempts: u32,
}

/// Kinds of transport failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The request or the client could not be made.
    Setup,
    /// The other side's certificate is not trusted, or it trusts ours not.
    Certificate,
    /// No answer came in time, from the server or to the connection.
    Silence,
    /// Nothing listens there.
    Refused,
    /// The host's name is not known.
    NoHost,
    /// Anything else, such as a reset.
    Broken,
}

/// Sends a request until the answer is not worth another try. `what` names it in the log. However a try
/// fails, all tries of the policy are made unless another one cannot help.
///
/// # Errors
/// When no answer came. A 5xx that stayed is an answer.
pub async fn send(
    retrying: &Retrying,
    what: &str,
    request: impl Fn() -> RequestBuilder,
) -> Result<Answer, Lost> {
    let mut attempt = 1;
    loop {
        let (why, after) = match once(request()).await {
            Ok(answer) if !transient(answer.status) => return Ok(Answer { attempts: attempt, ..answer }),
            Ok(answer) => {
                let after = retry_after(&answer.headers);
                (Err(Answer { attempts: attempt, ..answer }), after)
            }
            Err(lost) => (Ok(Lost { attempts: attempt, ..lost }), None),
        };
        let hopeless = matches!(&why, Ok(lost) if matches!(lost.why, Why::Setup | Why::Certificate));
        let wait = if hopeless { None } else { retrying.policy.wait(attempt, after, random()) };
        let Some(wait) = wait else {
            return match why {
                Ok(lost) => Err(lost),
                Err(answer) => Ok(answer),
            };
        };
        let why = match &why {
            Ok(lost) => lost.reason.clone(),
            Err(answer) => format!("{} {}", answer.status, answer.words()),
        };
        let of = retrying.policy.attempts;
        retrying.watcher.again(Again { what: what.to_owned(), why, attempt, of, wait });
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

async fn once(request: RequestBuilder) -> Result<Answer, Lost> {
    let begin = Instant::now();
    let lost = |error| lost(error, begin.elapsed());
    let mut response = request.send().await.map_err(lost)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > LARGEST {
            let reason = format!("the answer is longer than {LARGEST} bytes");
            return Err(Lost { reason, why: Why::Setup, attempts: 1 });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze(), attempts: 1 })
}

/// URLs are left out: they may be long, and `what` names the place already.
fn lost(error: reqwest::Error, took: Duration) -> Lost {
    let (setup, late) = (error.is_builder(), error.is_timeout());
    let reason = chain(&error.without_url());
    let text = reason.to_lowercase();
    let why = if setup {
        Why::Setup
    } else if late {
        Why::Silence
    } else if text.contains("certificate") {
        Why::Certificate
    } else if text.contains("connection refused") {
        Why::Refused
    } else if text.contains("dns error") || text.contains("lookup address") {
        Why::NoHost
    } else {
        Why::Broken
    };
    let reason = if late { format!("no answer within {:.0} s", took.as_secs_f64()) } else { reason };
    Lost { reason, why, attempts: 1 }
}

/// An error and its causes on one line, without those that only say that there is a cause.
pub fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let words = error.to_string();
        let wrapper = next.is_some() && WRAPPERS.iter().any(|wrapper| words.starts_with(wrapper));
        if !wrapper && !text.contains(&words) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&words);
        }
    }
    text
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

/// The `Date` of an answer: the other side's clock. An HTTP date (RFC 9110, section 5.6.7) is one
/// of RFC 2822 as well.
pub fn date(headers: &HeaderMap) -> Option<jiff::Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp())
}

/// `Bearer <token>`, marked as sensitive; `None` where the token holds what no header may.
pub fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// A header's value that no log may show.
pub fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Clients for whatever host comes, made when first needed: reading the certificates takes its time.
///
/// Proxies are those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, never for loopback; certificates
/// are checked as [`trusting`] says.
#[derive(Debug, Default)]
pub struct Clients {
    outside: OnceLock<Result<Client, String>>,
    loopback: OnceLock<Result<Client, String>>,
}

impl Clients {
    /// The client for a URL.
    ///
    /// # Errors
    /// When the system's certificates or the proxy settings cannot be used.
    pub fn of(&self, url: &Url) -> Result<&Client, Lost> {
        let loopback = is_loopback(url);
        let cell = if loopback { &self.loopback } else { &self.outside };
        cell.get_or_init(|| trusting(builder(loopback))?.build().map_err(|error| chain(&error)))
            .as_ref()
            .map_err(|reason| Lost { reason: reason.clone(), why: Why::Setup, attempts: 1 })
    }
}

/// How every client begins.
pub fn builder(loopback: bool) -> ClientBuilder {
    // Whoever came first installed the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(format!("p2p/{}", crate::VERSION))
        .connect_timeout(CONNECT)
        .timeout(EXCHANGE)
        // An API that redirects is not the one that was meant, and must not get our token.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never());
    if loopback { builder.no_proxy() } else { builder }
}

/// Whether a URL leads to this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
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
    fn what_only_wraps_a_cause_is_left_out() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Link(&'static str, #[source] Option<Box<Link>>);
        let link = |words, cause| Link(words, cause);
        let end = || Some(Box::new(link("Connection refused (os error 111)", None)));
        let connect = link("client error (Connect)", Some(Box::new(link("tcp connect error", end()))));
        let sent = link("error sending request", Some(Box::new(connect)));
        assert_eq!(chain(&sent), "Connection refused (os error 111)");
        assert_eq!(chain(&link("error sending request", None)), "error sending request");
        assert_eq!(
            chain(&link("invalid header", end())),
            "invalid header: Connection refused (os error 111)"
        );
    }

    #[test]
    fn loopback_is_this_machine_by_any_name() {
        let loopback = |url: &str| is_loopback(&Url::parse(url).unwrap());
        assert!(loopback("http://localhost:1/") && loopback("https://127.9.9.9/"));
        assert!(loopback("http://[::1]:5000/"));
        assert!(!loopback("https://localhost.example/") && !loopback("https://10.0.0.1/"));
    }

    #[test]
    fn a_token_with_a_line_break_is_no_header() {
        assert!(bearer(&Secret::new("a\nb")).is_none());
        assert!(bearer(&Secret::new("ya29.x")).unwrap().is_sensitive());
    }
}
