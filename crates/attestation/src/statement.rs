//! The statement to sign: a predicate about one image.

use serde_json::{Value, json};

use crate::error::VerifyError;
use crate::json;

/// The type of every statement (in-toto attestation framework, version 1).
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The payload type of a DSSE envelope with a statement.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The largest statement, in bytes. A gate of hundreds of targets stays under 100 KiB.
const LARGEST: usize = 1024 * 1024;

/// A statement about one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The image's name. It is for people only; the digest decides.
    pub name: String,
    /// The image's digest: `sha256:` or `sha512:`, and its hexadecimal digits.
    pub digest: String,
    /// The URI that defines the predicate.
    pub predicate_type: String,
    pub predicate: Value,
}

impl Statement {
    /// A statement about the image `digest`.
    ///
    /// # Errors
    /// If the digest is neither SHA-256 nor SHA-512.
    pub fn new(
        name: &str,
        digest: &str,
        predicate_type: &str,
        predicate: Value,
    ) -> Result<Self, VerifyError> {
        parts(digest).ok_or_else(|| VerifyError::Statement(format!("{digest:?} is no digest")))?;
        Ok(Self {
            name: name.to_owned(),
            digest: digest.to_owned(),
            predicate_type: predicate_type.to_owned(),
            predicate,
        })
    }

    /// The statement as JSON, which is what is signed.
    pub fn to_json(&self) -> Vec<u8> {
        let (algorithm, digest) = self.digest.split_once(':').unwrap_or_default();
        let statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": [{ "name": self.name, "digest": { algorithm: digest } }],
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        });
        statement.to_string().into_bytes()
    }

    /// Parses a statement with one subject and one digest.
    ///
    /// # Errors
    /// If it could be read in two ways, or is no statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let wrong = |problem: String| VerifyError::Statement(problem);
        let value = json::parse(bytes, LARGEST).map_err(wrong)?;
        let text = |key: &str| {
            let text = value.get(key).and_then(Value::as_str);
            text.ok_or_else(|| VerifyError::Statement(format!("`{key}` is not a text")))
        };
        let kind = text("_type")?;
        if kind != STATEMENT_TYPE {
            return Err(wrong(format!("its type is {kind:?}, not {STATEMENT_TYPE:?}")));
        }
        let subjects = value.get("subject").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let [subject] = subjects else {
            return Err(wrong(format!("it has {} subjects, not one", subjects.len())));
        };
        let digests = subject.get("digest").and_then(Value::as_object);
        let only = digests.filter(|digests| digests.len() == 1).and_then(|digests| digests.iter().next());
        let digest = only.map(|(algorithm, hex)| format!("{algorithm}:{}", hex.as_str().unwrap_or_default()));
        let digest = digest.filter(|digest| parts(digest).is_some());
        Ok(Self {
            name: subject.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            digest: digest.ok_or_else(|| wrong("its subject has not one digest".to_owned()))?,
            predicate_type: text("predicateType")?.to_owned(),
            predicate: value.get("predicate").cloned().unwrap_or_default(),
        })
    }
}

/// The algorithm and the digits of a digest.
pub(crate) fn parts(digest: &str) -> Option<(&str, &str)> {
    let (algorithm, digits) = digest.split_once(':')?;
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let known = matches!((algorithm, digits.len()), ("sha256", 64) | ("sha512", 128));
    (known && digits.bytes().all(lower)).then_some((algorithm, digits))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn digest() -> String {
        format!("sha256:{}", "5a".repeat(32))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let statement =
            Statement::new("app", &digest(), "https://example.com/v1", json!({"a": [1, "ü"]})).unwrap();
        assert_eq!(Statement::parse(&statement.to_json()).unwrap(), statement);
    }

    #[test]
    fn statements_that_one_could_read_in_two_ways_are_refused() {
        let good =
            String::from_utf8(Statement::new("app", &digest(), "t", json!({})).unwrap().to_json()).unwrap();
        let subject = good.split_once("\"subject\":[").unwrap().1.split_once("],").unwrap().0.to_owned();
        for (bad, message) in [
            (good.replace(&subject, &format!("{subject},{subject}")), "2 subjects"),
            (good.replace(&subject, ""), "0 subjects"),
            (good.replace("\"sha256\":", "\"sha512\":\"ab\",\"sha256\":"), "not one digest"),
            (good.replace("5a5a", "5A5A"), "not one digest"),
            (good.replace("5a5a", ""), "not one digest"),
            (good.replace("Statement/v1", "Statement/v0.1"), "its type is"),
            (good.replace("\"predicate\":{}", "\"predicate\":{},\"predicate\":{}"), "occurs twice"),
            (good.replace("\"predicateType\":\"t\"", "\"predicateType\":1"), "`predicateType` is not a text"),
            ("{}".to_owned(), "`_type` is not a text"),
            (String::new(), "EOF"),
        ] {
            let error = Statement::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{bad}: {error}");
        }
        for bad in ["", "sha256:", "sha256:5a", "sha512:5a", &digest().to_uppercase()] {
            Statement::new("app", bad, "t", json!({})).unwrap_err();
        }
    }
}
