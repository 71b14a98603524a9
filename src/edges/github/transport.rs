//! The transport below octocrab. octocrab's own has no proxy settings, waits for no rate limit, drops the headers of
//! refused answers, and panics if a token is not a valid header value. octocrab still makes the requests and parses
//! answers and pages.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use octocrab::OctoBody;
use reqwest::{Body, Client, RequestBuilder};
use serde::de::IgnoredAny;
use serde_json::json;
use tower::Service;

use super::{GitHubError, limit};
use sys::http::{self as web, Answer, Class};
use sys::retry::{Again, Failed, Retrying};

/// The media type of GitHub's answers.
pub(super) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.github+json");

/// The path that octocrab uses for GraphQL.
pub(super) const GRAPHQL: &str = "/graphql";

/// Sends the requests of one call to GitHub.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    pub(super) client: Client,
    /// The base URL of the REST API.
    pub(super) server: String,
    /// The token, as a header.
    pub(super) bearer: HeaderValue,
    pub(super) retrying: Retrying,
    /// The call in words, for errors and the log.
    pub(super) what: String,
}

/// A failed try: the error if it was the last one, and the reason for the log.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Tried {
    pub(super) error: GitHubError,
    why: String,
}

impl From<GitHubError> for Failed<Tried> {
    /// For an error that is not worth another try.
    fn from(error: GitHubError) -> Self {
        Self { error: Tried { why: error.to_string(), error }, again: Again::No }
    }
}

impl Service<Request<OctoBody>> for Transport {
    type Response = Response<Body>;
    type Error = GitHubError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let transport = self.clone();
        Box::pin(async move { transport.answer(request).await })
    }
}

impl Transport {
    /// Sends a request below the API's base URL, and retries while that is worth it.
    async fn answer(&self, request: Request<OctoBody>) -> Result<Response<Body>, GitHubError> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let url = if path == GRAPHQL { graphql_url(&self.server) } else { format!("{}{path}", self.server) };
        let unsure = AtomicBool::new(false);
        let attempt = |number| {
            let request = self.client.request(parts.method.clone(), &url).headers(parts.headers.clone());
            let request = match body.try_clone() {
                Some(body) => request.body(Body::wrap(body)),
                None => request,
            };
            self.once(request, number, &unsure)
        };
        let answer = self.retrying.run(&self.what, attempt).await.map_err(|tried| tried.error)?;
        let mut response = Response::new(Body::from(answer.body));
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    /// Sends a request with the token, once. Only a success is `Ok`. Sets `unsure` if a failure does not show
    /// whether the request took effect.
    pub(super) async fn once(
        &self,
        request: RequestBuilder,
        number: u32,
        unsure: &AtomicBool,
    ) -> Result<Answer, Failed<Tried>> {
        let request = request.header(AUTHORIZATION, self.bearer.clone()).header(ACCEPT, MEDIA_TYPE);
        match web::once(request, number).await {
            Ok(answer) => self.judge(of_rest(answer), unsure),
            Err(lost) => {
                unsure.store(true, Ordering::Relaxed);
                Err(self.unavailable(lost.reason, lost.class, number, lost.class.again(None)))
            }
        }
    }

    fn judge(&self, answer: Answer, unsure: &AtomicBool) -> Result<Answer, Failed<Tried>> {
        let why = format!("{}: {}", answer.status, answer.words());
        let asked = limit::asked(&answer);
        match Class::of_status(answer.status) {
            None if answer.body.is_empty() || serde_json::from_slice::<IgnoredAny>(&answer.body).is_ok() => {
                Ok(answer)
            }
            Some(class @ Class::Transient(_)) if !limit::limited(&answer) => {
                unsure.fetch_or(answer.status >= 500, Ordering::Relaxed);
                Err(self.unavailable(why, class, answer.attempts, class.again(asked)))
            }
            _ => {
                let error = GitHubError::refused(&self.what, &answer, unsure.load(Ordering::Relaxed));
                let again = if limit::limited(&answer) { Again::After(asked) } else { Again::No };
                Err(Failed { error: Tried { error, why }, again })
            }
        }
    }

    pub(super) fn unavailable(
        &self,
        why: String,
        class: Class,
        attempts: u32,
        again: Again,
    ) -> Failed<Tried> {
        let error =
            GitHubError::Unavailable { what: self.what.clone(), answer: why.clone(), class, attempts };
        Failed { error: Tried { error, why }, again }
    }
}

/// `https://api.github.com/graphql`, or `https://ghe.example/api/graphql` beside `/api/v3`
/// ([forming calls](https://docs.github.com/en/graphql/guides/forming-calls-with-graphql#the-graphql-endpoint)).
fn graphql_url(server: &str) -> String {
    format!("{}{GRAPHQL}", server.strip_suffix("/v3").unwrap_or(server))
}

/// Converts GraphQL's errors, which come with status 200, to the answer that REST would give. octocrab's own type
/// for them lacks the kind of error.
fn of_rest(answer: Answer) -> Answer {
    #[derive(serde::Deserialize)]
    struct Refusals {
        errors: Vec<Refusal>,
    }
    #[derive(serde::Deserialize)]
    struct Refusal {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        message: String,
    }
    if answer.status != 200 {
        return answer;
    }
    let Ok(Refusals { errors }) = serde_json::from_slice(&answer.body) else { return answer };
    let Some(first) = errors.first() else { return answer };
    let status = match first.kind.as_str() {
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => 403,
        "NOT_FOUND" => 404,
        "RATE_LIMITED" | "RATE_LIMIT" => 429,
        _ => 422,
    };
    let messages: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
    let body = json!({ "message": messages.join("; ") }).to_string().into();
    Answer { status, body, ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphql_is_beside_rest() {
        for (api, graphql) in [
            ("https://api.github.com", "https://api.github.com/graphql"),
            ("https://ghe.example/api/v3", "https://ghe.example/api/graphql"),
            ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ] {
            assert_eq!(graphql_url(api), graphql);
        }
    }

    #[test]
    fn an_error_in_a_200_is_one() {
        let answer = |body: &str| {
            let (body, headers) = (body.to_owned().into(), http::HeaderMap::new());
            of_rest(Answer { status: 200, headers, body, attempts: 1 })
        };
        assert_eq!(answer(r#"{"data":{"updateRefs":{"clientMutationId":null}}}"#).status, 200);
        for (kind, status) in [("FORBIDDEN", 403), ("RATE_LIMITED", 429), ("NOT_FOUND", 404), ("", 422)] {
            let answer =
                answer(&format!(r#"{{"data":null,"errors":[{{"type":"{kind}","message":"No."}}]}}"#));
            assert_eq!((answer.status, answer.words().as_str()), (status, "No."));
        }
    }
}
