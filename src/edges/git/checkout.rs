use std::path::Path;

use super::answer::message;
use super::program::{Call, Git};
use super::trust::distrusts;
use super::{GitError, files};
use crate::domain::version::Commit;
use sys::process::Captured;

/// Facts about the checkout around a directory.
impl Git {
    /// The commit that is checked out. Reads the repository's files, which is faster, and asks git only if they do
    /// not show it.
    ///
    /// # Errors
    ///
    /// [`GitError::NotARepository`], [`GitError::NoCommit`], [`GitError::Headless`] without git, and the general
    /// ones.
    pub async fn head(&self, directory: &Path) -> Result<Commit, GitError> {
        let by_files = files::head(directory);
        if by_files.is_ok() {
            return by_files;
        }
        match self.peel(directory, "HEAD").await {
            Err(GitError::Missing) => by_files,
            head => head?.ok_or_else(|| GitError::NoCommit { directory: directory.to_owned() }),
        }
    }

    /// The commit of `revision` (a ref, an id or an annotated tag), or `None` if this checkout does not have it.
    pub async fn peel(&self, directory: &Path, revision: &str) -> Result<Option<Commit>, GitError> {
        let revision = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &revision];
        let (command, printed) = self.ask(directory, &arguments).await?;
        match printed.code {
            Some(0) => {
                let text = String::from_utf8_lossy(&printed.stdout);
                let commit = text.trim().parse();
                commit
                    .map(Some)
                    .map_err(|_| GitError::Unreadable { command, printed: text.trim().to_owned() })
            }
            Some(1) => Ok(None),
            _ => Err(failed(command, directory, &printed)),
        }
    }

    /// Whether the checkout shows that `commit` is `tip` or in its history. A shallow checkout may lack the history,
    /// so `false` proves nothing.
    pub async fn is_ancestor(&self, directory: &Path, commit: &Commit, tip: &str) -> bool {
        let arguments = ["merge-base", "--is-ancestor", commit.as_str(), tip];
        let asked = self.ask(directory, &arguments).await;
        asked.is_ok_and(|(_, printed)| printed.code == Some(0))
    }

    /// Whether git tracks `file` (absolute, or relative to `directory`), in the checkout or in one of its
    /// submodules. `false` outside a repository.
    pub async fn is_tracked(&self, directory: &Path, file: &Path) -> Result<bool, GitError> {
        let mut call = Call::local(directory, &["ls-files", "-z", "--recurse-submodules", "--"]);
        call.arguments.push(file.into());
        call.variables.push(("GIT_LITERAL_PATHSPECS", "1".into()));
        let command = format!("{} {}", call.shown, file.display());
        let printed = self.run_in_checkout(call).await?;
        match printed.code {
            Some(0) => Ok(!printed.stdout.is_empty()),
            _ if printed.stderr.contains("is outside repository") => Ok(false),
            _ => match failed(command, directory, &printed) {
                GitError::NotARepository { .. } => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Whether tracked files differ from the commit that is checked out.
    ///
    /// # Errors
    ///
    /// [`GitError::NotARepository`] and the general ones.
    pub async fn is_changed(&self, directory: &Path) -> Result<bool, GitError> {
        let arguments = ["status", "--porcelain=v2", "--untracked-files=no"];
        let (command, printed) = self.ask(directory, &arguments).await?;
        if printed.code == Some(0) {
            Ok(!printed.stdout.is_empty())
        } else {
            Err(failed(command, directory, &printed))
        }
    }

    /// Whether the checkout lacks part of the history.
    ///
    /// # Errors
    ///
    /// [`GitError::NotARepository`] and the general ones.
    pub async fn is_shallow(&self, directory: &Path) -> Result<bool, GitError> {
        let (command, printed) = self.ask(directory, &["rev-parse", "--is-shallow-repository"]).await?;
        if printed.code == Some(0) {
            Ok(printed.stdout.trim_ascii() == b"true")
        } else {
            Err(failed(command, directory, &printed))
        }
    }

    /// The files with this name in the whole working tree, relative to `directory`, its top: tracked files, and new
    /// files that git does not ignore.
    ///
    /// # Errors
    ///
    /// [`GitError::NotARepository`] and the general ones.
    pub async fn files_named(&self, directory: &Path, name: &str) -> Result<Vec<String>, GitError> {
        let glob = format!(":(top,glob)**/{name}");
        let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", &glob];
        let (command, printed) = self.ask(directory, &arguments).await?;
        if printed.code != Some(0) {
            return Err(failed(command, directory, &printed));
        }
        let names = printed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let mut names: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn ask(&self, directory: &Path, arguments: &[&str]) -> Result<(String, Captured), GitError> {
        let call = Call::local(directory, arguments);
        Ok((call.shown.clone(), self.run_in_checkout(call).await?))
    }
}

impl<'a> Call<'a> {
    pub(super) fn local(directory: &'a Path, arguments: &[&str]) -> Self {
        Self {
            shown: format!("git {}", arguments.join(" ")),
            directory,
            arguments: arguments.iter().map(Into::into).collect(),
            configuration: Vec::new(),
            variables: Vec::new(),
        }
    }
}

pub(super) fn failed(command: String, directory: &Path, printed: &Captured) -> GitError {
    if distrusts(&printed.stderr) {
        GitError::Distrusted { directory: directory.to_owned(), answer: message(&printed.stderr, &[]) }
    } else if printed.stderr.contains("not a git repository")
        || printed.stderr.contains("must be run in a work tree")
    {
        GitError::NotARepository { directory: directory.to_owned() }
    } else {
        GitError::Failed { command, code: printed.code, answer: message(&printed.stderr, &[]) }
    }
}
