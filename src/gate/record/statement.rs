//! The form in which a record is stored: an in-toto statement
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>). Pure.

use attestation::{Statement, VerifyError};
use serde_json::{Value, json};

use super::value::{Judgement, Record};
use oci::Digest;

/// The type of our predicate. `docs/records.md` describes it.
pub const PREDICATE_TYPE: &str = "https://github.com/coreeng/p2p-action/gate/v1";

/// SLSA's verification summary.
pub(super) const SUMMARY_TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// The verifier in SLSA's summary: this product.
const VERIFIER: &str = "https://github.com/coreeng/p2p-action";
/// The description of a gate's rules.
const POLICY: &str = "https://github.com/coreeng/p2p-action/blob/v1/docs/records.md";

/// The longest text of a record, in bytes.
const LONGEST: usize = 2000;
/// The most targets of a record.
const MOST: usize = 100;

/// The statement that a record is.
///
/// # Errors
/// If the digest is of no algorithm that statements know.
pub(super) fn of(record: &Record, digest: &Digest) -> Result<Statement, VerifyError> {
    let predicate = serde_json::to_value(record).unwrap_or_default();
    Statement::new(&record.image.to_string(), digest.as_str(), PREDICATE_TYPE, predicate)
}

/// Reads a statement about the image `digest`.
///
/// # Errors
/// The reason, if it is not one of our statements or is about another image.
pub(super) fn parse(statement: &[u8], digest: &Digest) -> Result<Record, String> {
    let statement = Statement::parse(statement).map_err(|error| error.to_string())?;
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(format!("it is a statement of another type, {:?}", statement.predicate_type));
    }
    if statement.digest != digest.as_str() {
        return Err("it is about another image".to_owned());
    }
    of_predicate(statement.predicate)
}

/// Reads the predicate of a statement with a verified signature.
///
/// # Errors
/// The reason, if it is not a record.
pub(super) fn of_predicate(predicate: Value) -> Result<Record, String> {
    let record = serde_json::from_value::<Record>(predicate)
        .map_err(|error| format!("its predicate cannot be read: {error}"))?;
    if serde_json::to_value(&record).is_ok_and(|value| is_odd(&value)) {
        return Err("one of its texts is too long or not one line".to_owned());
    }
    match record.time() {
        Some(_) => Ok(record),
        None => Err(format!("its time {:?} is none", record.judged)),
    }
}

/// The part of a record that SLSA's verifiers read (<https://slsa.dev/spec/v1.1/verification_summary>).
pub(super) fn summary(record: &Record) -> Value {
    let stage = record.stage.as_deref().unwrap_or("none").to_uppercase().replace('-', "_");
    let passed = record.result == Judgement::Passed;
    let levels = if passed { vec![format!("P2P_{stage}")] } else { Vec::new() };
    json!({
        "verifier": { "id": VERIFIER, "version": { "p2p": sys::VERSION } },
        "timeVerified": record.judged,
        "resourceUri": format!("oci://{}", record.image),
        "policy": { "uri": POLICY },
        "inputAttestations": [],
        "verificationResult": if passed { "PASSED" } else { "FAILED" },
        "verifiedLevels": levels,
        "slsaVersion": "1.1",
    })
}

/// Whether a text of a record could look like more than one line of a log, or is too long.
fn is_odd(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > LONGEST || text.chars().any(char::is_control),
        Value::Array(values) => values.len() > MOST || values.iter().any(is_odd),
        Value::Object(values) => values.values().any(is_odd),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::super::rule::tests::record;
    use super::*;

    #[test]
    fn the_policies_of_the_documents_fit_what_is_signed() {
        let policies = include_str!("../../../docs/admission.md");
        let passed = record("extended-test", "2026-01-02T03:04:05Z");
        let predicate = serde_json::to_value(&passed).unwrap();
        for key in ["result", "stage", "repository", "ref"] {
            assert!(policies.contains(&format!("{key}: {}\n", predicate[key])), "{key}");
        }
        let summary = summary(&passed);
        for pointer in ["/verifier/id", "/verificationResult"] {
            let (path, value) = (pointer[1..].replace('/', "."), summary.pointer(pointer).unwrap());
            let condition =
                format!("key: \"{{{{ {path} }}}}\", operator: Equals, value: {}", value.as_str().unwrap());
            assert!(policies.contains(&condition), "{condition}");
        }
        let level = summary["verifiedLevels"][0].as_str().unwrap();
        assert!(policies.contains(&format!("key: {level}, operator: AnyIn")), "{level}");
        assert!([PREDICATE_TYPE, SUMMARY_TYPE].iter().all(|kind| policies.contains(kind)));
    }

    #[test]
    fn a_statement_is_about_one_image_and_says_that_it_is_not_signed() {
        let (digest, other) = (Digest::of("a"), Digest::of("b"));
        let record = record("fast-feedback", "2026-01-02T03:04:05Z");
        let text = String::from_utf8(of(&record, &digest).unwrap().to_json()).unwrap();
        assert!(text.contains("not signed") && text.contains(digest.hex()), "{text}");
        assert!(text.starts_with(r#"{"_type":"https://in-toto.io/Statement/v1""#), "{text}");
        assert_eq!(parse(text.as_bytes(), &digest).unwrap(), record);
        assert_eq!(parse(text.as_bytes(), &other).unwrap_err(), "it is about another image");
        for (from, to, message) in [
            (PREDICATE_TYPE, "https://slsa.dev/provenance/v1", "another type"),
            ("2026-01-02T03:04:05Z", "yesterday", "its time \"yesterday\" is none"),
            ("acme/shop", "acme/shop\\n::error::x", "not one line"),
            ("acme/shop", &"x".repeat(2001), "too long"),
            ("PASSED", "FINE", "its predicate cannot be read"),
            (r#""subject":[{"#, r#""subject":[{"name":"x","digest":{}},{"#, "it has 2 subjects"),
            (r#""predicate":{"#, r#""predicate":{"result":"FAILED","#, "occurs twice"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            let read = parse(changed.as_bytes(), &digest);
            assert!(read.as_ref().is_err_and(|reason| reason.contains(message)), "{message}: {read:?}");
        }
        parse(b"{}", &digest).unwrap_err();
    }
}
