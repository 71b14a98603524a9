//! What several tests share.

pub(crate) mod runner_reader;
