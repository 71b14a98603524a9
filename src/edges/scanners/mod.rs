//! The scanners Trivy and TruffleHog: fetches them, starts them with their own environment, and reads their output,
//! and the SARIF of other scanners. `domain/scan` decides what findings mean.

mod fetch;
mod output;
mod release;
mod run;
mod sarif;
mod trivy;
mod trufflehog;

pub use fetch::{ScannerSources, fetch};
pub use release::{Release, Scanner};
pub use run::{Commits, Scanners};
pub use sarif::read as read_sarif;
pub use trivy::TrivyReport;
pub use trufflehog::{lines as secret_lines, read_lines as read_secret_lines};
