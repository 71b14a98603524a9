//! The environments of a gate, in the form of GitHub's `strategy.matrix`.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::error::EnvironmentError;

/// The environments of a gate: `{"include": [{"deploy_env": "gcp-dev"}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The entries. Each is one job.
    pub include: Vec<MatrixEntry>,
}

/// One environment of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixEntry {
    /// The environment's name.
    pub deploy_env: String,
    /// All other keys, unchanged.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

const EXPECTED: &str = r#"write {"include": [{"deploy_env": "gcp-dev"}]}, one entry an environment"#;

impl Matrix {
    /// A matrix with these environments.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let entry = |name: &str| MatrixEntry { deploy_env: name.to_owned(), extra: Map::new() };
        Self { include: names.into_iter().map(entry).collect() }
    }

    /// Reads the input `matrix`: a matrix as JSON, or names separated by white space or commas.
    ///
    /// # Errors
    /// The error names the entry that is invalid.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let place = "input matrix";
        if text.trim_start().starts_with(['{', '[', '"']) {
            return Self::read(place, &Json::String(text.to_owned()))?.unwrap_or(Self::of([])).named(place);
        }
        let names = text.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty());
        let matrix = Self::of(names);
        matrix.distinct(place)?;
        matrix.named(place)
    }

    /// Returns the matrix if it names an environment. GitHub refuses a `strategy.matrix` without entries.
    ///
    /// # Errors
    /// If it names none.
    pub fn named(self, place: &str) -> Result<Self, EnvironmentError> {
        if self.include.is_empty() {
            return Err(wrong(place, "it names no environment"));
        }
        Ok(self)
    }

    /// Reads a matrix: a JSON text, as in a GitHub variable, or the object itself. `None` for an empty text.
    pub(super) fn read(place: &str, json: &Json) -> Result<Option<Self>, EnvironmentError> {
        let parsed;
        let json = match json {
            Json::Null => return Ok(None),
            Json::String(text) if text.trim().is_empty() => return Ok(None),
            Json::String(text) => {
                parsed =
                    serde_json::from_str(text).map_err(|error| wrong(place, format!("no JSON: {error}")))?;
                &parsed
            }
            other => other,
        };
        let entries = json
            .get("include")
            .and_then(Json::as_array)
            .ok_or_else(|| wrong(place, "no object with a list `include`"))?;
        // Other keys would multiply the jobs, and have no effect in a single job.
        if let Some(key) = json.as_object().and_then(|object| object.keys().find(|key| *key != "include")) {
            return Err(wrong(place, format!("it has the key {key:?} beside `include`")));
        }
        let mut include = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            include.push(
                MatrixEntry::read(entry).map_err(|problem| {
                    wrong(place, format!("entry {} of `include` {problem}", position + 1))
                })?,
            );
        }
        let matrix = Self { include };
        matrix.distinct(place)?;
        Ok(Some(matrix))
    }

    /// Checks that the environments differ. Two jobs in one environment would disturb each other.
    fn distinct(&self, place: &str) -> Result<(), EnvironmentError> {
        for (position, entry) in self.include.iter().enumerate() {
            let name = &entry.deploy_env;
            if let Some(first) = self.include[..position].iter().position(|before| before.deploy_env == *name)
            {
                let (first, second) = (first + 1, position + 1);
                return Err(wrong(place, format!("entries {first} and {second} are both {name:?}")));
            }
        }
        Ok(())
    }
}

impl MatrixEntry {
    fn read(entry: &Json) -> Result<Self, String> {
        let mut extra = entry.as_object().cloned().ok_or("is not an object")?;
        let name = extra.shift_remove("deploy_env").ok_or("has no deploy_env")?;
        let name = name.as_str().ok_or("has a deploy_env that is not a text")?.trim();
        if name.is_empty() {
            return Err("has an empty deploy_env".to_owned());
        }
        if name.chars().any(char::is_control) {
            return Err(format!("has the deploy_env {name:?}, which holds a control character"));
        }
        Ok(Self { deploy_env: name.to_owned(), extra })
    }
}

fn wrong(place: &str, problem: impl Into<String>) -> EnvironmentError {
    EnvironmentError::Vars { place: place.to_owned(), problem: problem.into(), expected: EXPECTED }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use sys::error::Failure;

    #[test]
    fn extra_keys_and_their_order_are_kept() {
        let text = r#"{"include":[{"deploy_env":"gcp-dev","runs_on":["big","arm"],"a":1},{"deploy_env":"gcp-dev2"}]}"#;
        let matrix = Matrix::parse(text).unwrap();
        assert_eq!(serde_json::to_string(&matrix).unwrap(), text);
        assert_eq!(Matrix::parse(" gcp-dev, gcp-dev2\n").unwrap(), Matrix::of(["gcp-dev", "gcp-dev2"]));
    }

    #[test]
    fn each_mistake_has_its_message() {
        let mut message = String::new();
        for text in [
            "{",
            "[]",
            "[{\"deploy_env\": \"a\"}]",
            r#"{"deploy_env": ["a", "b"]}"#,
            r#"{"include": {"deploy_env": "a"}}"#,
            r#"{"include": []}"#,
            r#"{"include": [{"deploy_env": "a"}], "exclude": []}"#,
            r#"{"include": ["a"]}"#,
            r#"{"include": [{"deploy_env": "a"}, {"env": "b"}]}"#,
            r#"{"include": [{"deploy_env": 1}]}"#,
            r#"{"include": [{"deploy_env": " "}]}"#,
            r#"{"include": [{"deploy_env": "a\nb"}]}"#,
            r#"{"include": [{"deploy_env": "a"}, {"deploy_env": "b"}, {"deploy_env": "a "}]}"#,
            "a b,a",
            ", ,",
        ] {
            let failure = Failure::from(Matrix::parse(text).unwrap_err());
            message = format!("{message}{text}\n{failure}\n\n");
        }
        insta::assert_snapshot!(message);
    }
}
