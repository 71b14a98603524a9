//! How the team wants to be scanned: keys of an environment.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::domain::environment::{Key, Values};
use crate::inputs::{BlockingSeverity, Switch, Words};

/// How old the vulnerability database may be, unless the environment says otherwise.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// Which commits are searched for secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// Those that the event is about.
    Changes,
    /// All.
    Full,
}

/// Everything that a scan is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScanOptions {
    /// From which severity on findings block.
    pub blocking_severity: BlockingSeverity,
    /// Whether vulnerabilities that nobody can fix yet are left out.
    pub ignore_unfixed: bool,
    /// Whether providers are asked if a secret works.
    pub verify_secrets: bool,
    /// Which commits are searched for secrets.
    pub history: History,
    /// The OCI reference of the vulnerability database, if it is not Trivy's own.
    pub database: Option<String>,
    /// The same of the database of Java packages.
    pub java_database: Option<String>,
    /// The age from which on the vulnerability database is too old.
    #[serde(skip)]
    pub database_max_age: Duration,
    /// Where scanners are fetched from, if not from GitHub. It may hold a credential.
    #[serde(skip)]
    pub base_url: Option<String>,
    /// An installed Trivy.
    pub trivy: Option<PathBuf>,
    /// An installed TruffleHog.
    pub trufflehog: Option<PathBuf>,
    /// Globs of SARIF files with further findings.
    pub sarif: Vec<String>,
}

impl ScanOptions {
    /// Whether the gates of an environment scan.
    pub fn is_on(values: &Values) -> bool {
        values.parsed(Key::Scan) == Some(Switch::On)
    }

    /// The options of an environment. `history` holds unless the environment says otherwise.
    pub fn of(values: &Values, history: History) -> Self {
        let on = |key| values.parsed::<Switch>(key).is_none_or(|switch| switch == Switch::On);
        let text = |key| values.text(key).map(str::to_owned);
        Self {
            blocking_severity: values.parsed(Key::ScanBlockingSeverity).unwrap_or(BlockingSeverity::Off),
            ignore_unfixed: on(Key::ScanIgnoreUnfixed),
            verify_secrets: on(Key::ScanVerifySecrets),
            history: match values.text(Key::ScanHistory) {
                Some("full") => History::Full,
                Some(_) => History::Changes,
                None => history,
            },
            database: text(Key::ScanDb),
            java_database: text(Key::ScanJavaDb),
            database_max_age: values.parsed(Key::ScanDbMaxAge).unwrap_or(MAX_AGE),
            base_url: text(Key::ScannerBaseUrl),
            trivy: text(Key::TrivyPath).map(PathBuf::from),
            trufflehog: text(Key::TrufflehogPath).map(PathBuf::from),
            sarif: values.parsed::<Words>(Key::Sarif).map(|words| words.0).unwrap_or_default(),
        }
    }
}
