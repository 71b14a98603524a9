//! Reads facts about the checkout from the repository's files: this is faster than git, and works without git.

use std::fs;
use std::path::{Path, PathBuf};

use super::GitError;
use crate::domain::version::Commit;

/// The top of the working tree around `directory`: the nearest directory with a `.git`, which is a repository or a
/// file that points to one (gitrepository-layout(5)). Does not start git, because everything in a local run waits
/// for the result.
pub fn toplevel(directory: &Path) -> Option<&Path> {
    let is_top = |directory: &&Path| {
        let git = directory.join(".git");
        git.is_file() || git.join("HEAD").symlink_metadata().is_ok()
    };
    directory.ancestors().find(is_top)
}

/// The commit that is checked out (gitrepository-layout(5)).
///
/// # Errors
///
/// [`GitError::Headless`] if the files do not show the commit: there is no repository, or it stores its refs in
/// another way.
pub(super) fn head(directory: &Path) -> Result<Commit, GitError> {
    let repository = Repository::around(directory);
    let commit = repository.and_then(|repository| {
        let head = fs::read_to_string(repository.own.join("HEAD")).ok()?;
        match head.trim_end().strip_prefix("ref: ") {
            Some(name) => repository.reference(name),
            None => head.trim_end().parse().ok(),
        }
    });
    commit.ok_or_else(|| GitError::Headless { directory: directory.to_owned() })
}

/// The commit of a full id, or of a branch or tag by name, if the files show it.
pub fn named(directory: &Path, name: &str) -> Option<Commit> {
    if let Ok(commit) = name.parse() {
        return Some(commit);
    }
    let repository = Repository::around(directory)?;
    ["", "refs/tags/", "refs/heads/", "refs/remotes/origin/"]
        .iter()
        .map(|front| format!("{front}{name}"))
        .filter(|name| name.starts_with("refs/"))
        .find_map(|name| repository.reference(&name))
}

struct Repository {
    /// The directory of the working tree itself.
    own: PathBuf,
    /// The directory that all working trees of the repository share.
    common: PathBuf,
}

impl Repository {
    fn around(directory: &Path) -> Option<Self> {
        let top = toplevel(directory)?;
        let git = top.join(".git");
        let own = match fs::read_to_string(&git) {
            Ok(text) => top.join(text.trim_end().strip_prefix("gitdir: ")?),
            Err(_) => git,
        };
        let common = fs::read_to_string(own.join("commondir")).ok();
        let common = common.map_or_else(|| own.clone(), |path| own.join(path.trim_end()));
        Some(Self { own, common })
    }

    /// The commit of a ref. For an annotated tag, it is known only if the tag is packed.
    fn reference(&self, name: &str) -> Option<Commit> {
        let loose =
            [&self.own, &self.common].iter().find_map(|place| fs::read_to_string(place.join(name)).ok());
        if let Some(text) = loose {
            // The id could be that of a tag object.
            return text.trim_end().parse().ok().filter(|_| !name.starts_with("refs/tags/"));
        }
        let packed = fs::read_to_string(self.common.join("packed-refs")).ok()?;
        let mut lines = packed.lines();
        let id = lines.find_map(|line| line.split_once(' ').filter(|(_, other)| *other == name))?.0;
        // For an annotated tag, the next line has the commit.
        let peeled = lines.next().and_then(|line| line.strip_prefix('^'));
        peeled.unwrap_or(id).parse().ok()
    }
}
