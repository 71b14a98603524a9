//! Pure: the refs and events whose records count.

use globset::{Glob, GlobBuilder};

use crate::domain::version::Prefix;

/// The refs and events whose records count: those that tag and promote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refs {
    /// The main branch, a full ref.
    pub main_branch: String,
    /// Globs of the other branches whose commits were reviewed.
    pub release_branches: Vec<String>,
    /// The prefix of version tags; none where only branches count.
    pub prefix: Option<Prefix>,
    /// The events.
    pub events: &'static [&'static str],
}

impl Refs {
    /// Whether the record of a run of this event on this ref counts.
    pub fn promote(&self, event: &str, git_ref: &str) -> bool {
        self.events.contains(&event) && self.trusted(git_ref)
    }

    /// Whether a record of this ref counts.
    pub(super) fn trusted(&self, git_ref: &str) -> bool {
        let version = |tag| self.prefix.as_ref().is_some_and(|prefix| prefix.version(tag).is_some());
        let release = |branch: &str| self.release_branches.iter().any(|glob| matches(glob, branch));
        git_ref == self.main_branch
            || git_ref.strip_prefix("refs/tags/").is_some_and(version)
            || git_ref.strip_prefix("refs/heads/").is_some_and(release)
    }
}

/// A glob of `release-branches`. `*` stays between two slashes, as in the rulesets of GitHub that protect such branches.
///
/// # Errors
/// Where the text is no glob.
pub fn branch_glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text.strip_prefix("refs/heads/").unwrap_or(text)).literal_separator(true).build()
}

/// Whether a glob of `release-branches` names this branch.
fn matches(glob: &str, branch: &str) -> bool {
    branch_glob(glob).is_ok_and(|glob| glob.compile_matcher().is_match(branch))
}
