//! The entries of environments, in the input `environments` and in the repository's `.p2p.yaml`.

use std::collections::BTreeMap;

use super::error::EnvironmentError;
use super::key::Key;
use super::value::{Given, Origin, Value};
use sys::yaml::{self, Node, YamlError};

/// Where a text comes from, for errors and origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextSource {
    /// The `environments` input.
    Input,
    /// The repository's `.p2p.yaml`.
    File,
}

impl TextSource {
    fn name(self) -> &'static str {
        match self {
            Self::Input => "input environments",
            Self::File => SettingsFile::NAME,
        }
    }
}

/// The name of the entry for the job's own environment, whatever its name is.
pub(super) const OWN: &str = "";

/// The entries by environment name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environments(BTreeMap<String, Given>);

/// The content of `.p2p.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsFile {
    /// The value of the key `environments`.
    pub environments: Environments,
}

impl Environments {
    /// Reads the input `environments`: YAML or JSON, with a map from environment names to maps with the keys of
    /// [`Key`].
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let node = yaml::parse(text).map_err(|error| unreadable(TextSource::Input, error))?;
        Self::read(TextSource::Input, &node)
    }

    /// The entry of an environment.
    pub fn entry(&self, environment: &str) -> Option<&Given> {
        self.0.get(environment)
    }

    /// The entries that have a name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&String, &Given)> {
        self.0.iter().filter(|(name, _)| *name != OWN)
    }

    /// Adds the keys of `other` that are missing here.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (environment, values) in other.0 {
            let entry = self.0.entry(environment).or_default();
            for (key, value) in values {
                entry.entry(key).or_insert(value);
            }
        }
        self
    }

    fn read(place: TextSource, node: &Node) -> Result<Self, EnvironmentError> {
        let mut environments = BTreeMap::new();
        if node.is_null() {
            return Ok(Self(environments));
        }
        let entries = node
            .entries()
            .ok_or_else(|| wrong(place, node, "a map from environment names to their values is expected"))?;
        for (environment, values) in entries {
            environments.insert(environment.clone(), read_entry(place, environment, values)?);
        }
        Ok(Self(environments))
    }
}

fn read_entry(place: TextSource, environment: &str, node: &Node) -> Result<Given, EnvironmentError> {
    if node.is_null() {
        return Ok(Given::new());
    }
    let entries = node
        .entries()
        .ok_or_else(|| wrong(place, node, format!("a map of the values of {environment} is expected")))?;
    let mut given = Given::new();
    for (name, node) in entries {
        let key = Key::named(name).ok_or_else(|| {
            let known: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
            EnvironmentError::Text {
                place: place.name(),
                line: node.line,
                problem: format!("{environment} has an unknown key {name:?}"),
                expected: format!("the keys are {}", known.join(", ")),
            }
        })?;
        if node.is_null() {
            continue;
        }
        let text = node
            .text()
            .ok_or_else(|| wrong(place, node, format!("the {key} of {environment} must be one text")))?
            .trim();
        if !text.is_empty() {
            let environment = environment.to_owned();
            let origin = match place {
                TextSource::Input => Origin::Environments { environment, key },
                TextSource::File => Origin::File { environment, key },
            };
            given.insert(key, Value::new(text, origin));
        }
    }
    Ok(given)
}

impl SettingsFile {
    /// The name of the file.
    pub const NAME: &str = ".p2p.yaml";

    /// Reads the text of `.p2p.yaml`. An unknown top-level key is an error: it is a typing mistake, or meant for a
    /// later version that would use it.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        let node = yaml::parse(text).map_err(|error| unreadable(TextSource::File, error))?;
        let mut settings = Self::default();
        if node.is_null() {
            return Ok(settings);
        }
        let entries = node
            .entries()
            .ok_or_else(|| wrong(TextSource::File, &node, "a map with the key `environments` is expected"))?;
        for (name, node) in entries {
            match name.as_str() {
                "environments" => settings.environments = Environments::read(TextSource::File, node)?,
                _ => {
                    return Err(EnvironmentError::Text {
                        place: TextSource::File.name(),
                        line: node.line,
                        problem: format!("unknown key {name:?}"),
                        expected: "the one key at the top is `environments`".to_owned(),
                    });
                }
            }
        }
        Ok(settings)
    }
}

/// An example of a correct entry, for the help.
const EXAMPLE: [&str; 4] =
    ["gcp-dev:", "  project-id: acme-dev", "  project-number: 123456789012", "  region: europe-west2"];

/// The example in the form for its place.
fn example(place: TextSource) -> String {
    let (top, indent) = match place {
        TextSource::Input => ("", ""),
        TextSource::File => ("\nenvironments:", "  "),
    };
    let lines = EXAMPLE.iter().flat_map(|line| ["\n", indent, line]);
    ["write it like this:", top].into_iter().chain(lines).collect()
}

fn wrong(place: TextSource, node: &Node, problem: impl Into<String>) -> EnvironmentError {
    EnvironmentError::Text {
        place: place.name(),
        line: node.line,
        problem: problem.into(),
        expected: example(place),
    }
}

fn unreadable(place: TextSource, error: YamlError) -> EnvironmentError {
    EnvironmentError::Text {
        place: place.name(),
        line: error.line,
        problem: error.problem,
        expected: example(place),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use sys::error::Help;

    #[test]
    fn the_example_is_right_where_it_is_shown() {
        let input = example(TextSource::Input);
        assert!(input.starts_with("write it like this:\ngcp-dev:\n  project-id: acme-dev\n"), "{input}");
        let file = example(TextSource::File);
        let text = file.strip_prefix("write it like this:\n").unwrap();
        assert!(text.starts_with("environments:\n  gcp-dev:\n    project-id: acme-dev\n"), "{text}");
    }

    fn text(environments: &Environments, environment: &str, key: Key) -> Option<String> {
        environments.entry(environment)?.get(&key).map(|value| format!("{} ({})", value.text, value.origin))
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "gcp-dev:\n  project-number: 0123\n  region: ' europe-west2 '\n  registry:\nlocal:\n";
        let json = r#"{"gcp-dev": {"project-number": 0123, "region": "europe-west2", "registry": ""}, "local": null}"#;
        for source in [yaml, json] {
            let environments = Environments::parse(source).unwrap();
            let value = |key| text(&environments, "gcp-dev", key);
            assert_eq!(
                value(Key::ProjectNumber).as_deref(),
                Some("0123 (environments[gcp-dev].project-number)")
            );
            assert_eq!(value(Key::Region).as_deref(), Some("europe-west2 (environments[gcp-dev].region)"));
            assert_eq!(value(Key::Registry), None, "an empty value is an absent one");
            assert_eq!(environments.entry("local"), Some(&Given::new()));
            assert_eq!(environments.named().map(|(name, _)| name).collect::<Vec<_>>(), ["gcp-dev", "local"]);
        }
    }

    #[test]
    fn the_input_wins_over_the_file_key_by_key() {
        let file = "environments:\n  dev: {region: a, project-id: b}\n  prod: {region: c}\n";
        let both = Environments::parse("dev: {region: x}")
            .unwrap()
            .or(SettingsFile::parse(file).unwrap().environments);
        assert_eq!(text(&both, "dev", Key::Region).as_deref(), Some("x (environments[dev].region)"));
        assert_eq!(
            text(&both, "dev", Key::ProjectId).as_deref(),
            Some("b (.p2p.yaml environments.dev.project-id)")
        );
        assert_eq!(
            text(&both, "prod", Key::Region).as_deref(),
            Some("c (.p2p.yaml environments.prod.region)")
        );
    }

    #[test]
    fn slips_are_named_with_their_line() {
        let unknown = Environments::parse("dev:\n  region: a\n  regoin: b\n").unwrap_err();
        assert_eq!(unknown.to_string(), "input environments, line 3: dev has an unknown key \"regoin\"");
        let help = unknown.help().unwrap();
        assert!(Key::ALL.iter().all(|key| help.contains(key.name())), "{help}");

        let cases = [
            (
                Environments::parse("- dev\n").err(),
                "input environments, line 1: a map from environment names to their values is expected",
            ),
            (
                Environments::parse("dev: x\n").err(),
                "input environments, line 1: a map of the values of dev is expected",
            ),
            (
                Environments::parse("dev:\n  region: [a]\n").err(),
                "input environments, line 2: the region of dev must be one text",
            ),
            (
                SettingsFile::parse("environmens:\n  dev: {}\n").err(),
                ".p2p.yaml, line 2: unknown key \"environmens\"",
            ),
            (
                SettingsFile::parse("dev").err(),
                ".p2p.yaml, line 1: a map with the key `environments` is expected",
            ),
            (
                SettingsFile::parse("environments:\n  dev: {}\n  dev: {}\n").err(),
                ".p2p.yaml, line 3: the key \"dev\" is there twice",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_file_with_nothing_in_it_says_nothing() {
        for text in ["", "# later\n", "environments:\n", "---\n"] {
            assert_eq!(SettingsFile::parse(text).unwrap(), SettingsFile::default(), "{text:?}");
        }
    }
}
