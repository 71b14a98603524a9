//! What is wrong with a name or a digest.

use sys::error::{Exit, Help};
use workflow_commands::cut;

/// A name or a digest that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not valid: {why}")]
pub struct ReferenceError {
    kind: &'static str,
    text: String,
    pub(super) why: String,
}

impl ReferenceError {
    pub(super) fn new(kind: &'static str, text: &str, why: impl Into<String>) -> Self {
        Self { kind, text: cut(text, 300), why: why.into() }
    }
}

impl Help for ReferenceError {
    fn help(&self) -> Option<String> {
        Some(
            match self.kind {
                "digest" => "write it as sha256:<64 hexadecimal digits>",
                "tag" => "a tag has letters, digits, '_', '.' and '-', at most 128, and starts with none of '.' and '-'",
                "repository" => "write it as host[:port]/name, in lower case, for example ghcr.io/acme/shop",
                _ => "write it as host[:port]/name[:tag][@sha256:…], for example ghcr.io/acme/shop:1.2.3",
            }
            .to_owned(),
        )
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
