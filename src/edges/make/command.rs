//! A short make command whose output is captured.

use std::ffi::OsStr;
use std::path::Path;

use sys::process::Spec;
use sys::world::Env;

/// The command `make` with these arguments in `directory`, with exactly this environment and `PWD`, which make does
/// not set. `shown` is the command in messages.
pub(super) fn make(shown: &str, directory: &Path, env: &Env, arguments: &[&OsStr]) -> Spec {
    let mut env = env.clone();
    env.set("PWD", directory);
    Spec { shown: Some(shown.to_owned()), ..Spec::new("make", arguments, directory, env) }
}
