use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::GitError;
use super::checkout::failed;
use super::program::{Call, Git};
use super::remote::{Remote, without_credentials};
use crate::domain::version::Commit;
use sys::error::FileError;
use workflow_commands::Secret;

/// The time limit of one command. A large repository takes long to check out.
const LIMIT: Duration = Duration::from_mins(10);

/// A tag to check out in a directory of its own.
#[derive(Debug, Clone, Copy)]
pub struct Worktree<'a> {
    /// A directory of the current checkout.
    pub from: &'a Path,
    /// The URL of the remote repository, for objects that the checkout lacks. `None` if p2p must not use the
    /// network.
    pub url: Option<&'a str>,
    pub token: Option<&'a Secret>,
    /// The tag. The name is valid.
    pub tag: &'a str,
    /// The commit of the tag.
    pub commit: &'a Commit,
    /// The destination directory, which does not exist yet.
    pub to: &'a Path,
}

impl Git {
    /// Checks a tag out.
    ///
    /// The result is a separate repository whose only ref is the tag. `git worktree` would write to the original
    /// repository, and a fetch into a shallow repository changes its history. This way the original does not change,
    /// and removing the directory removes everything. If the original has the commit, objects are not copied. If it
    /// lacks the commit (a shallow clone of `actions/checkout`), only the files of the tag are fetched. No hook
    /// runs, files of git LFS stay pointers, and submodules are not checked out.
    ///
    /// # Errors
    ///
    /// The general errors, and those of a remote repository.
    pub async fn worktree(&self, worktree: Worktree<'_>) -> Result<(), GitError> {
        let Worktree { from, url, token, tag, commit, to } = worktree;
        let git = self.clone().within(LIMIT);
        let format =
            if commit.as_str().len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        let parent = to.parent().unwrap_or(to);
        let mut init: Vec<OsString> = ["init", "--quiet", "--template=", format].map(OsString::from).to_vec();
        init.push(to.into());
        git.local(parent, init).await?;
        let reference = format!("refs/tags/{tag}");
        match (git.lends(from, commit).await?, url) {
            (true, _) | (false, None) => {
                git.borrow_objects(from, to).await?;
                git.local(to, ["update-ref", &reference, commit.as_str()]).await?;
            }
            (false, Some(url)) => {
                let refspec = format!("+{reference}:{reference}");
                let shown = without_credentials(url);
                let arguments = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", url, &refspec];
                let command = format!("git fetch --depth=1 {shown} {reference}");
                git.ask_remote(Remote { url, token }, &command, to, &arguments).await?;
            }
        }
        if let Some(url) = url {
            // Some recipes read it.
            git.local(to, ["config", "remote.origin.url", &without_credentials(url)]).await?;
        }
        // This checks out the commit, because the tag may have moved since it was looked up.
        git.local(to, ["checkout", "--quiet", "--detach", commit.as_str(), "--"]).await.map(drop)
    }

    /// Whether the repository around a directory has a commit with all its files. A partial clone may have only the
    /// commit.
    async fn lends(&self, from: &Path, commit: &Commit) -> Result<bool, GitError> {
        match self.peel(from, commit.as_str()).await {
            Ok(Some(_)) => {}
            // There may be no checkout.
            Ok(None) | Err(GitError::NotARepository { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let arguments = ["config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$"];
        let call = Call::local(from, &arguments);
        // Exit code 1: the key is not set.
        Ok(self.run_in_checkout(call).await?.code == Some(1))
    }

    /// Makes the new repository read the objects of the one around `from`.
    async fn borrow_objects(&self, from: &Path, to: &Path) -> Result<(), GitError> {
        let printed =
            self.local(from, ["rev-parse", "--git-path", "objects", "--git-path", "shallow"]).await?;
        let mut paths = printed.lines().map(|line| from.join(line));
        let (objects, shallow) = (paths.next().unwrap_or_default(), paths.next().unwrap_or_default());
        let objects = objects.canonicalize().unwrap_or(objects);
        let alternates = to.join(".git/objects/info/alternates");
        fs::create_dir_all(to.join(".git/objects/info")).map_err(FileError::at("write", to))?;
        fs::write(&alternates, format!("{}\n", objects.display()))
            .map_err(FileError::at("write", &alternates))?;
        if shallow.is_file() {
            let copy: PathBuf = to.join(".git/shallow");
            fs::copy(&shallow, &copy).map_err(FileError::at("write", &copy))?;
        }
        Ok(())
    }

    /// Runs a command without network that must succeed. Returns its output.
    async fn local<I: Into<OsString>>(
        &self,
        directory: &Path,
        arguments: impl IntoIterator<Item = I>,
    ) -> Result<String, GitError> {
        let mut call = Call::local(directory, &[]);
        call.arguments = arguments.into_iter().map(Into::into).collect();
        let shown: Vec<_> = call.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        call.shown = format!("git {}", shown.join(" "));
        call.variables.push(("GIT_LFS_SKIP_SMUDGE", "1".into()));
        let command = call.shown.clone();
        let printed = self.run_in_checkout(call).await?;
        if printed.code == Some(0) {
            Ok(String::from_utf8_lossy(&printed.stdout).into_owned())
        } else {
            Err(failed(command, directory, &printed))
        }
    }
}
