//! A small OCI registry over a directory: it speaks the distribution API 1.1
//! (<https://github.com/opencontainers/distribution-spec>) on a loopback port. Local runs push to it.
//!
//! [`Home`] is the registry of local runs: one directory, one port that stays, old versions removed. [`Server`]
//! serves any directory. [`Service`] answers requests without a server, for a front that adds rules of its own.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let images = tempfile::tempdir()?;
//! let server = registry::Server::start(images.path(), "127.0.0.1:0".parse()?).await?;
//! println!("docker push {}/shop:1.2.3", server.address());
//! server.stop().await;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod answer;
mod blobs;
mod blocking;
mod error;
mod home;
mod limit;
mod lists;
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

pub use answer::Body;
pub use error::RegistryError;
pub use home::{Home, Local};
pub use limit::Trimmed;
pub use manifest::StoredManifest;
pub use names::{RepositoryName, Tag};
pub use pushes::{Moment, Pushes};
pub use server::Server;
pub use service::{Features, Service};
pub use store::Store;
