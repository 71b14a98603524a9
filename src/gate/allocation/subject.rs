use crate::domain::version::{Commit, Kind, Prefix};
use crate::inputs::Bump;

/// What gets a version.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub prefix: &'a Prefix,
    /// The commit under test.
    pub commit: &'a Commit,
    /// The kind of run.
    pub kind: &'a Kind,
    /// The part of the version that increases.
    pub bump: Bump,
}
