//! What the tests share: programs they drive, repositories they run on, workflows they run.
//! No test lives here, and nothing here knows what a single test asserts.

pub(crate) mod docker_registry;
pub(crate) mod front;
