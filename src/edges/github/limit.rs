//! GitHub's rate limits: recognises them, and reads how long GitHub asks to wait.
//!
//! According to "Rate limits for the REST API" in GitHub's documentation: status 403 or 429; wait for `retry-after`
//! in seconds; else, with `x-ratelimit-remaining: 0`, until `x-ratelimit-reset` (seconds since 1970); else at least
//! a minute.

use std::time::Duration;

use sys::http::{Answer, date, retry_after};

/// Whether an answer means "too many requests", and not "not allowed".
pub(super) fn limited(answer: &Answer) -> bool {
    let texts = ["rate limit", "abuse detection"];
    let says = || {
        let message = answer.words().to_lowercase();
        texts.iter().any(|text| message.contains(text))
    };
    match answer.status {
        429 => true,
        403 => retry_after(&answer.headers).is_some() || used_up(answer) || says(),
        _ => false,
    }
}

/// How long the answer asks to wait, whatever its status. `None` if it does not say.
pub(super) fn asked(answer: &Answer) -> Option<Duration> {
    if let Some(wait) = retry_after(&answer.headers) {
        return Some(wait);
    }
    if !limited(answer) {
        return None;
    }
    let reset = number(answer, "x-ratelimit-reset").filter(|_| used_up(answer));
    // Uses the server's clock, because ours may be wrong, and adds a second for rounding.
    let now = date(&answer.headers).and_then(|now| u64::try_from(now.as_second()).ok());
    match (reset, now) {
        (Some(reset), Some(now)) => Some(Duration::from_secs(reset.saturating_sub(now) + 1)),
        _ => Some(Duration::from_mins(1)),
    }
}

fn used_up(answer: &Answer) -> bool {
    number(answer, "x-ratelimit-remaining") == Some(0)
}

fn number(answer: &Answer, header: &str) -> Option<u64> {
    answer.headers.get(header)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use http::HeaderMap;

    use super::*;

    const SECONDARY: &str =
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";

    fn answer(status: u16, message: &str, headers: &[(&'static str, &str)]) -> Answer {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let body = format!(r#"{{"message":"{message}"}}"#).into();
        Answer { status, headers, body, attempts: 1 }
    }

    fn seconds(status: u16, message: &str, headers: &[(&'static str, &str)]) -> Option<u64> {
        asked(&answer(status, message, headers)).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_comes_first() {
        let headers = [("retry-after", "7"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99")];
        assert_eq!(seconds(403, SECONDARY, &headers), Some(7));
        assert_eq!(seconds(503, "Service Unavailable", &[("retry-after", "3")]), Some(3));
    }

    #[test]
    fn a_used_up_limit_ends_by_the_servers_clock() {
        let headers = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "784111807"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        assert_eq!(seconds(403, "API rate limit exceeded for installation ID 1.", &headers), Some(31));
        let past = [headers[0], ("x-ratelimit-reset", "1"), headers[2]];
        assert_eq!(seconds(429, "API rate limit exceeded", &past), Some(1));
    }

    #[test]
    fn without_a_hint_it_is_a_minute() {
        assert_eq!(seconds(403, SECONDARY, &[("x-ratelimit-remaining", "4000")]), Some(60));
        assert_eq!(seconds(429, "Too Many Requests", &[]), Some(60));
    }

    #[test]
    fn a_missing_permission_is_no_limit() {
        let refused =
            answer(403, "Resource not accessible by integration", &[("x-ratelimit-remaining", "4999")]);
        assert!(!limited(&refused));
        assert_eq!(asked(&refused), None);
        assert_eq!(seconds(500, "Server Error", &[]), None);
    }
}
