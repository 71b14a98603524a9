//! The refs and events whose records count. Pure.

use globset::{Glob, GlobBuilder};

use crate::domain::version::Prefix;

/// The refs and events whose records count: those that create tags and promote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refs {
    /// The full ref of the main branch.
    pub main_branch: String,
    /// Globs of the other branches whose commits were reviewed.
    pub release_branches: Vec<String>,
    /// The prefix of version tags. `None` if only branches count.
    pub prefix: Option<Prefix>,
    pub events: &'static [&'static str],
}

impl Refs {
    /// Whether the record of a run for this event and ref counts.
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

/// Parses a glob of `release-branches`. `*` does not match a slash, as in the rulesets of GitHub that protect such
/// branches.
///
/// # Errors
/// If the text is not a glob.
pub fn branch_glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text.strip_prefix("refs/heads/").unwrap_or(text)).literal_separator(true).build()
}

/// Whether a glob of `release-branches` matches a branch.
fn matches(glob: &str, branch: &str) -> bool {
    branch_glob(glob).is_ok_and(|glob| glob.compile_matcher().is_match(branch))
}
