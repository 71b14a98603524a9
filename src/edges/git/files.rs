//! What is checked out, by the repository's files: they tell sooner than git, and where there is none.

use std::fs;
use std::path::{Path, PathBuf};

use super::GitError;
use crate::domain::version::Commit;

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

/// The commit that is checked out (gitrepository-layout(5)).
///
/// # Errors
///
/// [`GitError::Headless`] where the files do not tell: there is no repository, or it keeps its refs in
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

/// The commit that a full id or the name of a branch or tag leads to, as far as the files tell.
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
    /// The working tree's own directory.
    own: PathBuf,
    /// The one that all working trees of the repository share.
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

    /// Where a ref points. That of a tag with an object of its own is known only where it is packed.
    fn reference(&self, name: &str) -> Option<Commit> {
        let loose =
            [&self.own, &self.common].iter().find_map(|place| fs::read_to_string(place.join(name)).ok());
        if let Some(text) = loose {
            // The id of a tag object would be mistaken for a commit's.
            return text.trim_end().parse().ok().filter(|_| !name.starts_with("refs/tags/"));
        }
        let packed = fs::read_to_string(self.common.join("packed-refs")).ok()?;
        let mut lines = packed.lines();
        let id = lines.find_map(|line| line.split_once(' ').filter(|(_, other)| *other == name))?.0;
        // The next line has the commit of an annotated tag.
        let peeled = lines.next().and_then(|line| line.strip_prefix('^'));
        peeled.unwrap_or(id).parse().ok()
    }
}
