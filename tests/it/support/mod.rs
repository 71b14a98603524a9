//! What the tests share: programs they drive, repositories they run on, workflows they run.
//! Nothing here knows p2p, or what a single test asserts.

pub(crate) mod act;
pub(crate) mod release;
pub(crate) mod repository;
pub(crate) mod tools;
//! What several tests share.

pub(crate) mod runner_reader;
//! What the tests share: programs they drive, repositories they run on, servers they talk to.
//! No test lives here, and nothing here knows what a single test asserts.

pub(crate) mod git;
pub(crate) mod github;
