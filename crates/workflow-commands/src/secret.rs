//! A value that is never printed.

use std::fmt;
use std::sync::Arc;

/// Text that must not reach a log, an error, an argument or a file of the workspace.
///
/// `Debug` and `Display` print `***`. Only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Pass it only to the system that needs it.
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

/// A callback that masks the secrets which a run obtains, such as access tokens.
#[derive(Clone)]
pub struct Secrets(Arc<dyn Fn(&Secret) + Send + Sync>);

impl Secrets {
    /// Calls `mask` for each secret.
    pub fn new(mask: impl Fn(&Secret) + Send + Sync + 'static) -> Self {
        Self(Arc::new(mask))
    }

    /// Masks `secret`. Call this before the secret is used.
    pub fn mask(&self, secret: &Secret) {
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
