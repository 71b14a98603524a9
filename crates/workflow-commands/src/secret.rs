//! A value that never prints.

use std::fmt;
use std::sync::Arc;

/// Text that must not reach a log, an error, an argument or a file of the workspace.
///
/// `Debug` and `Display` print `***`; [`Secret::expose`] is the one way to the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Every caller hands it straight to the system that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who hears of secrets that come up during a run, to mask them.
#[derive(Clone)]
pub struct Secrets(Arc<dyn Fn(&Secret) + Send + Sync>);

impl Secrets {
    /// Calls `tell` for each secret.
    pub fn new(tell: impl Fn(&Secret) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Masks `secret`. Call this before anything is done with it.
    pub fn tell(&self, secret: &Secret) {
        (self.0)(secret);
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
