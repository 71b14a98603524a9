//! Answers, and the errors of the distribution API as JSON.

use std::error::Error;
use std::io;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use serde_json::{Value, json};

/// The bodies of requests and answers.
pub type Body = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// The header that every answer about content carries.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// An answer under construction.
#[derive(Debug)]
pub(super) struct Answer(Response<Body>);

impl Answer {
    /// An answer without a body.
    pub(super) fn new(status: StatusCode) -> Self {
        let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
        *response.status_mut() = status;
        Self(response)
    }

    /// Adds a header. A text that is not a valid header value is left out.
    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.0.headers_mut().append(name, value);
        }
        self
    }

    /// Adds a complete body and its length.
    #[must_use]
    pub(super) fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        self.stream(length, Full::new(bytes).map_err(|never| match never {}).boxed())
    }

    /// Adds a streaming body of `length` bytes.
    #[must_use]
    pub(super) fn stream(mut self, length: u64, body: Body) -> Self {
        *self.0.body_mut() = body;
        self.header(CONTENT_LENGTH, length.to_string())
    }

    /// A JSON body.
    #[must_use]
    pub(super) fn json(self, value: &Value) -> Self {
        self.header(CONTENT_TYPE, "application/json").bytes(value.to_string())
    }

    /// The response for hyper.
    pub(super) fn into_response(self) -> Response<Body> {
        self.0
    }
}

/// A refused request: a status and an error of the distribution API ("Error Codes").
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    detail: Box<Value>,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    /// Refuses a request with one of the specification's error codes.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: Box::new(Value::Null), headers: Vec::new() }
    }

    /// 400 with this code.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404 with this code.
    pub(super) fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 405.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this method is not supported here")
    }

    /// Adds facts for programs.
    #[must_use]
    pub(super) fn detail(mut self, detail: Value) -> Self {
        *self.detail = detail;
        self
    }

    /// Adds a header.
    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer for the client.
    pub(super) fn into_answer(self) -> Answer {
        let error = json!({"code": self.code, "message": self.message, "detail": self.detail});
        let answer = Answer::new(self.status).json(&json!({"errors": [error]}));
        self.headers.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value))
    }
}

/// The disk failed, most often because it is full: 500. The reason is for the owner.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", format!("the store failed: {error}"))
    }
}
