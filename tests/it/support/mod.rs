//! What the tests share: programs they drive, repositories they run on, servers they talk to.
//! No test lives here, and nothing here knows what a single test asserts.

pub(crate) mod git;
pub(crate) mod github;
