//! A value and its source.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::key::{Key, join};
use super::stage::Stage;

/// A text with its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// The text, never empty.
    #[serde(rename = "value")]
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The values from one source.
pub type Given = BTreeMap<Key, Value>;

impl Value {
    pub fn new(text: impl Into<String>, origin: Origin) -> Self {
        Self { text: text.into(), origin }
    }

    /// Whether p2p derived the value from others, so that nobody chose it.
    pub fn derived(&self) -> bool {
        matches!(self.origin, Origin::Derived(_))
    }
}

/// The source of a value, as `p2p plan` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An input: `input tenant-name`.
    Input(String),
    /// The input `environments`: `environments[gcp-dev].region`.
    Environments { environment: String, key: Key },
    /// The file `.p2p.yaml`: `.p2p.yaml environments.gcp-dev.region`.
    File { environment: String, key: Key },
    /// GitHub's `vars` context: `vars.REGION`.
    Vars(&'static str),
    /// A variable of the Makefile: `Makefile P2P_APP_NAME`.
    Makefile(&'static str),
    /// The `env-vars` input.
    EnvVars,
    /// Derived from other values: `derived from region and project-id`.
    Derived(Vec<Key>),
    /// The default.
    Default,
    /// A fact of this run, in words: `next patch after v1.2.3`.
    Run(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) => write!(f, "input {name}"),
            Self::Environments { environment, key } => {
                write!(f, "environments[{}].{key}", shown(environment))
            }
            Self::File { environment, key } => {
                write!(f, ".p2p.yaml environments.{}.{key}", shown(environment))
            }
            Self::Vars(name) => write!(f, "vars.{name}"),
            Self::Makefile(name) => write!(f, "Makefile {name}"),
            Self::EnvVars => f.write_str("input env-vars"),
            Self::Derived(keys) => write!(f, "derived from {}", join(keys)),
            Self::Default => f.write_str("default"),
            Self::Run(fact) => f.write_str(fact),
        }
    }
}

/// The name of an environment. It is empty for the entry of the job's own.
fn shown(environment: &str) -> &str {
    if environment.is_empty() { "\"\"" } else { environment }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Writes one `name  value  (origin)` per line, with aligned columns.
pub(super) fn write_table<'a>(
    f: &mut fmt::Formatter<'_>,
    rows: impl Iterator<Item = (&'a str, &'a str, &'a Origin)> + Clone,
) -> fmt::Result {
    let width = rows.clone().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (position, (name, text, origin)) in rows.enumerate() {
        if position > 0 {
            f.write_str("\n")?;
        }
        write!(f, "{name:width$}  {text}  ({origin})")?;
    }
    Ok(())
}

/// The registry paths of the stages, below the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePaths([Value; 3]);

impl StagePaths {
    /// The paths that `path` returns for each stage.
    pub fn new(path: impl FnMut(Stage) -> Value) -> Self {
        Self(Stage::ALL.map(path))
    }

    /// The path of a stage.
    pub fn of(&self, stage: Stage) -> &Value {
        &self.0[stage as usize]
    }
}

/// `test`, `extended-test` and `prod`.
impl Default for StagePaths {
    fn default() -> Self {
        Self::new(|stage| Value::new(stage.default_path(), Origin::Default))
    }
}
