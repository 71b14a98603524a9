//! The options of scans: keys of an environment.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::domain::environment::{Key, Values};
use crate::inputs::{BlockingSeverity, History, Switch, Words};

/// The default age limit of the vulnerability database.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// The options of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScanOptions {
    /// The lowest severity that blocks.
    pub blocking_severity: BlockingSeverity,
    /// Whether to leave out vulnerabilities without a fix.
    pub ignore_unfixed: bool,
    /// Whether to ask providers if a secret works.
    pub verify_secrets: bool,
    /// Which commits to search for secrets.
    pub history: History,
    /// The OCI reference of the vulnerability database, if it is not Trivy's own.
    pub database: Option<String>,
    /// The same for the database of Java packages.
    pub java_database: Option<String>,
    /// The age at which the vulnerability database is too old.
    #[serde(skip)]
    pub database_max_age: Duration,
    /// Where to fetch scanners, if not from GitHub. It contains no login.
    #[serde(skip)]
    pub base_url: Option<String>,
    /// The path of an installed Trivy.
    pub trivy: Option<PathBuf>,
    /// The path of an installed TruffleHog.
    pub trufflehog: Option<PathBuf>,
    /// Globs of SARIF files with further findings.
    pub sarif: Vec<String>,
    /// How long each scanner may take.
    #[serde(skip)]
    pub time_limit: Duration,
}

impl ScanOptions {
    /// The options of an environment. `history` is the default for its key.
    pub fn of(values: &Values, history: History, time_limit: Duration) -> Self {
        let on = |key| values.parsed::<Switch>(key).is_none_or(|switch| switch == Switch::On);
        let text = |key| values.text(key).map(str::to_owned);
        Self {
            blocking_severity: values.parsed(Key::ScanBlockingSeverity).unwrap_or(BlockingSeverity::Off),
            ignore_unfixed: on(Key::ScanIgnoreUnfixed),
            verify_secrets: on(Key::ScanVerifySecrets),
            history: values.parsed(Key::ScanHistory).unwrap_or(history),
            database: text(Key::ScanDb),
            java_database: text(Key::ScanJavaDb),
            database_max_age: values.parsed(Key::ScanDbMaxAge).unwrap_or(MAX_AGE),
            base_url: text(Key::ScannerBaseUrl),
            trivy: text(Key::TrivyPath).map(PathBuf::from),
            trufflehog: text(Key::TrufflehogPath).map(PathBuf::from),
            sarif: values.parsed::<Words>(Key::Sarif).map(|words| words.0).unwrap_or_default(),
            time_limit,
        }
    }
}
