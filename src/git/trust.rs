//! Checkouts that belong to another user, as in a container job. git distrusts them (CVE-2022-24765);
//! we only read, and are about to run their Makefile.
//!
//! git takes our word for it from the environment ([`trusting`]), except 2.35.2 to 2.37 and what
//! distributions made of older ones (Debian's 2.30.2, Ubuntu's 2.34.1): those look into the user's own
//! files alone, so they get one that includes the user's.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Error;
use super::checkout::toplevel;
use super::program::{Call, Git, Printed};
use crate::world::Env;

/// Configuration for a call that reads a checkout.
pub(super) fn trusting() -> Vec<(String, String)> {
    vec![("safe.directory".to_owned(), "*".to_owned())]
}

/// Whether git would not read a repository because of its owner. The second text is that of the
/// first versions that looked.
pub(super) fn distrusts(stderr: &str) -> bool {
    stderr.contains("dubious ownership") || stderr.contains("unsafe repository")
}

/// Configuration of the user's with one more safe directory in it.
#[derive(Debug)]
pub(super) struct Trust {
    /// Removed with the last [`Git`] that knows it.
    _files: TempDir,
    variables: Vec<(&'static str, OsString)>,
}

impl Git {
    /// Runs a command that reads the checkout around its directory, whoever owns that.
    pub(super) async fn run_in_checkout(&self, mut call: Call<'_>) -> Result<Printed, Error> {
        if let Some(trust) = self.trust.get() {
            call.variables.extend(trust.variables.iter().cloned());
            return self.run(call).await;
        }
        let mut again = call.clone();
        let printed = self.run(call).await?;
        if printed.code == Some(0) || !distrusts(&printed.stderr) {
            return Ok(printed);
        }
        // Where no file can be written, what git said is the error.
        let Ok(trust) = Trust::new(&self.env, again.directory) else { return Ok(printed) };
        again.variables.extend(self.trust.get_or_init(|| trust).variables.iter().cloned());
        self.run(again).await
    }
}

impl Trust {
    /// Writes the files. All versions read `$XDG_CONFIG_HOME/git/config` beside `~/.gitconfig`; where
    /// `GIT_CONFIG_GLOBAL` is set, those that know it (2.32) read that one in place of both.
    fn new(env: &Env, directory: &Path) -> io::Result<Self> {
        let files = tempfile::tempdir()?;
        let top = toplevel(directory).unwrap_or(directory).canonicalize()?;
        let write = |to: &Path, user: Option<PathBuf>| {
            let mut text = String::new();
            if let Some(user) = user {
                let _ = writeln!(text, "[include]\n\tpath = {}", quoted(&user)?);
            }
            // The first ones do not know the star.
            let _ = writeln!(text, "[safe]\n\tdirectory = *\n\tdirectory = {}", quoted(&top)?);
            fs::write(to, text)
        };
        fs::create_dir(files.path().join("git"))?;
        let xdg = env.path("XDG_CONFIG_HOME").or_else(|| Some(env.path("HOME")?.join(".config")));
        write(&files.path().join("git/config"), xdg.map(|xdg| xdg.join("git/config")))?;
        let mut variables = vec![("XDG_CONFIG_HOME", files.path().into())];
        if let Some(global) = env.path("GIT_CONFIG_GLOBAL") {
            let ours = files.path().join("global");
            write(&ours, Some(global))?;
            variables.push(("GIT_CONFIG_GLOBAL", ours.into()));
        }
        Ok(Self { _files: files, variables })
    }
}

/// A path as a value of git-config(1).
fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains('\n'));
    let text = text.ok_or_else(|| io::Error::other("a path that git's configuration cannot hold"))?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
