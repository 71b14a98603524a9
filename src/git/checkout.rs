use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::answer::said;
use super::program::{Call, Git, Printed};
use crate::version::Commit;

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

    /// The top directory of the working tree.
    ///
    /// # Errors
    ///
    /// [`Error::NotARepository`] and the general ones.
    pub async fn toplevel(&self, directory: &Path) -> Result<PathBuf, Error> {
        let (command, mut printed) = self.ask(directory, &["rev-parse", "--show-toplevel"]).await?;
        if printed.code != Some(0) {
            return Err(failed(command, directory, &printed));
        }
        // A path may hold any byte, a newline at its end included: only git's own one goes.
        if printed.stdout.last() == Some(&b'\n') {
            printed.stdout.pop();
        }
        Ok(PathBuf::from(OsString::from_vec(printed.stdout)))
    }

    /// Whether git tracks `file` (relative to `directory`, or absolute), in the checkout itself
    /// or one of its submodules. Outside a repository nothing is tracked.
    pub async fn is_tracked(&self, directory: &Path, file: &Path) -> Result<bool, Error> {
        let mut call = Call::local(directory, &["ls-files", "-z", "--recurse-submodules", "--"]);
        call.arguments.push(file.into());
        call.variables.push(("GIT_LITERAL_PATHSPECS", "1".into()));
        let command = format!("{} {}", call.shown, file.display());
        let printed = self.run(call).await?;
        match printed.code {
            Some(0) => Ok(!printed.stdout.is_empty()),
            _ if printed.stderr.contains("is outside repository") => Ok(false),
            _ => match failed(command, directory, &printed) {
                Error::NotARepository { .. } => Ok(false),
                error => Err(error),
            },
        }
    }

    /// A short name for what is checked out: twelve digits of the commit, and `-dirty` where
    /// tracked files were changed.
    ///
    /// # Errors
    ///
    /// [`Error::NotARepository`], [`Error::NoCommit`] and the general ones.
    pub async fn describe(&self, directory: &Path) -> Result<String, Error> {
        let arguments = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
        let (command, printed) = self.ask(directory, &arguments).await?;
        if printed.code == Some(0) {
            return Ok(String::from_utf8_lossy(&printed.stdout).trim().to_owned());
        }
        match failed(command, directory, &printed) {
            error @ Error::NotARepository { .. } => Err(error),
            error => self.head(directory).await.and(Err(error)),
        }
    }

    async fn ask(&self, directory: &Path, arguments: &[&str]) -> Result<(String, Printed), Error> {
        let call = Call::local(directory, arguments);
        Ok((call.shown.clone(), self.run(call).await?))
    }
}

impl<'a> Call<'a> {
    fn local(directory: &'a Path, arguments: &[&str]) -> Self {
        Self {
            shown: format!("git {}", arguments.join(" ")),
            directory,
            arguments: arguments.iter().map(Into::into).collect(),
            // In a container job the checkout belongs to another user, which git distrusts
            // (CVE-2022-24765). We only read, and are about to run its Makefile.
            configuration: vec![("safe.directory".to_owned(), "*".to_owned())],
            variables: Vec::new(),
        }
    }
}

fn failed(command: String, directory: &Path, printed: &Printed) -> Error {
    if printed.stderr.contains("not a git repository")
        || printed.stderr.contains("must be run in a work tree")
    {
        Error::NotARepository { directory: directory.to_owned() }
    } else {
        Error::Failed { command, code: printed.code, answer: said(&printed.stderr, &[]) }
    }
}
