//! What GitHub's refusals mean.

use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::{Error, limit};
use workflow_commands::{cut, one_line};

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// An earlier try of the same request may have taken effect: nobody knows.
    pub(super) after_failure: bool,
}

impl Answer {
    /// `message` of GitHub's error object, or the first line of whatever came instead.
    pub(super) fn message(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Body {
            message: String,
        }
        let text = serde_json::from_str::<Body>(&self.body).map_or_else(
            |_| cut(self.body.trim().lines().next().unwrap_or_default(), 200),
            |body| body.message,
        );
        let words = one_line(&text);
        if words.is_empty() { "no explanation".to_owned() } else { words }
    }

    /// The body as what it should be.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        serde_json::from_str(&self.body).map_err(|error| Error::Unexpected {
            what: what.to_owned(),
            status: self.status,
            answer: error.to_string(),
        })
    }

    /// The error that this answer is, where it is none that is worth another try.
    pub(super) fn refusal(&self, what: &str) -> Error {
        let (what, answer, status) = (what.to_owned(), self.message(), self.status);
        let says = |texts: &[&str]| {
            let answer = answer.to_lowercase();
            texts.iter().any(|text| answer.contains(text))
        };
        if limit::limited(self) {
            return Error::RateLimited { what, status, answer, wait: limit::asked(self) };
        }
        match status {
            401 => Error::BadToken { what, answer },
            403 | 409 | 422 if says(&["immutable release"]) => Error::Immutable { what, status, answer },
            403 | 409 | 422 if says(&["rule violations", "tag protection", "protected tag"]) => {
                Error::Protected { what, status, answer }
            }
            _ if says(&["`workflows` permission", "`workflow` scope", "workflows permission"]) => {
                Error::WorkflowFiles { what, status, answer }
            }
            403 if says(&["not accessible by integration"]) => Error::ReadOnlyToken { what, answer },
            403 if says(&["not accessible by personal access token"]) => {
                Error::ReadOnlyPersonalToken { what, answer }
            }
            403 if says(&["saml"]) => Error::SingleSignOn { what, answer },
            403 if says(&["archived"]) => Error::Archived { what, answer },
            403 => Error::Forbidden { what, answer },
            404 => Error::NotFound { what, answer },
            422 if says(&["object does not exist"]) => Error::UnknownCommit { what, answer },
            _ => Error::Unexpected { what, status, answer },
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;
    use sys::error::Failure;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.to_owned(), after_failure: false }
    }

    /// What the reader sees, for each class. The texts are GitHub's.
    #[test]
    fn each_refusal_has_its_own_message_and_help() {
        let bodies = [
            (
                401,
                r#"{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}"#,
            ),
            (403, r#"{"message":"Resource not accessible by integration","status":"403"}"#),
            (403, r#"{"message":"Resource not accessible by personal access token","status":"403"}"#),
            (
                403,
                r#"{"message":"Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization."}"#,
            ),
            (403, r#"{"message":"Repository was archived so is read-only."}"#),
            (403, r#"{"message":"Must have admin rights to Repository."}"#),
            (
                403,
                r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#,
            ),
            (404, r#"{"message":"Not Found","status":"404"}"#),
            (
                422,
                r#"{"message":"Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n","status":"422"}"#,
            ),
            (422, r#"{"message":"Object does not exist","status":"422"}"#),
            (422, r#"{"message":"Validation Failed","status":"422"}"#),
            (302, "<html>\nlog in"),
            (418, ""),
        ];
        let text: Vec<String> = bodies
            .iter()
            .map(|(status, body)| {
                Failure::from(answer(*status, body).refusal("create the tag v1.2.4 in acme/shop")).to_string()
            })
            .collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }

    #[test]
    fn headers_alone_tell_a_rate_limit_from_a_permission() {
        let mut limited = answer(403, r#"{"message":"Forbidden"}"#);
        limited.headers.insert("retry-after", "30".parse().unwrap());
        assert!(matches!(limited.refusal("x"), Error::RateLimited { .. }));
    }
}
