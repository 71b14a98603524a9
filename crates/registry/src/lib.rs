//! The embedded OCI registry on loopback: what local runs push to, and what tests talk to.
//! It speaks the distribution API 1.1 (<https://github.com/opencontainers/distribution-spec>) over
//! a directory. Faults for tests stay in `faults.rs`. No client code and nothing of the gate here.

mod answer;
mod auth;
mod blobs;
mod error;
mod faults;
mod home;
mod limit;
mod lists;
mod log;
mod manifest;
mod manifests;
mod names;
mod pushes;
mod query;
mod random;
mod range;
mod route;
mod server;
mod service;
mod store;
mod upload;
mod uploads;
mod wire;

pub use auth::{Account, Auth};
pub use error::Error;
pub use faults::{Asked, Fault, Faults};
pub use home::{Home, Local};
pub use limit::Trimmed;
pub use log::Entry;
pub use manifest::Manifest;
pub use names::{Digest, Repository, Tag};
pub use pushes::{Moment, Pushes};
pub use server::{Options, Server};
pub use store::Store;
