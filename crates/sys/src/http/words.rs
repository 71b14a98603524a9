//! Extracts the message from the answer to a failed request.

use serde_json::Value as Json;

use workflow_commands::{cut, one_line};

/// The most characters of an answer that an error quotes.
const MOST: usize = 400;

/// Text of others on one line, not too long, without control characters. If it is cut, the masker still finds the
/// beginning of a secret.
pub fn words(text: &str) -> String {
    cut(&one_line(&cut(text, MOST * 4)), MOST)
}

/// The message of a body: that of a known error object, or the text itself. `None` if there is none, or if it is the
/// error page of a proxy, which says no more than the status.
pub(super) fn of_body(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice(body).ok().and_then(|json| of_object(&json)) {
        Some(message) => message,
        None => String::from_utf8_lossy(body).into_owned(),
    };
    Some(words(&text)).filter(|words| !words.is_empty() && !words.starts_with('<'))
}

/// The message of an error object: `message` of Kubernetes' Status and of GitHub, `error` of Google (an
/// object, at times in a list) and of OAuth (RFC 6749, section 5.2), `errors` of registries, `details` of
/// token servers.
fn of_object(json: &Json) -> Option<String> {
    if let Some(first) = json.get(0) {
        return of_object(first);
    }
    let error = &json["error"];
    let list = json["errors"].as_array().map(|errors| {
        let each = errors.iter().filter_map(|error| text(error).or_else(|| joined(error, "code", "message")));
        each.take(3).collect::<Vec<_>>().join("; ")
    });
    text(&json["message"])
        .or_else(|| joined(error, "status", "message"))
        .or_else(|| joined(json, "error", "error_description"))
        .or(list.filter(|list| !list.is_empty()))
        .or_else(|| text(&json["details"]))
}

fn text(json: &Json) -> Option<String> {
    json.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// `PERMISSION_DENIED: the caller may not`, or the part that is there.
fn joined(json: &Json, code: &str, message: &str) -> Option<String> {
    match (text(&json[code]), text(&json[message])) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_short_line() {
        assert_eq!(words("Bad\r\n\u{1b}[31mGateway\u{7}"), "Bad Gateway");
        assert_eq!(words(&"ä".repeat(9000)).chars().count(), MOST + 1);
    }

    #[test]
    fn an_error_object_is_quoted_by_its_message_alone() {
        let of = |body: &str| of_body(body.as_bytes());
        for (body, expected) in [
            (r#"{"kind":"Status","message":"etcd is slow","reason":"Timeout","code":504}"#, "etcd is slow"),
            (r#"{"message":"Server Error","documentation_url":"https://docs.example"}"#, "Server Error"),
            (
                r#"{"error":{"code":503,"message":"Try later","status":"UNAVAILABLE"}}"#,
                "UNAVAILABLE: Try later",
            ),
            (r#"[{"error":{"code":500,"message":"Internal"}}]"#, "Internal"),
            (r#"{"error":"slow_down","error_description":"Quota"}"#, "slow_down: Quota"),
            (r#"{"error":"slow_down"}"#, "slow_down"),
            (
                r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"wait","detail":{"x":1}},{"message":"b"}]}"#,
                "TOOMANYREQUESTS: wait; b",
            ),
            (r#"{"errors":["first","second"]}"#, "first; second"),
            (r#"{"details":"incorrect username"}"#, "incorrect username"),
            ("{\"a\":\n1}", "{\"a\": 1}"),
            (r#"{"message":"","errors":[]}"#, r#"{"message":"","errors":[]}"#),
            ("apiserver not ready", "apiserver not ready"),
        ] {
            assert_eq!(of(body).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(of(" <html>nginx"), None);
        assert_eq!(of(""), None);
    }
}
