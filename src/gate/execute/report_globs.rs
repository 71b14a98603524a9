//! The globs of the test reports to read.

use std::sync::Arc;

use crate::domain::environment::{Key, Values};
use crate::edges::workspace::ArtifactGlobs;
use crate::inputs::Words;
use sys::error::Failure;

/// Where frameworks write their reports, by default or by convention.
const USUAL: [&str; 9] = [
    "**/junit*.xml",
    "**/*junit.xml",
    "**/TEST-*.xml",
    "**/test-results*.xml",
    "**/test-results/**/*.xml",
    "**/surefire-reports/*.xml",
    "**/failsafe-reports/*.xml",
    "**/k6*summary*.json",
    "**/summary.json",
];

/// The value of the key that turns reports off.
const NONE: &str = "none";

/// What to do about a wrong glob.
const HELP: &str = "a glob is relative to the working directory and stays inside it: `reports/**/*.xml`. White space and commas \
                    separate globs, so write two globs in place of `{a,b}`; nothing was run";

/// The reports that the key `test-reports` names, or the usual ones.
pub(crate) struct TestReports {
    pub(super) globs: Arc<ArtifactGlobs>,
    /// Whether the key `test-reports` is set. Then a file that is not a report is an error of the user.
    pub(super) named: bool,
}

impl TestReports {
    /// Reads the key. `None` if no reports are wanted.
    pub(crate) fn of(values: &Values) -> Result<Option<Self>, Failure> {
        let named = values.parsed::<Words>(Key::TestReports).map(|words| words.0);
        if named.as_ref().is_some_and(|words| *words == [NONE]) {
            return Ok(None);
        }
        let globs = match &named {
            Some(globs) => ArtifactGlobs::parse(globs.iter().map(String::as_str)),
            None => ArtifactGlobs::parse(USUAL),
        };
        let globs = globs.map_err(|error| Failure {
            help: Some(HELP.to_owned()),
            ..Failure::from(error).context(format!("the key `{}` is wrong", Key::TestReports))
        })?;
        Ok(Some(Self { globs: Arc::new(globs), named: named.is_some() }))
    }
}
