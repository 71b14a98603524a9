//! Everything that comes in from outside, once, at the top.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::error::Failure;

/// The environment of the process as a value. Nothing else reads `std::env::var`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// A variable's text. Empty means absent, as everywhere in GitHub Actions; text that is not
    /// UTF-8 is absent too.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(OsStr::new(name))?.to_str().filter(|text| !text.is_empty())
    }

    /// A variable as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(OsStr::new(name));
    }

    /// All variables in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

/// Names only: values may be secret.
impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        Self(items.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl World {
    /// The world of this process.
    ///
    /// # Errors
    ///
    /// Where the working directory is gone.
    pub fn of_process() -> Result<Self, Failure> {
        Ok(Self {
            env: Env::of_process(),
            args: std::env::args_os().skip(1).collect(),
            directory: std::env::current_dir()?,
            now: jiff::Timestamp::now(),
            terminal: std::io::stderr().is_terminal(),
        })
    }
}

/// What a run starts from. Tests build their own.
#[derive(Debug, Clone)]
pub struct World {
    /// The process environment.
    pub env: Env,
    /// The arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The directory the process was started in.
    pub directory: PathBuf,
    /// When the run started.
    pub now: jiff::Timestamp,
    /// Whether a person watches standard error.
    pub terminal: bool,
}
