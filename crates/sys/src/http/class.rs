//! Classes of failure: what went wrong with a request, and whether another try may help.

use std::error::Error;
use std::time::Duration;

use crate::retry::{Again, transient};

/// How errors of reqwest and hyper begin that only wrap the error with the reason.
const WRAPPERS: [&str; 4] =
    ["error sending request", "client error (", "tcp connect error", "error trying to connect"];

/// The kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request or the client could not be made.
    Setup,
    /// One side does not trust the other's certificate.
    Certificate,
    /// The TLS handshake broke off.
    Handshake,
    /// The server did not accept the connection in time.
    Silent,
    /// The server accepted the connection, but did not answer in time.
    Stalled,
    /// Nothing listens there.
    Refused,
    /// The host's name is not known.
    NoHost,
    /// Anything else, such as a reset.
    Broken,
    /// An answer that may differ the next time: 408, 429, 5xx.
    Transient(u16),
    /// Any other answer without success.
    Final(u16),
}

impl Class {
    /// The class of an answer; `None` if it is a success.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            200..=299 => None,
            status if transient(status) => Some(Self::Transient(status)),
            status => Some(Self::Final(status)),
        }
    }

    /// The class of a transport error.
    pub fn of(error: &reqwest::Error) -> Self {
        let text = chain(error).to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if error.is_builder() {
            Self::Setup
        } else if error.is_timeout() {
            if error.is_connect() { Self::Silent } else { Self::Stalled }
        } else if has(&["certificate"]) {
            Self::Certificate
        } else if has(&["tls", "corrupt message"]) {
            Self::Handshake
        } else if has(&["connection refused"]) {
            Self::Refused
        } else if has(&["dns error", "lookup address"]) {
            Self::NoHost
        } else {
            Self::Broken
        }
    }

    /// Whether another try may help. `after` is the server's `Retry-After`. A wrong certificate stays wrong, but a
    /// handshake that broke off may work the next time.
    pub fn again(self, after: Option<Duration>) -> Again {
        match self {
            Self::Setup | Self::Certificate | Self::Final(_) => Again::No,
            _ => Again::After(after),
        }
    }
}

/// There was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoAnswer {
    /// Why, in the words of the system, without URLs.
    pub reason: String,
    /// What kind of failure it was.
    pub class: Class,
    /// How often the request was sent.
    pub attempts: u32,
}

impl NoAnswer {
    /// A transport error after `took`. It omits URLs, because they may be long or contain signatures. The caller names
    /// the server.
    pub fn new(error: reqwest::Error, took: Duration, attempts: u32) -> Self {
        let class = Class::of(&error);
        let reason = match class {
            Class::Silent => format!("no connection within {:.0} s", took.as_secs_f64()),
            Class::Stalled => format!("no answer within {:.0} s", took.as_secs_f64()),
            _ => chain(&error.without_url()),
        };
        Self { reason, class, attempts }
    }
}

/// An error and its causes on one line, without wrappers that add no information.
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_answer_is_a_success_transient_or_final() {
        let again = |status| Class::of_status(status).map(|class| class.again(None));
        assert_eq!((again(200), again(204)), (None, None));
        for status in [408, 429, 500, 503, 599] {
            assert_eq!(again(status), Some(Again::After(None)), "{status}");
        }
        for status in [302, 400, 401, 404, 422] {
            assert_eq!(again(status), Some(Again::No), "{status}");
        }
    }
}
