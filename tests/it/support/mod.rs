//! What the tests share: programs they drive, repositories they run on, servers they talk to.
//! No test lives here, and nothing here knows what a single test asserts.

pub(crate) mod act;
pub(crate) mod artifact_registry;
pub(crate) mod docker;
pub(crate) mod docker_registry;
pub(crate) mod front;
pub(crate) mod gate;
pub(crate) mod git;
pub(crate) mod github;
pub(crate) mod google;
pub(crate) mod kms;
pub(crate) mod kube;
pub(crate) mod odd_registry;
pub(crate) mod pki;
pub(crate) mod registry;
pub(crate) mod release;
pub(crate) mod rendering;
pub(crate) mod repository;
pub(crate) mod runner_reader;
pub(crate) mod scanners;
pub(crate) mod server;
pub(crate) mod sigstore;
pub(crate) mod terminal;
pub(crate) mod tools;
pub(crate) mod tunnel;
