use crate::domain::version::{Commit, Kind, Prefix};
use crate::inputs::Bump;

/// Whose version is to be allocated.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The prefix of the version tags.
    pub prefix: &'a Prefix,
    /// The commit under test.
    pub commit: &'a Commit,
    /// What sort of run this is.
    pub kind: &'a Kind,
    /// What a new version counts up.
    pub bump: Bump,
}
