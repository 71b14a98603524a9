//! Login files: Docker's `config.json`, and the auth file of podman, skopeo and buildah (containers-auth.json(5)).
//! [`LoginFile`] reads and writes both. [`UserFiles`] finds the user's files. [`Logins`] creates the private files
//! of a target: the user's files with our logins. The user's own files never change.

mod auth_file;
mod docker;
mod entry;
mod error;
mod file;
mod key;
mod login;
mod places;
mod target;

pub use entry::Credentials;
pub(crate) use entry::encode as auth;
pub use error::LoginsError;
pub(crate) use file::{Helper, LoginFile, without_mark};
pub use key::longest_prefix;
pub(crate) use key::normal;
pub use login::Login;
pub use places::UserFiles;
pub use target::Logins;

#[cfg(test)]
mod tests;
