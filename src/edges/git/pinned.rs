//! The user's git configuration as it was before the Makefile was read, for calls with a token. A Makefile or a
//! target could write to `~/.gitconfig` and so send the token to another server (`url.<base>.insteadOf`,
//! `http.proxy`) or run a program that gets it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::GitError;
use super::program::{Call, Git};
use sys::error::FileError;
use sys::private;

/// Replaces the usual files of the user's configuration, from git 2.32 on.
pub(super) const GLOBAL: &str = "GIT_CONFIG_GLOBAL";

/// The configuration in a temporary file.
#[derive(Debug)]
pub(super) struct Pinned {
    _directory: TempDir,
    pub(super) file: PathBuf,
}

impl Git {
    /// Lets calls with a token use the user's configuration as it is now, including the files that it includes.
    ///
    /// Without a readable configuration, these calls use none.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn pinned(self) -> Result<Self, GitError> {
        let directory = private::temporary()?;
        let mut config = String::new();
        if self.user_files().iter().any(|file| file.exists()) {
            let arguments = ["config", "--global", "--includes", "--list", "--null"];
            let printed = self.run(Call::local(directory.path(), &arguments)).await;
            // If the configuration is invalid, git reports it in calls without a token.
            config = printed
                .ok()
                .filter(|printed| printed.code == Some(0))
                .and_then(|printed| text(&printed.stdout))
                .unwrap_or_default();
        }
        let file = directory.path().join("gitconfig");
        fs::write(&file, config).map_err(FileError::at("write", &file))?;
        Ok(self.with_pinned(Pinned { file, _directory: directory }))
    }

    /// The files of the user's configuration (git-config(1)).
    fn user_files(&self) -> Vec<PathBuf> {
        if let Some(global) = self.env.path(GLOBAL) {
            return vec![global];
        }
        let home = self.env.path("HOME");
        let xdg = self.env.path("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let xdg = xdg.map(|directory| directory.join("git/config"));
        home.map(|home| home.join(".gitconfig")).into_iter().chain(xdg).collect()
    }
}

/// Makes a configuration file from the output of `git config --list --null`. The includes are left out, because the
/// output contains their settings.
fn text(printed: &[u8]) -> Option<String> {
    let mut text = String::new();
    for entry in str::from_utf8(printed).ok()?.split_terminator('\0') {
        let (key, value) = entry.split_once('\n').map_or((entry, None), |(key, value)| (key, Some(value)));
        let (section, rest) = key.split_once('.')?;
        if matches!(section, "include" | "includeif") {
            continue;
        }
        let _ = match rest.rsplit_once('.') {
            Some((subsection, _)) => writeln!(text, "[{section} {}]", quoted(subsection)),
            None => writeln!(text, "[{section}]"),
        };
        let name = rest.rsplit('.').next()?;
        // A setting without a value is `true`.
        let _ = match value {
            Some(value) => writeln!(text, "{name} = {}", quoted(value)),
            None => writeln!(text, "{name}"),
        };
    }
    Some(text)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::path::Path;

    use super::*;
    use sys::world::Env;

    fn git(home: &Path) -> Git {
        let path = Env::of_process().path("PATH").unwrap();
        let env: Env = [("PATH", path.as_os_str()), ("HOME", home.as_os_str())].into_iter().collect();
        Git::new(&env)
    }

    async fn printed(git: &Git, home: &Path, arguments: &[&str]) -> String {
        let mut call = Call::local(home, arguments);
        call.variables.extend(git.pin());
        String::from_utf8(git.run(call).await.unwrap().stdout).unwrap()
    }

    #[tokio::test]
    async fn what_is_pinned_is_what_git_read() {
        let home = tempfile::tempdir().unwrap();
        let config = "[include]\n\tpath = more\n[core]\n\tbare\n[URL \"https://a\\\\b\\\"c.d/\"]\n\tinsteadOf = \"x # \\\"y\\\"\\n\\tz\\\\ \"\n\
                      [alias \"Sub.Section\"]\n\tone = 1\n\tone = 2\n\tempty =\n";
        fs::write(home.path().join(".gitconfig"), config).unwrap();
        fs::write(home.path().join("more"), "[http]\n\tproxy = http://proxy\n").unwrap();
        let plain = git(home.path());
        let list = ["config", "--global", "--includes", "--list", "--null"];
        let before = printed(&plain, home.path(), &list).await;
        let git = plain.pinned().await.unwrap();
        fs::write(home.path().join(".gitconfig"), "[planted]\n\ta = b\n").unwrap();
        fs::write(home.path().join("more"), "[planted]\n\ta = b\n").unwrap();
        let after = printed(&git, home.path(), &list).await;
        assert_eq!(after, before.replace("include.path\nmore\0", ""));
        assert!(after.contains("http.proxy\nhttp://proxy\0") && after.contains("x # \"y\"\n\tz\\ \0"));
    }

    #[tokio::test]
    async fn nothing_can_be_added_where_nothing_was() {
        let home = tempfile::tempdir().unwrap();
        let git = git(home.path()).pinned().await.unwrap();
        fs::write(home.path().join(".gitconfig"), "[planted]\n\ta = b\n").unwrap();
        assert_eq!(printed(&git, home.path(), &["config", "--global", "--list"]).await, "");
    }

    #[tokio::test]
    async fn what_git_cannot_read_is_pinned_as_nothing() {
        for config in [&b"[broken\n"[..], b"[http]\n\tproxy = \xff\n"] {
            let home = tempfile::tempdir().unwrap();
            fs::write(home.path().join(".gitconfig"), config).unwrap();
            let git = git(home.path()).pinned().await.unwrap();
            fs::write(home.path().join(".gitconfig"), "[planted]\n\ta = b\n").unwrap();
            assert_eq!(printed(&git, home.path(), &["config", "--global", "--list"]).await, "");
        }
    }
}
