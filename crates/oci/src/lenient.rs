//! Optional fields in JSON from others. A field that cannot be read counts as missing.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An optional field. Its default if it is null or has another type.
pub(super) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    field: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(field)?).unwrap_or_default())
}

/// Texts by name. Entries that are not texts are left out.
pub(super) fn texts<'de, D: Deserializer<'de>>(field: D) -> Result<BTreeMap<String, String>, D::Error> {
    let fields: BTreeMap<String, Value> = optional(field)?;
    let text = |(name, value)| match value {
        Value::String(text) => Some((name, text)),
        _ => None,
    };
    Ok(fields.into_iter().filter_map(text).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Read {
        #[serde(deserialize_with = "optional")]
        list: Vec<String>,
        #[serde(deserialize_with = "optional")]
        text: Option<String>,
        #[serde(deserialize_with = "texts")]
        texts: BTreeMap<String, String>,
    }

    #[test]
    fn a_field_that_cannot_be_read_is_its_default() {
        for text in [
            "{}",
            r#"{"list":null,"text":null,"texts":null}"#,
            r#"{"list":"a","text":{},"texts":[]}"#,
            r#"{"list":[1],"text":1.5,"texts":{"a":null,"b":{}}}"#,
        ] {
            assert_eq!(serde_json::from_str::<Read>(text).unwrap(), Read::default(), "{text}");
        }
        let whole = r#"{"list":["a"],"text":"b","texts":{"c":"d","e":1}}"#;
        let read: Read = serde_json::from_str(whole).unwrap();
        assert_eq!((read.list.len(), read.text.as_deref(), read.texts.len()), (1, Some("b"), 1));
        // Invalid JSON is not a document.
        serde_json::from_str::<Read>(r#"{"list":"#).unwrap_err();
    }
}
