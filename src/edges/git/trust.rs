//! Checkouts that belong to another user, as in a container job. git refuses them (CVE-2022-24765), because the
//! configuration of a stranger's repository may name programs to run. p2p trusts only the workspace of a job, which
//! GitHub's runner created.
//!
//! Most versions of git accept this from the environment. Versions 2.35.2 to 2.37, and some that distributions
//! patched (Debian's 2.30.2, Ubuntu's 2.34.1), read only the user's own files. For them, p2p writes a file that
//! includes the user's.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::GitError;
use super::files::toplevel;
use super::program::{Call, Git};
use sys::private;
use sys::process::Captured;
use sys::world::Env;

/// Settings that keep git from running programs that a repository names (git-config(1)). A directory of the working
/// tree may look like a bare repository with its own configuration. A repository may also name a remote from which
/// git fetches missing objects through ssh, with a command that the repository sets.
const QUIET: [(&str, &str); 5] = [
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.sshCommand", "false"),
    ("protocol.allow", "never"),
    ("safe.bareRepository", "explicit"),
];

/// Keeps git from fetching missing objects. For older versions, `protocol.allow` does the same.
const NO_FETCH: (&str, &str) = ("GIT_NO_LAZY_FETCH", "1");

/// Whether git refused a repository because of its owner. The second message is from the first versions with this
/// check.
pub(super) fn distrusts(stderr: &str) -> bool {
    stderr.contains("dubious ownership") || stderr.contains("unsafe repository")
}

/// The user's configuration with one more safe directory.
#[derive(Debug)]
pub(super) struct Trust {
    /// Removed with the last [`Git`] that uses it.
    _files: TempDir,
    variables: Vec<(&'static str, OsString)>,
}

impl Git {
    /// Runs a command that reads the checkout around its directory. A checkout of another user is read only in the
    /// workspace of the job.
    pub(super) async fn run_in_checkout(&self, mut call: Call<'_>) -> Result<Captured, GitError> {
        call.configuration.extend(QUIET.map(|(key, value)| (key.to_owned(), value.to_owned())));
        call.variables.push((NO_FETCH.0, NO_FETCH.1.into()));
        let Some(top) = self.trusted_top(call.directory) else { return self.run(call).await };
        call.configuration.push(("safe.directory".to_owned(), top.display().to_string()));
        if let Some(trust) = self.trust.get() {
            call.variables.extend(trust.variables.iter().cloned());
            return self.run(call).await;
        }
        let mut again = call.clone();
        let printed = self.run(call).await?;
        if printed.code == Some(0) || !distrusts(&printed.stderr) {
            return Ok(printed);
        }
        // If p2p cannot write the file, git's own message is the error.
        let Ok(trust) = Trust::new(&self.env, &top) else { return Ok(printed) };
        again.variables.extend(self.trust.get_or_init(|| trust).variables.iter().cloned());
        self.run(again).await
    }

    /// The top of the working tree around a directory, if it is in the workspace of the job.
    fn trusted_top(&self, directory: &Path) -> Option<PathBuf> {
        let workspace = self.workspace.as_ref()?.canonicalize().ok()?;
        let top = toplevel(directory)?.canonicalize().ok()?;
        top.starts_with(&workspace).then_some(top)
    }
}

impl Trust {
    /// Writes the files. All versions read `$XDG_CONFIG_HOME/git/config` and `~/.gitconfig`. If `GIT_CONFIG_GLOBAL`
    /// is set, versions from 2.32 on read that file instead.
    fn new(env: &Env, top: &Path) -> io::Result<Self> {
        let files = private::temporary().map_err(|error| error.source)?;
        let write = |to: &Path, user: Option<PathBuf>| {
            let mut text = String::new();
            if let Some(user) = user {
                let _ = writeln!(text, "[include]\n\tpath = {}", quoted(&user)?);
            }
            let _ = writeln!(text, "[safe]\n\tdirectory = {}", quoted(top)?);
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

/// A path in the form of a value in git-config(1).
fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains('\n'));
    let text = text.ok_or_else(|| io::Error::other("a path that git's configuration cannot hold"))?;
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
