//! Pure: the record as a value, and as an in-toto statement
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>).

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Repository};

/// The type of an in-toto statement.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// What our predicate is; `docs/promotion.md` describes it.
pub const PREDICATE_TYPE: &str = "https://github.com/coreeng/p2p-action/promotion/v1";

/// What every record says of itself, and whoever shows one should too.
pub const UNSIGNED: &str = "not signed: it informs, it does not protect";

/// One promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`UNSIGNED`].
    pub trust: String,
    /// The version, which is the tag.
    pub version: String,
    /// The repository on GitHub, `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The commit, in full.
    pub commit: String,
    /// The address of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The stages that the image had passed when it was promoted, by this run's account; none where it was
    /// promoted by hand.
    pub stages: Vec<Passed>,
    /// Where it was: `<registry>/<path>/<name>:<version>`.
    pub source: String,
    /// Where it went.
    pub destination: String,
    /// When, RFC 3339.
    pub promoted: String,
}

/// A stage that was passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// `fast-feedback`, `extended-test`.
    pub name: String,
    /// When, RFC 3339.
    pub passed: String,
    /// What ran in it, in order. Empty where another job ran it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepTook>,
}

/// A step of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepTook {
    /// The make target.
    pub name: String,
    /// `passed`, `skipped`, `nothing`.
    pub result: String,
    /// How long it took.
    pub milliseconds: u64,
}

#[derive(Serialize, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Record,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: std::collections::BTreeMap<String, String>,
}

impl Record {
    /// The statement about the image `digest` at `repository`, as JSON.
    ///
    /// # Errors
    /// Where it cannot be written as JSON, which does not happen with text.
    pub fn statement(&self, repository: &Repository, digest: &Digest) -> serde_json::Result<String> {
        serde_json::to_string(&Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject {
                name: repository.to_string(),
                digest: [(digest.algorithm().to_owned(), digest.hex().to_owned())].into(),
            }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: self.clone(),
        })
    }

    /// Reads a statement back.
    ///
    /// # Errors
    /// A reason, where it is none of ours or about another image.
    pub fn parse(statement: &[u8], digest: &Digest) -> Result<Self, String> {
        let statement: Statement = serde_json::from_slice(statement).map_err(|error| error.to_string())?;
        if statement.kind != STATEMENT_TYPE || statement.predicate_type != PREDICATE_TYPE {
            return Err(format!("it is a statement of another type, {:?}", statement.predicate_type));
        }
        let about =
            |subject: &Subject| subject.digest.get(digest.algorithm()).is_some_and(|hex| hex == digest.hex());
        if !statement.subject.iter().any(about) {
            return Err("it is about another image".to_owned());
        }
        Ok(statement.predicate)
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    /// A record of a promotion after `stage`.
    pub(in crate::record) fn record(stage: &str, promoted: &str) -> Record {
        Record {
            trust: UNSIGNED.to_owned(),
            version: "1.2.3".to_owned(),
            repository: Some("acme/shop".to_owned()),
            commit: "c0ffee".repeat(6),
            run: Some("https://github.com/acme/shop/actions/runs/7".to_owned()),
            stages: vec![Passed {
                name: stage.to_owned(),
                passed: promoted.to_owned(),
                steps: vec![StepTook {
                    name: "p2p-build".to_owned(),
                    result: "passed".to_owned(),
                    milliseconds: 1500,
                }],
            }],
            source: "r.example/test/app:1.2.3".to_owned(),
            destination: "r.example/extended-test/app:1.2.3".to_owned(),
            promoted: promoted.to_owned(),
        }
    }

    #[test]
    fn a_statement_is_about_one_image_and_says_that_it_is_not_signed() {
        let (digest, other) = (Digest::of("a"), Digest::of("b"));
        let record = record("fast-feedback", "2026-01-02T03:04:05Z");
        let text = record.statement(&"r.example/test/app".parse().unwrap(), &digest).unwrap();
        assert!(text.contains(UNSIGNED) && text.contains(digest.hex()), "{text}");
        assert!(text.starts_with(r#"{"_type":"https://in-toto.io/Statement/v1""#), "{text}");
        assert_eq!(Record::parse(text.as_bytes(), &digest).unwrap(), record);
        assert_eq!(Record::parse(text.as_bytes(), &other).unwrap_err(), "it is about another image");
        let foreign = text.replace(PREDICATE_TYPE, "https://slsa.dev/provenance/v1");
        assert!(Record::parse(foreign.as_bytes(), &digest).unwrap_err().contains("another type"));
        Record::parse(b"{}", &digest).unwrap_err();
    }
}
