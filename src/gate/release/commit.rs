use super::ReleaseError;
use crate::domain::version::{Commit, release_message, released_by};
use crate::edges::github::{Creation, GitHub, GitHubError, TreeFile};

/// The commit of a release, with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The commit that the tag is on.
    pub commit: Commit,
    /// Whether this run created the tag.
    pub created: bool,
}

/// Puts the tag `tag` on a child of `commit` that adds or replaces these files. Nobody sees the child before it has
/// its tag, and the server creates a tag only once. So the release exists completely or not at all.
///
/// # Errors
///
/// [`ReleaseError::Taken`] if the tag is on another commit, [`ReleaseError::OtherFiles`] if it is on a child with
/// other files, and GitHub's errors.
pub async fn put(
    github: &GitHub,
    tag: &str,
    commit: &Commit,
    files: &[TreeFile],
) -> Result<Child, ReleaseError> {
    let base = github.commit(commit).await?.tree.sha;
    let tree = if files.is_empty() { base } else { github.create_tree(&base, files).await? };
    if let Some(there) = existing(github, tag, commit, &tree).await? {
        return Ok(Child { commit: there, created: false });
    }
    let child = github.create_commit(&release_message(tag, commit), &tree, commit).await?;
    let answer = match github.create_tag(tag, &child).await? {
        Creation::Created => return Ok(Child { commit: child, created: true }),
        Creation::Taken { answer, .. } => answer,
    };
    let Some(there) = existing(github, tag, commit, &tree).await? else {
        let what = format!("create the tag {tag}, which does not exist");
        return Err(GitHubError::unexpected(&what, 422, answer).into());
    };
    Ok(Child { created: there == child, commit: there })
}

/// The commit of the tag, if the tag exists and the commit is what this run would create.
async fn existing(
    github: &GitHub,
    tag: &str,
    commit: &Commit,
    tree: &str,
) -> Result<Option<Commit>, ReleaseError> {
    let Some(found) = github.tag_commit(tag).await? else { return Ok(None) };
    let facts = github.commit(&found).await?;
    let parents: Vec<_> = facts.parents.iter().filter_map(|parent| parent.sha.as_deref()).collect();
    if released_by(&parents, &facts.message).as_ref() != Some(commit) {
        return Err(ReleaseError::Taken { tag: tag.to_owned(), commit: commit.clone(), found });
    }
    if facts.tree.sha != tree {
        return Err(ReleaseError::OtherFiles { tag: tag.to_owned(), commit: commit.clone() });
    }
    Ok(Some(found))
}
