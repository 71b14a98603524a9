//! A short make command whose output is captured.

use std::ffi::OsStr;
use std::path::Path;

use sys::process::Spec;
use sys::world::Env;

/// The command `make` with these arguments in `directory`, in exactly this environment and `PWD`, which make
/// itself does not set. Messages show it as `shown`.
pub(super) fn make(shown: &str, directory: &Path, env: &Env, arguments: &[&OsStr]) -> Spec {
    let mut env = env.clone();
    env.set("PWD", directory);
    Spec { shown: Some(shown.to_owned()), ..Spec::new("make", arguments, directory, env) }
}
