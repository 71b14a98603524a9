//! A real git repository with a remote at GitHub.

use std::ops::Deref;
use std::path::Path;

use super::git::Checkout;

/// A git repository with the branch `main` and the remote `origin` at
/// `https://github.com/acme/shop.git`; removed when dropped.
pub(crate) struct Repository(Checkout);

impl Repository {
    /// An empty repository.
    pub(crate) fn new() -> Self {
        let checkout = Checkout::new();
        checkout.git(&["remote", "add", "origin", "https://github.com/acme/shop.git"]);
        Self(checkout)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.directory.path()
    }
}

impl Deref for Repository {
    type Target = Checkout;

    fn deref(&self) -> &Checkout {
        &self.0
    }
}
