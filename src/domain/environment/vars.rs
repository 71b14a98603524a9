//! The `vars` input: the JSON of GitHub's `vars` context.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::error::EnvironmentError;
use super::key::Key;
use super::matrix::Matrix;
use super::stage::Stage;
use super::value::{Given, Origin, Value};

/// The parts of the `vars` context that p2p uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vars {
    /// The values of the job's own environment.
    pub values: Given,
    matrices: BTreeMap<Stage, Matrix>,
}

const EXPECTED: &str = "give the input `vars: ${{ toJSON(vars) }}`";

impl Vars {
    /// Reads the JSON text. Unknown names are ignored, whatever their values are.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let wrong =
            |place: String, problem: String| EnvironmentError::Vars { place, problem, expected: EXPECTED };
        // serde_json's message contains no value, only the line, the column and what was expected.
        let json = serde_json::from_str(text)
            .map_err(|error| wrong("input vars".to_owned(), format!("no JSON: {error}")))?;
        let object = match json {
            Json::Null => return Ok(Self::default()),
            Json::Object(object) => object,
            _ => return Err(wrong("input vars".to_owned(), "not a JSON object".to_owned())),
        };
        let mut values = Given::new();
        for key in Key::ALL {
            let Some(name) = key.vars_name() else { continue };
            let text = match object.get(name) {
                None | Some(Json::Null) => continue,
                Some(Json::String(text)) => text.trim().to_owned(),
                Some(Json::Number(number)) => number.to_string(),
                Some(_) => return Err(wrong(format!("vars.{name}"), "not a text".to_owned())),
            };
            if !text.is_empty() {
                values.insert(key, Value::new(text, Origin::Vars(name)));
            }
        }
        let mut matrices = BTreeMap::new();
        for stage in Stage::ALL {
            let name = stage.variable();
            if let Some(json) = object.get(name)
                && let Some(matrix) = Matrix::read(&format!("vars.{name}"), json)?
            {
                matrices.insert(stage, matrix);
            }
        }
        Ok(Self { values, matrices })
    }

    /// The matrix of a stage, from `FAST_FEEDBACK`, `EXTENDED_TEST` or `PROD`.
    pub fn matrix(&self, stage: Stage) -> Option<&Matrix> {
        self.matrices.get(&stage)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_context_of_github_is_read() {
        let vars = Vars::parse(
            r#"{"BASE_DOMAIN": "dev.acme.io", "PROJECT_NUMBER": 123456789012, "REGION": " ", "PROJECT_ID": null,
                "UNRELATED": {"a": 1}, "FAST_FEEDBACK": "{\"include\": [{\"deploy_env\": \"gcp-dev\", \"runs_on\": \"big\"}]}",
                "EXTENDED_TEST": {"include": []}, "PROD": ""}"#,
        )
        .unwrap();
        let values: Vec<String> =
            vars.values.values().map(|value| format!("{}={}", value.origin, value.text)).collect();
        assert_eq!(values, ["vars.PROJECT_NUMBER=123456789012", "vars.BASE_DOMAIN=dev.acme.io"]);
        assert_eq!(
            serde_json::to_string(vars.matrix(Stage::FastFeedback).unwrap()).unwrap(),
            r#"{"include":[{"deploy_env":"gcp-dev","runs_on":"big"}]}"#
        );
        assert_eq!(vars.matrix(Stage::ExtendedTest).unwrap().include, []);
        assert_eq!(vars.matrix(Stage::Prod), None);
        assert_eq!(Vars::parse("{}").unwrap(), Vars::default());
        assert_eq!(Vars::parse("null").unwrap(), Vars::default());
    }

    #[test]
    fn mistakes_say_where_and_what() {
        let cases = [
            ("", "input vars: no JSON: EOF while parsing a value at line 1 column 0"),
            ("[]", "input vars: not a JSON object"),
            (r#"{"REGION": ["a"]}"#, "vars.REGION: not a text"),
            (r#"{"PROD": "gcp-prod"}"#, "vars.PROD: no JSON: expected value at line 1 column 1"),
            (r#"{"PROD": {"deploy_env": ["a"]}}"#, "vars.PROD: no object with a list `include`"),
            (r#"{"PROD": "{\"include\": [\"a\"]}"}"#, "vars.PROD: entry 1 of `include` is not an object"),
            (
                r#"{"FAST_FEEDBACK": {"include": [{"deploy_env": "a"}, {"env": "b"}]}}"#,
                "vars.FAST_FEEDBACK: entry 2 of `include` has no deploy_env",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Vars::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
