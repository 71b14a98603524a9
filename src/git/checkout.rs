use std::path::Path;

use super::Error;
use super::answer::said;
use super::program::{Call, Git, Printed};
use super::trust::{distrusts, trusting};
use crate::version::Commit;

/// This many digits of a commit name it to people.
const SHORT: usize = 12;

/// The top directory of the working tree that holds `directory`: the nearest one with a `.git`,
/// which is a repository or a file that leads to one (gitrepository-layout(5)). It is looked for
/// without git, since all that a local run does has to wait for it.
pub fn toplevel(directory: &Path) -> Option<&Path> {
    let is_top = |directory: &&Path| {
        let git = directory.join(".git");
        git.is_file() || git.join("HEAD").symlink_metadata().is_ok()
    };
    directory.ancestors().find(is_top)
}

/// Facts about the checkout around a directory.
impl Git {
    /// The commit that is checked out.
    ///
    /// # Errors
    ///
    /// [`Error::NotARepository`], [`Error::NoCommit`] and the general ones.
    pub async fn head(&self, directory: &Path) -> Result<Commit, Error> {
        self.peel(directory, "HEAD").await?.ok_or_else(|| Error::NoCommit { directory: directory.to_owned() })
    }

    /// The commit that `revision` (a ref, an id, an annotated tag) leads to, or `None` where this
    /// checkout holds no such commit.
    pub async fn peel(&self, directory: &Path, revision: &str) -> Result<Option<Commit>, Error> {
        let revision = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &revision];
        let (command, printed) = self.ask(directory, &arguments).await?;
        match printed.code {
            Some(0) => {
                let text = String::from_utf8_lossy(&printed.stdout);
                let commit = text.trim().parse();
                commit.map(Some).map_err(|_| Error::Unreadable { command, printed: text.trim().to_owned() })
            }
            Some(1) => Ok(None),
            _ => Err(failed(command, directory, &printed)),
        }
    }

    /// Whether git tracks `file` (relative to `directory`, or absolute), in the checkout itself
    /// or one of its submodules. Outside a repository nothing is tracked.
    pub async fn is_tracked(&self, directory: &Path, file: &Path) -> Result<bool, Error> {
        let mut call = Call::local(directory, &["ls-files", "-z", "--recurse-submodules", "--"]);
        call.arguments.push(file.into());
        call.variables.push(("GIT_LITERAL_PATHSPECS", "1".into()));
        let command = format!("{} {}", call.shown, file.display());
        let printed = self.run_in_checkout(call).await?;
        match printed.code {
            Some(0) => Ok(!printed.stdout.is_empty()),
            _ if printed.stderr.contains("is outside repository") => Ok(false),
            _ => match failed(command, directory, &printed) {
                Error::NotARepository { .. } => Ok(false),
                error => Err(error),
            },
        }
    }

    /// The commit that is checked out and a short name for it: twelve of its digits, and `-dirty`
    /// where tracked files were changed.
    ///
    /// # Errors
    ///
    /// [`Error::NotARepository`], [`Error::NoCommit`] and the general ones.
    pub async fn describe(&self, directory: &Path) -> Result<(Commit, String), Error> {
        // Tells both at once. How far it is ahead of its upstream would take a walk through history.
        let arguments = ["status", "--porcelain=v2", "--branch", "--untracked-files=no", "--no-ahead-behind"];
        let (command, printed) = self.ask(directory, &arguments).await?;
        if printed.code != Some(0) {
            return Err(failed(command, directory, &printed));
        }
        let text = String::from_utf8_lossy(&printed.stdout);
        // Lines about the branch begin with `#`, all others tell of a change.
        let (headers, changes): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
        let commit = headers.iter().find_map(|line| line.strip_prefix("# branch.oid "));
        if commit == Some("(initial)") {
            return Err(Error::NoCommit { directory: directory.to_owned() });
        }
        let Some(commit) = commit.and_then(|commit| commit.parse::<Commit>().ok()) else {
            return Err(Error::Unreadable { command, printed: headers.join("; ") });
        };
        let dirty = if changes.is_empty() { "" } else { "-dirty" };
        let short = format!("{}{dirty}", &commit.as_str()[..SHORT]);
        Ok((commit, short))
    }

    async fn ask(&self, directory: &Path, arguments: &[&str]) -> Result<(String, Printed), Error> {
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
            configuration: trusting(),
            variables: Vec::new(),
        }
    }
}

pub(super) fn failed(command: String, directory: &Path, printed: &Printed) -> Error {
    if distrusts(&printed.stderr) {
        Error::Distrusted { directory: directory.to_owned(), answer: said(&printed.stderr, &[]) }
    } else if printed.stderr.contains("not a git repository")
        || printed.stderr.contains("must be run in a work tree")
    {
        Error::NotARepository { directory: directory.to_owned() }
    } else {
        Error::Failed { command, code: printed.code, answer: said(&printed.stderr, &[]) }
    }
}
