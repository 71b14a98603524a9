//! The programs that scan: Trivy and TruffleHog. Fetches them, starts them with an environment of their own, and
//! reads what they write, and the SARIF of others. What findings mean is decided in `domain/scan`.

mod error;
mod fetch;
mod release;
mod run;
mod sarif;
mod trivy;
mod trufflehog;

pub use error::ScannerError;
pub use fetch::{ScannerSources, fetch};
pub use release::{Release, Scanner};
pub use run::{Commits, Scanners};
pub use sarif::read as read_sarif;
pub use trivy::{read as read_trivy, without_configuration};
pub use trufflehog::{lines as secret_lines, read as read_trufflehog, read_lines as read_secret_lines};
